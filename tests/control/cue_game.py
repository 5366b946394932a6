"""A game with a known answer: fire in the last decision of a run exactly where its first one showed gold."""

from __future__ import annotations

import random

import numpy as np

from agent.core.types import Action, ByteArray, GameState, RunInfo

TICK_S = 4 / 60


class CueGame:
    """`delay` decisions lie between the cue and the choice: 0 asks about what is seen, more about what was.

    Fire earns 3 where there was gold and costs 1 where there was none; not to fire earns 1. One tick is one decision.
    `right` lists, for each run, whether fire was pressed exactly where there was gold.
    """

    name, rules, tick_s, capture_size_px = "cue", "cue-1", TICK_S, (84, 84)

    def __init__(self, delay: int) -> None:
        self.delay = delay
        self.right: list[bool] = []
        self.reset(0)

    def reset(self, seed: int, *, start: str = "menu") -> None:
        self.cue = random.Random(seed).random() < 0.5
        self.ticks, self.reward, self.ended = 0, 0.0, False

    def tick(self, action: Action) -> None:
        if self.ticks == self.delay:
            self.reward, self.ended = (3.0 if self.cue else -1.0) if action.fire else 1.0, True
            self.right.append(action.fire == self.cue)
        self.ticks += 1

    def state(self) -> GameState:
        gold = 1000 if self.cue and self.ticks == 0 else 0
        run = RunInfo(0, 0, (0, 0), (0, 0), True, self.ended, False, 0, 0.0, 0, gold, 0.0, 0.0, 1, self.reward)
        return GameState(
            position=(0.0, 0.0, 0.0), velocity=(0.0, 0.0, 0.0), health=100.0, max_health=100.0,
            game_time_s=self.ticks * TICK_S, is_playing=True, is_paused=False,
            enemies=np.zeros((0, 4), np.float32), current_menu="", level_up_options=(), run=run,
        )  # fmt: skip

    def render(self) -> ByteArray:
        return np.zeros((84, 84, 3), np.uint8)

    def close(self) -> None: ...
