"""Compiled runs of the arena against `evaluate`: the same pilot, the same seeds, the same runs to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.control.motor import Motor, checked_path, pilot_tensors
from agent.control.reflex import paths
from agent.control.reflex.network import Tensors
from agent.games.arena.catalog import load_catalog
from agent.games.arena.game import ArenaGame
from agent.training.arena.batch import Cast
from agent.training.arena.lockstep import LockstepPlayer
from agent.training.evaluate import EvaluationRun

SHIPPED = Path(__file__).resolve().parents[2] / "agent" / "shipped" / "pilot.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format_", "seed", "tier", "character"),
    [
        ("fp32", 5000, 1, 0),
        pytest.param("int8", 5012, 2, 5, marks=pytest.mark.campaign),
    ],
)
def test_a_compiled_run_is_the_run_that_evaluate_reports(format_: str, seed: int, tier: int, character: int) -> None:
    tensors: Tensors = pilot_tensors(SHIPPED)
    if format_ == "int8":
        tensors = paths.round_int8(tensors)
    way = paths.whole_way() if format_ == "int8" else paths.FULL
    player = LockstepPlayer(checked_path(tensors, "test", way).reflex, Cast(tier - 1, character))
    name = load_catalog().characters[character]["name"]
    evaluation = EvaluationRun(ArenaGame(tier=tier, character=name), Motor(tensors, way=way), frames=False)
    player.begin(7)
    assert all(player.advance() for _ in range(5)), "the run before ends too soon to leave anything behind"
    result = evaluation.episode(seed)
    assert player.score_s(seed) == result.score_s
    world = player.world
    found = (round(float(world["time_s"]), 3), int(world["kills"]), int(world["level"]))
    assert found == (result.survival_s, result.kills, result.level)
