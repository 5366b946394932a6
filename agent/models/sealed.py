"""Sealed weight files: tensors in a .safetensors file beside a manifest that says what they must be.

The manifest `NAME.safetensors.json` holds schema, kind, sizes, observation layout, size and SHA-256 of the file, and
name, shape and dtype of every tensor. Both are written to a temporary file, synced, and renamed; the manifest comes
last, so a file without one is unfinished. Needs no torch; owns no network.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from agent.core.errors import WeightsError

SCHEMA: Final = "metabonk-weights/1"
MOST_BYTES: Final = 1 << 30
Tensors = dict[str, NDArray[Any]]


class TensorSpec(msgspec.Struct, frozen=True):
    """Shape and dtype of one tensor."""

    shape: list[int]
    dtype: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a weight file is. `kind` names the network, `sizes` builds it, `layout` is what it observes."""

    schema: str = SCHEMA
    kind: str
    layout: dict[str, Any]
    sizes: dict[str, Any]
    bytes: int
    sha256: str
    tensors: dict[str, TensorSpec]
    created_by: str = ""
    parent: str = ""
    notes: dict[str, Any] = {}


def manifest_path(path: Path) -> Path:
    """Where the manifest of a weight file lies."""
    return path.with_name(path.name + ".json")


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside, sync, rename: a reader sees the old file or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _specs(tensors: Tensors) -> dict[str, TensorSpec]:
    return {name: TensorSpec(list(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in sorted(tensors.items())}


def save_sealed(
    path: Path,
    tensors: Tensors,
    *,
    kind: str,
    layout: dict[str, Any],
    sizes: dict[str, Any],
    created_by: str = "",
    parent: str = "",
    notes: dict[str, Any] | None = None,
) -> Manifest:
    """Write tensors and their manifest."""
    tensors = {name: np.ascontiguousarray(t) if t.ndim else t for name, t in tensors.items()}
    data = save_tensors(tensors)
    manifest = Manifest(
        kind=kind, layout=layout, sizes=sizes, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
        tensors=_specs(tensors), created_by=created_by, parent=parent, notes=notes or {},
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    write_atomically(manifest_path(path), msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return manifest


def read_manifest(path: Path) -> Manifest:
    """The manifest of a weight file; raises WeightsError where it is missing or not one."""
    beside = manifest_path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    if not beside.is_file():
        raise WeightsError(f"{path}: no manifest {beside.name}; write one with `python -m agent weights seal {path}`")
    try:
        manifest = msgspec.json.decode(beside.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise WeightsError(f"{beside}: not a manifest: {error}") from error
    if manifest.schema != SCHEMA:
        raise WeightsError(f"{beside}: schema {manifest.schema}, this program reads {SCHEMA}")
    return manifest


def load_sealed(path: Path) -> tuple[Manifest, Tensors]:
    """Manifest and tensors of a file that is what its manifest says, every value finite; raises WeightsError."""
    manifest = read_manifest(path)
    size = path.stat().st_size
    if size != manifest.bytes or size > MOST_BYTES:
        raise WeightsError(f"{path}: {size} bytes, its manifest says {manifest.bytes}, the limit is {MOST_BYTES}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise WeightsError(f"{path}: its content is not what the manifest's sha256 says")
    return manifest, check_tensors(path, data, manifest.tensors)


def check_tensors(path: Path, data: bytes, expected: dict[str, TensorSpec]) -> Tensors:
    """The tensors in `data`, which must be those expected, all finite; raises WeightsError."""
    try:
        tensors: Tensors = load_tensors(data)
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}") from error
    found = _specs(tensors)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise WeightsError(f"{path}: tensor {name} is {found.get(name)}, expected {expected.get(name)}")
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise WeightsError(f"{path}: tensor {name} has values that are not finite")
    return tensors
