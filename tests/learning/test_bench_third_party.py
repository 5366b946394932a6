"""The comparison with stable-baselines3: its verdict, what was not run, and parts that are used again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.bench.learning.third_party import __main__ as command
from tools.bench.learning.third_party.games import GAMES
from tools.bench.learning.third_party.summary import SIDES, Parts, summarise


def part(mean: float, cpu_s: float = 10.0) -> dict[str, Any]:
    return {"returns": [mean] * 3, "training": [mean], "steps": 1000, "cpu_s": cpu_s, "wall_s": 20.0, "mean": mean}


def parts(ours: float, theirs: float, seeds: int = 2) -> Parts:
    made: Parts = {(name, "random", 0): part(1.0) for name in GAMES}
    for name in GAMES:
        for seed in range(seeds):
            made |= {(name, "ours", seed): part(ours + seed, 5.0), (name, "sb3", seed): part(theirs + seed)}
    return made


def test_the_verdict_needs_every_game_not_below_theirs() -> None:
    good, bad = summarise(parts(13.0, 10.0), 2), summarise(parts(5.0, 10.0), 2)
    assert good["passed"] and good["at_least_1_2_times"] == good["not_below"] == sorted(GAMES)
    assert not bad["passed"] and not bad["not_below"] and not bad["at_least_1_2_times"]
    game = good["games"]["doorkey"]
    assert game["ours"]["steps_per_cpu_s"] == 200.0 and game["sb3"]["steps_per_cpu_s"] == 100.0
    assert game["gain_ratio"] == pytest.approx(12.5 / 9.5, abs=1e-3)


def test_what_was_not_run_is_named_and_does_not_pass() -> None:
    some = parts(13.0, 10.0)
    del some["seaquest", "sb3", 1]
    result = summarise(some, 2)
    assert result["not_run"] == ["seaquest: sb3 seed 1"] and not result["passed"]
    assert not result["games"]["seaquest"]["complete"] and "seaquest" not in result["not_below"]


def test_a_part_is_used_again_while_its_sources_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {**part(1.0), "fingerprint": command.fingerprint("ours")}
    (tmp_path / "doorkey-0-ours-200000.json").write_text(json.dumps(made), encoding="utf-8")
    assert command.kept(tmp_path, "doorkey", "ours", 0, command.steps_of("doorkey", False)) == made
    assert command.kept(tmp_path, "doorkey", "ours", 1, 200_000) is None
    assert command.kept(tmp_path, "doorkey", "ours", 0, command.steps_of("doorkey", True)) is None
    monkeypatch.setitem(command.SOURCES, "ours", command.SOURCES["sb3"])
    assert command.kept(tmp_path, "doorkey", "ours", 0, 200_000) is None
    assert set(command.SOURCES) == {*SIDES, "random"}
