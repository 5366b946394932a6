"""What the commands `weights seal` and `weights list` do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from agent.core.errors import SettingsError, WeightsError
from agent.core.settings import load_settings
from agent.models.sealed import Tensors


def _kind(kind: str) -> tuple[dict[str, Any], Callable[[Tensors, str], object]]:
    """What files of a kind observe, and what tries their tensors; raises SettingsError."""
    if kind == "pilot":
        from agent.control import encode, motor

        return encode.describe(), motor.checked_reflex
    if kind == "dreamer":
        from agent.control import dreamer

        return dreamer.describe(), dreamer.checked_dreamer
    raise SettingsError(f"--kind {kind}: files of kind pilot and dreamer can be sealed")


def seal_file(path: Path, kind: str) -> int:
    """Check a .safetensors file, try it as what it is said to hold, write its manifest; returns the exit code."""
    from agent.models.sealed import load_sealed, manifest_path, seal

    layout, check = _kind(kind)
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    manifest = seal(path, kind=kind, layout=layout, created_by="weights seal")
    try:
        check(load_sealed(path)[1], str(path))
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
    from agent.commands.play import weights_folder
    from agent.models.sealed import read_manifest
    from agent.store.store import WeightsStore

    store = WeightsStore(weights_folder(load_settings(config, os.environ)))
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
