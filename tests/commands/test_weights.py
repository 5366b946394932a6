"""`weights`: what is listed and sealed, and that looking changes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from agent.commands.cli import run
from agent.models.sealed import save_sealed
from agent.store.store import WeightsStore

ONE = {"a": np.ones(2, np.float32)}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsStore:
    monkeypatch.setenv("METABONK_WEIGHTS_DIR", str(tmp_path))
    found = WeightsStore(tmp_path)
    for _ in range(2):
        found.publish("pilot", ONE, kind="pilot", layout={}, created_by="a \x1b[2J test")
    return found


def test_a_list_changes_nothing_and_says_what_cannot_be_used(
    store: WeightsStore, capsys: pytest.CaptureFixture[str]
) -> None:
    home = store.folder / "policy-pilot"
    store.path("pilot", 1).with_name("v00000001.safetensors.json").write_bytes(b"[" * 50_000)
    (home / f".current.{os.getpid()}-0.tmp").write_bytes(b"being written")
    (home / ".v00000003.claim").touch()
    for name, policy in (("policy-other", "../../x"), ("policy-third", "pilot")):
        (store.folder / name).mkdir()
        (store.folder / name / "current").write_text(json.dumps({"policy": policy, "version": 1, "highest": 1}))
    before = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}
    assert run(["weights", "list"]) == 0
    assert {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()} == before
    lines = [line for line in capsys.readouterr().out.splitlines() if line[2:].startswith("pilot")]
    assert len(lines) == 2 and "pilot 1 cannot be used" in lines[0] and "not a manifest" in lines[0]
    assert lines[1].startswith("* pilot 2 pilot") and r"\x1b[2J" in lines[1]


def test_weights_of_a_type_that_is_not_read_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = json.dumps({"a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    path = tmp_path / "b.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    assert run(["weights", "seal", str(path)]) == 2
    said = capsys.readouterr().err.strip()
    assert "BF16" in said and "store them as float32" in said and len(said.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["b.safetensors"]


def test_a_file_challenges_the_version_in_force_and_one_that_is_no_weights_of_it_is_refused_in_one_line(
    store: WeightsStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = store.home("pilot") / "given.safetensors"
    cases = (
        (ONE, "pilot", "in force, version 2"),
        ({"a": np.zeros(3, np.float32)}, "pilot", "the policy has"),
        ({"a": np.zeros(2, np.float32)}, "dreamer", "a pilot"),
    )
    for tensors, kind, why in cases:
        save_sealed(tmp_path / "mine.safetensors", tensors, kind=kind, layout={}, sizes={})
        assert run(["weights", "challenge", str(tmp_path / "mine.safetensors")]) == 2
        said = capsys.readouterr().err.strip()
        assert why in said and len(said.splitlines()) == 1 and not given.exists()
    save_sealed(tmp_path / "mine.safetensors", {"a": np.zeros(2, np.float32)}, kind="pilot", layout={}, sizes={})
    assert run(["weights", "challenge", str(tmp_path / "mine.safetensors")]) == 0
    assert "challenges version 2; the next play takes it up" in capsys.readouterr().out
    assert given.exists() and store.versions("pilot") == [1, 2]
    assert store.reserve("pilot") == 3 and WeightsStore(store.folder).reserve("pilot") == 4, "no number is given twice"
    assert WeightsStore(store.folder).named("pilot") == 2
