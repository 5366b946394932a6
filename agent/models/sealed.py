"""Sealed weight files: tensors in a .safetensors file beside a manifest that says what they must be.

The manifest `NAME.safetensors.json` holds schema, kind, sizes, observation layout, size and SHA-256 of the file, and
name, shape and dtype of every tensor. Both are written to a temporary file, synced, and renamed; the manifest comes
last, so a file without one is unfinished. Where a file is replaced, its new manifest waits beside as `….json.next`
until the new file is there: at every instant one of the two belongs to the file. Needs no torch; owns no network.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from agent.core.errors import WeightsError
from agent.core.files import decode_text, sync_folder, write_atomically

SCHEMA: Final = "metabonk-weights/1"
MAX_BYTES: Final = 1 << 30
MAX_MANIFEST_BYTES: Final = 4 << 20
MAX_DEPTH: Final = 20
Tensors = dict[str, NDArray[Any]]


class TensorSpec(msgspec.Struct, frozen=True):
    """Shape and dtype of one tensor."""

    shape: list[int]
    dtype: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a weight file is. `kind` names the network, `sizes` builds it, `layout` is what it observes.

    `version` is the store's number of these weights, 0 for a file that is in no store.
    """

    schema: str = SCHEMA
    kind: str
    layout: dict[str, Any]
    sizes: dict[str, Any]
    bytes: int
    sha256: str
    tensors: dict[str, TensorSpec]
    created_by: str = ""
    parent: str = ""
    version: int = 0
    notes: dict[str, Any] = {}


def manifest_path(path: Path) -> Path:
    """Where the manifest of a weight file lies."""
    return path.with_name(path.name + ".json")


def _next_path(path: Path) -> Path:
    return path.with_name(path.name + ".json.next")


def specs_of(tensors: Tensors) -> dict[str, TensorSpec]:
    """Shape and dtype of every tensor by name."""
    return {name: TensorSpec(list(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in sorted(tensors.items())}


def content_sha256(tensors: Tensors) -> str:
    """The SHA-256 that a file of these tensors has, as `save_sealed` writes it."""
    return hashlib.sha256(_packed(tensors)).hexdigest()


def _packed(tensors: Tensors) -> bytes:
    return save_tensors({name: np.ascontiguousarray(t) if t.ndim else t for name, t in tensors.items()})


def save_sealed(
    path: Path,
    tensors: Tensors,
    *,
    kind: str,
    layout: dict[str, Any],
    sizes: dict[str, Any],
    created_by: str = "",
    parent: str = "",
    version: int = 0,
    notes: dict[str, Any] | None = None,
) -> Manifest:
    """Write tensors and their manifest."""
    data = _packed(tensors)
    manifest = Manifest(
        kind=kind, layout=layout, sizes=sizes, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
        tensors=specs_of(tensors), created_by=created_by, parent=parent, version=version, notes=notes or {},
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_pair(path, data, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return manifest


def _write_pair(path: Path, data: bytes, manifest: bytes) -> None:
    if not path.exists():  # whoever sees the weights finds their manifest
        write_atomically(manifest_path(path), manifest)
        write_atomically(path, data)
        return
    waiting, is_new = _next_path(path), False
    try:
        write_atomically(waiting, manifest)
        write_atomically(path, data)
        is_new = True
        waiting.replace(manifest_path(path))
    finally:
        if not is_new:
            waiting.unlink(missing_ok=True)
    sync_folder(path.parent)


def read_manifest(path: Path) -> Manifest:
    """The manifest of a weight file; raises WeightsError where it is missing or not one."""
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    return _waiting(path) or _manifest_in(path, manifest_path(path))


def _waiting(path: Path) -> Manifest | None:
    """The manifest that waits for its file, where this is the file: whoever wrote them was stopped between the two."""
    if not _next_path(path).is_file():
        return None
    try:
        manifest = _manifest_in(path, _next_path(path))
        data = read_limited(path, manifest.bytes, follow_links=True)
    except WeightsError:
        return None
    return manifest if hashlib.sha256(data).hexdigest() == manifest.sha256 else None


def _manifest_in(path: Path, beside: Path) -> Manifest:
    if not beside.is_file():
        raise WeightsError(f"{path}: no manifest {beside.name}; write one with `python -m agent weights seal {path}`")
    if beside.stat().st_size > MAX_MANIFEST_BYTES:
        raise WeightsError(f"{beside}: larger than the {MAX_MANIFEST_BYTES} bytes of the longest manifest")
    try:
        manifest = msgspec.json.decode(decode_text(beside.read_bytes()), type=Manifest)
    except (OSError, UnicodeDecodeError, RecursionError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise WeightsError(f"{beside}: not a manifest: {error}") from error
    if _is_deep((manifest.layout, manifest.sizes, manifest.notes)):
        raise WeightsError(f"{beside}: not a manifest: nested more than {MAX_DEPTH} deep")
    if manifest.schema != SCHEMA:
        raise WeightsError(f"{beside}: schema {manifest.schema}, this program reads {SCHEMA}")
    return manifest


def _is_deep(values: object) -> bool:
    """True where comparing or showing the values could exhaust the stack."""
    level: list[object] = [values]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list | tuple)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def load_sealed(path: Path, *, follow_links: bool = True) -> tuple[Manifest, Tensors]:
    """Manifest and tensors of a file that is what its manifest says, every value finite; raises WeightsError."""
    manifest = read_manifest(path)
    data = read_limited(path, manifest.bytes, follow_links=follow_links)
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise WeightsError(f"{path}: its content is not what the manifest's sha256 says")
    return manifest, check_tensors(path, data, manifest.tensors)


def load_kind(path: Path, kind: str, layout: dict[str, Any]) -> Tensors:
    """The tensors of a sealed file of this kind that observes this layout; raises WeightsError."""
    manifest = read_manifest(path)
    if manifest.kind != kind:
        raise WeightsError(f"{path}: holds a {manifest.kind}, a {kind} is needed")
    if manifest.layout != layout:
        raise WeightsError(f"{path}: observes {manifest.layout}, this program encodes {layout}")
    return load_sealed(path)[1]


def _tensors_in(path: Path, data: bytes) -> Tensors:
    """The tensors of a safetensors file; raises WeightsError, also for types that numpy does not have."""
    try:
        tensors: Tensors = load_tensors(data)
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        what = str(error.args[0]) if error.args else str(error)
        raise WeightsError(
            f"{path}: holds values of a type that is not read ({what}); store them as float32"
        ) from error
    return tensors


def read_limited(path: Path, expected: int | None, *, follow_links: bool) -> bytes:
    """The bytes of a regular file of the expected size; raises WeightsError before anything is allocated."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    if not follow_links:
        if path.is_symlink():
            raise WeightsError(f"{path}: is a symbolic link; put the file itself there")
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}") from error
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise WeightsError(f"{path}: is not a regular file")
        if info.st_size > MAX_BYTES or info.st_size != (expected if expected is not None else info.st_size):
            raise WeightsError(f"{path}: {info.st_size} bytes, its manifest says {expected}, the limit is {MAX_BYTES}")
        return file.read()


def seal(path: Path, *, kind: str, layout: dict[str, Any], created_by: str = "", parent: str = "") -> Manifest:
    """Write the manifest of a .safetensors file that has none; raises WeightsError where it is not such a file."""
    data = read_limited(path, None, follow_links=True)
    tensors = _tensors_in(path, data)
    expected = specs_of(tensors)
    check_tensors(path, data, expected)
    manifest = Manifest(
        kind=kind, layout=layout, sizes={}, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(),
        tensors=expected, created_by=created_by, parent=parent,
    )  # fmt: skip
    write_atomically(manifest_path(path), msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    return manifest


def check_tensors(path: Path, data: bytes, expected: dict[str, TensorSpec]) -> Tensors:
    """The tensors in `data`, which must be those expected, all finite; raises WeightsError."""
    tensors = _tensors_in(path, data)
    found = specs_of(tensors)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise WeightsError(f"{path}: tensor {name} is {found.get(name)}, expected {expected.get(name)}")
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise WeightsError(f"{path}: tensor {name} has values that are not finite")
    return tensors
