"""Actions of the arena's Gymnasium environments that are none, and every other way into the compiled rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core.errors import GameError
from agent.core.types import Action
from agent.games.arena.game import ArenaGame
from agent.training.arena.batch import ArenaBatch

NAN, INF = float("nan"), float("inf")
ID = "metabonk/Arena-v0"


def neutral(**parts: Any) -> dict[str, Any]:
    still = np.zeros(2, np.float32)
    return {"move": still, "look": still, "buttons": np.zeros(3, np.int8), "choice": 0} | parts


BAD: list[tuple[dict[str, Any], str]] = [
    ({"move": np.array([NAN, 1.0])}, "move"), ({"look": [0.0, NAN]}, "look"), ({"move": [INF, 0.0]}, "move"),
    ({"look": np.array([-INF, 0.0], np.float32)}, "look"), ({"buttons": [NAN, 0, 0]}, "buttons"),
    ({"choice": NAN}, "choice"), ({"choice": 10**12}, "choice"), ({"choice": 0.5}, "choice"),
    ({"choice": -1}, "choice"),    ({"move": [0.0]}, "move"), ({"move": None}, "move"), ({"move": "left"}, "move"),
    ({"move": 10**400}, "move"),
]  # fmt: skip


def test_an_action_that_is_none_is_an_error_that_names_its_part_and_changes_nothing() -> None:
    """In a process of its own: compiled code that reads such numbers ends the process."""
    body = (
        "import gymnasium, numpy as np, pytest\nfrom tests.games.arena.test_gym_rows import *\n"
        "env = gymnasium.make(ID, disable_env_checker=True); env.reset(seed=0)\n"
        "worlds = env.unwrapped._worlds\n"
        "for bad, part in BAD:\n"
        "    before = worlds.content_hash(0), worlds.controls.tobytes()\n"
        "    with pytest.raises(GameError, match=f'action {part}'): env.step(neutral(**bad))\n"
        "    assert (worlds.content_hash(0), worlds.controls.tobytes()) == before\n"
        "with pytest.raises(GameError, match='dictionary'): env.step(np.zeros(3))\n"
        "odd = neutral(move=[1e300, -1e6], buttons=[7, 0, -1], choice=np.array([1]))\n"
        "for _ in range(300): seen = env.step(odd)[0]\n"
        "assert all(np.isfinite(part).all() for part in seen.values())\n"
        "print('whole')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", body], capture_output=True, text=True, timeout=300, check=False,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.stdout.strip() == "whole", (done.returncode, done.stderr[-500:])


def test_every_other_way_into_the_rules_refuses_what_is_not_finite() -> None:
    game = ArenaGame()
    game.reset(1, start="run")
    for axes in ((NAN, 0.0), (INF, 0.0)):
        with pytest.raises(GameError, match="finite"):
            game.tick(Action(move=axes))
        with pytest.raises(GameError, match="finite"):
            game.tick(Action(look=axes))
    batch = ArenaBatch(3, 0)
    axes_of_runs = np.zeros((3, 4), np.float32)
    axes_of_runs[1, 2] = NAN
    with pytest.raises(GameError, match=r"runs \[1\].*diverged"):
        batch.step(axes_of_runs, np.zeros((3, 3), np.int32), np.zeros(3, np.int32))
