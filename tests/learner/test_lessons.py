"""Lessons: what the kiter does in the arena is written down as it was done, and fits a pilot's learner."""

from __future__ import annotations

import numpy as np
import torch

from agent.control.encode import CARDS
from agent.control.experience import ACTIONS, FEATURES
from agent.core.columns import SelfColumn
from agent.core.rollout import check_rollout
from agent.games.arena.game import ArenaGame
from agent.learner.lessons import MAX_LESSON_AXIS, lessons


class Watched(ArenaGame):
    """Remembers the actions of play, and whether a screen was open."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[tuple[float, float]] = []
        self.cards = 0

    def tick(self, action):  # type: ignore[no-untyped-def]
        if self.screen is None:
            self.moves.append(action.move)
        super().tick(action)

    def _choose(self, choice: int) -> None:
        self.cards += 1
        super()._choose(choice)


def test_the_kiters_decisions_are_written_down_and_held_as_they_were_done() -> None:
    torch.set_num_threads(1)
    game = Watched()
    made = list(lessons(game, 1024, steps=128))
    assert len(made) == 8 and all(check_rollout(r, FEATURES, ACTIONS) == "" for r in made)
    obs = np.concatenate([r.obs for r in made])
    axes, cards = np.concatenate([r.actions_cont for r in made]), np.concatenate([r.actions_disc[:, 3] for r in made])
    playing = obs[:, SelfColumn.PLAYING] == 1.0
    assert 0.9 < playing.mean() < 1.0 and not axes[~playing].any()
    assert np.abs(axes).max() <= MAX_LESSON_AXIS and np.hypot(*axes[playing, :2].T).mean() > 0.8
    held = [game.moves[k] for k in range(0, len(game.moves)) if k == 0 or game.moves[k] != game.moves[k - 1]]
    assert len(game.moves) / len(held) > 3.0, "a decision is held for four ticks"
    written = {tuple(np.float32(move)) for move in game.moves}
    assert {tuple(move) for move in axes[playing, :2]} <= written
    asked = obs[:, SelfColumn.IN_LEVEL_UP] + obs[:, SelfColumn.IN_ENCOUNTER] > 0
    assert asked.any() and set(cards[asked]) == set(range(CARDS)) and not cards[playing].any()
    last = np.concatenate([r.terminated for r in made])
    assert np.array_equal(np.concatenate([r.is_first for r in made])[1:], last[:-1])
