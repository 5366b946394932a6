"""Recordings that cannot be used are refused, and the refusal says which and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core.errors import RecordingError
from tests.learning.pixels.files import opened, write_npz

BAD: dict[str, dict[str, Any]] = {
    "no observations": {"observations": None},
    "u8 \\[T, H, W, 3\\] is needed": {"observations": np.zeros((12, 8, 8, 3), np.float32)},
    "12 pictures": {"actions": np.zeros((11, 10), np.float32)},
    "finite": {"actions": np.full((12, 10), np.nan, np.float32)},
    "meta.action_space must say": {"actions": np.zeros((12, 6), np.float32)},
    "move_x goes from": {"actions": np.full((12, 10), 7, np.float32)},
    "meta is no JSON": {"meta": np.array("{")},
    "is no list of controls": {"meta": np.array('{"action_space": [{"name": "a", "kind": "stick"}]}')},
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_files_are_refused_by_name(tmp_path: Path, reason: str) -> None:
    folder = tmp_path / "in"
    write_npz(folder / "good.npz")
    write_npz(folder / "bad-one.npz", **BAD[reason])
    said: list[str] = []
    found = opened(folder, say=said.append)
    assert [e.name for e in found.items] == ["good"]
    assert len(said) == 1 and "bad-one.npz" in said[0]
    with pytest.raises(RecordingError, match=f"bad-one.npz.*{reason}"):
        opened(folder / "bad-one.npz")


def test_damaged_bytes_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    path = write_npz(
        folder / "a.npz", observations=np.random.default_rng(0).integers(0, 255, (12, 18, 32, 3), np.uint8)
    )
    data = bytearray(path.read_bytes())
    data[2000] ^= 255
    path.write_bytes(data)
    (folder / "b.mp4").write_bytes(b"no video" * 100)
    (folder / "c.npz").write_bytes(b"PK nothing")
    with pytest.raises(RecordingError, match="3 files cannot be used"):
        opened(folder)
    with pytest.raises(RecordingError, match="no such folder"):
        opened(tmp_path / "missing")
