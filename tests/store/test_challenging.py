"""A challenger given by hand waits beside the versions, sealed under its file's name; what cannot play is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.core.errors import WeightsError
from agent.models import sealed
from agent.models.sealed import load_sealed, save_sealed
from agent.store.challenging import GIVEN, give
from agent.store.store import WeightsStore


def test_a_file_waits_under_its_name_and_the_weights_in_force_are_refused(tmp_path: Path) -> None:
    store, path = WeightsStore(tmp_path / "store"), tmp_path / "mine.safetensors"
    store.publish("p", {"a": np.ones(2, np.float32)}, kind="k", layout={})
    for value in (1.0, 2.0):
        save_sealed(path, {"a": np.full(2, value, np.float32)}, kind="k", layout={}, sizes={})
        if value == 1.0:
            with pytest.raises(WeightsError, match="in force, version 1"):
                give(store, "p", path)
    give(store, "p", path)
    manifest, tensors = load_sealed(store.home("p") / GIVEN)
    assert manifest.created_by == "mine.safetensors" and tensors["a"][0] == 2.0


def test_play_that_looks_at_any_moment_finds_a_whole_file_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, path = WeightsStore(tmp_path / "store"), tmp_path / "mine.safetensors"
    store.publish("p", {"a": np.zeros(2, np.float32)}, kind="k", layout={})
    waiting, seen = store.home("p") / GIVEN, list[float]()
    write = sealed.write_atomically

    def watched(where: Path, data: bytes | str) -> None:
        write(where, data)
        if waiting.is_file():
            seen.append(float(load_sealed(waiting)[1]["a"][0]))

    for value in (1.0, 2.0):
        save_sealed(path, {"a": np.full(2, value, np.float32)}, kind="k", layout={}, sizes={})
        with monkeypatch.context() as patched:
            patched.setattr(sealed, "write_atomically", watched)
            give(store, "p", path)
    assert seen[0] == 1.0 and seen[-1] == 2.0
