"""Giving a challenger by hand: a file that play takes up and tries over whole runs; see `store.contest`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.concurrency.output import printable
from agent.core.errors import WeightsError
from agent.models.sealed import content_sha256, load_sealed, save_sealed
from agent.store.store import WeightsStore

GIVEN: Final = "given.safetensors"
"""Where the file waits beside the versions of its policy."""


def give(store: WeightsStore, policy: str, path: Path) -> None:
    """Let weights of a file challenge those of a policy; blocks on the disk.

    Raises WeightsError where they are no weights of it, or are those in force.
    """
    manifest, tensors = load_sealed(path)
    current, held = store.load(policy)
    needed = current.manifest
    if (manifest.kind, manifest.layout) != (needed.kind, needed.layout):
        raise WeightsError(f"{path}: holds a {manifest.kind} that observes other things than {policy}, a {needed.kind}")
    for name in sorted(manifest.tensors.keys() | needed.tensors.keys()):
        if manifest.tensors.get(name) != needed.tensors.get(name):
            found, wanted = manifest.tensors.get(name), needed.tensors.get(name)
            raise WeightsError(f"{path}: tensor {name} is {found}, the policy has {wanted}")
    if content_sha256(tensors) == content_sha256(held):
        raise WeightsError(f"{path}: these are the weights in force, version {current.version}")
    waiting = store.home(policy) / GIVEN
    try:
        save_sealed(
            waiting, tensors, kind=manifest.kind, layout=manifest.layout, sizes=manifest.sizes,
            created_by=printable(path.name),
        )  # fmt: skip
    except OSError as error:
        raise WeightsError(f"{waiting}: {error.strerror or error}") from error
