"""Sealed weight files: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agent.control import encode
from agent.control.motor import load_pilot, save_pilot
from agent.control.untrained import default_sizes, untrained_tensors
from agent.core.errors import WeightsError
from agent.core.files import remove_leftovers
from agent.models.sealed import load_sealed, manifest_path, read_manifest, save_sealed

ROOT = Path(__file__).resolve().parents[2]
TENSORS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(3, np.int64)}


def write(path: Path, **changes: np.ndarray) -> None:
    save_sealed(path, TENSORS | changes, kind="test", layout={"x": 1}, sizes={"y": 2}, created_by="a test")


def edit(path: Path, **changes: object) -> None:
    beside = manifest_path(path)
    beside.write_text(json.dumps(json.loads(beside.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "w.safetensors"
    write(path)
    manifest, tensors = load_sealed(path)
    assert manifest.kind == "test" and manifest.created_by == "a test"
    assert all(np.array_equal(tensors[k], v) and tensors[k].dtype == v.dtype for k, v in TENSORS.items())
    assert sorted(p.name for p in path.parent.iterdir()) == ["w.safetensors", "w.safetensors.json"]


def test_a_manifest_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path / "w.safetensors")
    beside = manifest_path(tmp_path / "w.safetensors")
    beside.write_bytes(b"\xef\xbb\xbf" + beside.read_bytes().replace(b"\n", b"\r\n"))
    assert load_sealed(tmp_path / "w.safetensors")[0].kind == "test"


KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from agent.models.sealed import save_sealed

steps, replace = iter(range(int(sys.argv[2]))), Path.replace

def dying(path, other):
    if next(steps, None) is None:
        os._exit(9)
    return replace(path, other)

Path.replace = dying
save_sealed(Path(sys.argv[1]), {"a": np.ones(9, np.float32)}, kind="new", layout={}, sizes={})
"""


@pytest.mark.parametrize(("step", "kind"), [(0, "test"), (1, "test"), (2, "new"), (3, "new")])
def test_a_kill_while_a_file_is_replaced_leaves_a_whole_pair(step: int, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write(path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(step)], cwd=ROOT, check=False)
    assert done.returncode == (9 if step < 3 else 0)
    assert load_sealed(path)[0].kind == read_manifest(path).kind == kind
    write(path)
    assert load_sealed(path)[0].kind == "test"
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.safetensors", "w.safetensors.json"]


def test_a_disk_that_refuses_leaves_the_pair_before_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "w.safetensors", Path.replace
    write(path)
    kept = path.read_bytes()

    def full(source: Path, other: Path) -> Path:
        if other == path:
            raise OSError(28, "No space left on device")
        return replace(source, other)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write(path, a=np.zeros(1, np.float32))
    assert load_sealed(path)[0].kind == "test" and path.read_bytes() == kept
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.safetensors", "w.safetensors.json"]


def _reseal(path: Path, data: bytes) -> None:
    """Put other bytes behind an honest checksum: only the tensors' check is left to refuse them."""
    import hashlib

    path.write_bytes(data)
    edit(path, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _other(path: Path, **tensors: np.ndarray) -> None:
    from safetensors.numpy import save

    _reseal(path, save(tensors))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no file": (lambda p: p.unlink(), "no such file"),
    "no manifest": (lambda p: manifest_path(p).unlink(), "weights seal"),
    "manifest is not JSON": (lambda p: manifest_path(p).write_text("{", encoding="utf-8"), "not a manifest"),
    "manifest lacks a key": (lambda p: manifest_path(p).write_text("{}", encoding="utf-8"), "not a manifest"),
    "a manifest of brackets alone": (
        lambda p: (
            edit(p, notes={"a": "@"})
            or manifest_path(p).write_text(
                manifest_path(p).read_text(encoding="utf-8").replace('"@"', "[" * 100_000 + "]" * 100_000),
                encoding="utf-8",
            )
        ),
        "not a manifest",
    ),
    "manifest is not text": (lambda p: manifest_path(p).write_bytes(b"\xff\xfe\x00"), "not a manifest"),
    "another schema": (lambda p: edit(p, schema="metabonk-weights/9"), "schema"),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[:-4]), "bytes"),
    "one bit flipped": (lambda p: p.write_bytes(p.read_bytes()[:-1] + b"\x01"), "sha256"),
    "not safetensors": (lambda p: _reseal(p, b"\xff" * 64), "not a safetensors file"),
    "a pickle": (lambda p: _reseal(p, pickle.dumps({"a": 1})), "not a safetensors file"),
    "another shape": (lambda p: _other(p, a=np.zeros((3, 2), np.float32), n=TENSORS["n"]), "tensor a"),
    "another dtype": (lambda p: _other(p, a=TENSORS["a"].astype(np.float64), n=TENSORS["n"]), "tensor a"),
    "one more": (lambda p: _other(p, a=TENSORS["a"], n=TENSORS["n"], z=TENSORS["a"]), "tensor z"),
    "one fewer": (lambda p: _other(p, a=TENSORS["a"]), "tensor n"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_file_is_refused_with_its_reason(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "w.safetensors"
    write(path)
    change, reason = FAULTS[fault]
    change(path)
    with pytest.raises(WeightsError, match=reason):
        load_sealed(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "w.safetensors"
    write(path, a=np.full((2, 3), value, np.float32))
    with pytest.raises(WeightsError, match="not finite"):
        load_sealed(path)


def test_a_pilot_is_loaded_and_what_is_none_is_refused(tmp_path: Path) -> None:
    path, tensors = tmp_path / "p.safetensors", untrained_tensors(0)
    save_pilot(path, tensors, {"units": default_sizes().units}, created_by="a test")
    assert load_pilot(path).heads.w.shape[1] == 8
    edit(path, kind="cook")
    with pytest.raises(WeightsError, match="holds a cook"):
        load_pilot(path)
    edit(path, kind="pilot", layout=encode.describe() | {"self": 1})
    with pytest.raises(WeightsError, match="observes"):
        load_pilot(path)
    small = dict(tensors) | {"trunk.0.weight": tensors["trunk.0.weight"][:, :-1]}
    save_pilot(path, small, {}, created_by="a test")
    with pytest.raises(WeightsError, match="trunk"):
        load_pilot(path)
