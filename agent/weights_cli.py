"""What the commands `weights seal` and `weights list` do."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from agent.core.errors import SettingsError, WeightsError
from agent.core.settings import load_settings


def seal_file(path: Path, kind: str) -> int:
    """Check a .safetensors file, try it as what it is said to hold, write its manifest; returns the exit code."""
    from agent.control import dreamer, encode, motor
    from agent.models.sealed import load_sealed, manifest_path, seal

    layouts = {motor.KIND: encode.describe(), dreamer.KIND: dreamer.describe()}
    checks = {motor.KIND: motor.checked_reflex, dreamer.KIND: dreamer.checked_dreamer}
    if kind not in layouts:
        raise SettingsError(f"--kind {kind}: files of kind {' and '.join(layouts)} can be sealed")
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    manifest = seal(path, kind=kind, layout=layouts[kind], created_by="weights seal")
    try:
        checks[kind](load_sealed(path)[1], str(path))
    except WeightsError:
        manifest_path(path).unlink()
        raise
    Console(stderr=True).print(
        f"{manifest_path(path)}: {len(manifest.tensors)} tensors, {manifest.bytes} bytes, sha256 {manifest.sha256}",
        highlight=False, soft_wrap=True, markup=False,
    )  # fmt: skip
    return 0


def list_versions(config: Path | None) -> int:
    """Print one line for each stored version; returns the exit code."""
    from agent.models.sealed import read_manifest
    from agent.play import weights_folder
    from agent.runtime.weights import WeightsStore

    store = WeightsStore(weights_folder(load_settings(config, os.environ, {})))
    console = Console()
    console.print(f"{store.folder}", highlight=False, soft_wrap=True, markup=False)
    for policy in store.policies():
        current = store.current(policy)
        for version in store.versions(policy):
            manifest = read_manifest(store.path(policy, version))
            mark = "*" if current is not None and current.version == version else " "
            console.print(
                f"{mark} {policy} {version} {manifest.kind} {manifest.bytes} bytes, {manifest.created_by}",
                highlight=False, soft_wrap=True, markup=False,
            )  # fmt: skip
    return 0
