"""Rows of recordings: decisions that show and do what the game does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.core.rollout import ActionSpec
from agent.core.types import Action, EnvAction, EnvObservation
from agent.journal.records import DecisionRecord, PacketRecord, Record
from agent.link.wire import encode_action
from agent.training.population.demonstrations import RowReader, read_demonstrations


def _records(state: bytes, action: EnvAction | None) -> list[Record]:
    sent = encode_action(Action(env=action))
    packet = PacketRecord(0, 7, 0.0, state, b"")
    decision = DecisionRecord(0, 1, 7, 0, 0.0, 0.0, 0.0, True, False, False, False, 1, 0.0, sent, "motor", -1)
    return [packet, decision, msgspec.structs.replace(decision, packet=6)]


def test_rows_come_from_decisions_that_show_and_do_what_the_game_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = EnvObservation(None, np.arange(4, dtype=np.float32))
    state = _Shown(seen)
    monkeypatch.setattr("agent.training.population.demonstrations.decode_state", lambda body, limits: state)
    reader = RowReader(4, ActionSpec(0, (2,)), 1)
    for record in _records(b"", EnvAction((), (1,))) + _records(b"", EnvAction((), (5,))) + _records(b"", None):
        reader.take(record)
    assert len(reader.rows) == 1 and reader.passed_over == 5
    shown = reader.demonstrations()
    np.testing.assert_array_equal(shown.obs, [[0, 1, 2, 3]])
    assert shown.choices.tolist() == [[1]] and shown.axes.shape == (1, 0)


class _Shown:
    """A state of which only the environment's own observation is asked."""

    def __init__(self, env: EnvObservation) -> None:
        self.env = env


def test_recordings_without_such_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.training.population.demonstrations.records_of", lambda path: [])
    with pytest.raises(SettingsError, match="--demos a"):
        read_demonstrations([Path("a")], 4, ActionSpec(0, (2,)), 1)
