"""The benchmark of the gate: its result follows from its scores, and a second start goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.training.quantize import EPISODES, compare
from tools.bench import quantised_pilot

ROOT = Path(__file__).resolve().parents[2]


def test_the_verdicts_that_are_published_follow_from_the_scores_that_are_published() -> None:
    found = json.loads((ROOT / "docs" / "results" / "quantised_pilot.json").read_text(encoding="utf-8"))
    scores, first = found["scores_s"], found["seeds"][0]
    assert found["seeds"][1] - first + 1 == len(scores["original"]) >= EPISODES
    for name, gate in found["gates"].items():
        assert msgspec.to_builtins(compare(scores["original"], scores[name], first)) == gate
        assert gate["passed"] == (name in found["passed"])


def test_scores_that_are_kept_are_not_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []

    class Player:
        def score_s(self, seed: int) -> float:
            played.append(seed)
            return float(seed)

    def player_of(*_: Any) -> Player:
        return Player()

    monkeypatch.setattr(quantised_pilot, "pilot_tensors", lambda path: {})
    monkeypatch.setattr(quantised_pilot, "player_of", player_of)
    monkeypatch.setattr(quantised_pilot, "quantised", lambda tensors, format_, seed: {})
    kept = tmp_path / "scores.jsonl"
    assert quantised_pilot.measure(tmp_path, 2, 5, kept)["int4"] == [5.0, 6.0]
    played.clear()
    assert quantised_pilot.measure(tmp_path, 3, 5, kept)["original"] == [5.0, 6.0, 7.0]
    assert set(played) == {7}
