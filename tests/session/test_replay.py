"""A session that was recorded is computed again to the same actions; a changed bit is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from agent.commands.cli import run
from agent.control.policies import build_policy
from agent.control.policy import Policy
from agent.core.errors import RecordingError
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord
from agent.session.recording import hash_of
from agent.session.replay import Replay, Replayer


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two games in lock-step, played together by the learning pilot."""
    folder = tmp_path_factory.mktemp("recording")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METABONK_WEIGHTS_DIR", str(folder / "weights"))
        words = ["play", "--game", "arena", "--games", "2", "--lock-step", "--policy", "untrained-pilot"]
        words += ["--seconds", "1.5", "--no-http", "--record-to", str(folder / "session")]
        assert run(words) == 0
    return folder / "session"


@pytest.fixture(scope="module")
def result(recording: Path) -> Replay:
    return replayed(recording)


def replayed(path: Path, only: int | None = None) -> Replay:
    return Replayer(path, build, only=only).run()


def build(name: str, seed: int) -> Policy:
    return build_policy(name, seed=seed)


def decisions(path: Path) -> list[DecisionRecord]:
    return [item.record for item in records_of(path) if isinstance(item.record, DecisionRecord)]


def test_every_decision_comes_out_as_it_was_sent(recording: Path, result: Replay) -> None:
    recorded = decisions(recording)
    assert result.decisions == len(recorded) > 300
    assert (result.different, result.first, result.skipped) == (0, None, 0)


def test_one_game_is_replayed_alone(recording: Path) -> None:
    result = replayed(recording, only=1)
    assert result.decisions == sum(record.game == 1 for record in decisions(recording)) > 100
    assert result.different == 0


def test_one_changed_bit_of_one_weight_is_noticed(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed"
    path.mkdir()
    for file in recording.glob("segment-*"):
        (path / file.name).write_bytes(file.read_bytes())
    (kept,) = (recording / "weights").glob("*.safetensors")
    tensors = load_file(kept)
    name = max(tensors, key=lambda n: tensors[n].size)
    bits = tensors[name].reshape(-1).view(np.uint32).copy()
    bits[len(bits) // 2] ^= 1 << 22
    tensors[name] = bits.view(np.float32).reshape(tensors[name].shape)
    (path / "weights").mkdir()
    save_file(tensors, path / "weights" / kept.name)
    with pytest.raises(RecordingError, match="their hash is another"):
        replayed(path)

    def trusting(found: object) -> str:
        return kept.stem

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.session.replay.hash_of", trusting)
        result = replayed(path)
    assert result.different > 0 and result.first is not None
    assert hash_of(load_file(kept)) == kept.stem


def test_weights_that_are_gone_are_named(recording: Path, tmp_path: Path) -> None:
    for file in recording.glob("segment-*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(RecordingError, match="missing or damaged"):
        replayed(tmp_path)


def test_another_processor_is_said(recording: Path, result: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    assert result.notes == []
    monkeypatch.setattr("agent.session.recording._processor", lambda: "another")
    (note,) = replayed(recording).notes
    assert note.startswith("not the machine of the recording: processor another here")
