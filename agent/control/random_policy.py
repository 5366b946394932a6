"""A player without a plan: walks in random directions for random whiles and takes random cards."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from agent.control import menus
from agent.control.policy import Capabilities
from agent.core.types import Action, Observation


class _Carry(msgspec.Struct):
    rng: np.random.Generator
    menu: menus.MenuCarry
    action: Action
    left_s: float


class RandomPolicy:
    """The control for every claim of skill."""

    name = "random"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beside playing."""
        return Capabilities(never_waits=True)

    def warm_up(self) -> None:
        """Nothing is slow here."""

    def initial(self, games: int) -> list[_Carry]:
        """Random numbers of their own for each game."""
        seeds = np.random.SeedSequence(self._seed).spawn(games)
        return [_Carry(np.random.default_rng(s), menus.MenuCarry(), Action(), 0.0) for s in seeds]

    def step(
        self, carry: list[_Carry], observations: Sequence[Observation | None]
    ) -> tuple[list[_Carry], list[Action | None]]:
        """One action for each observation."""
        return carry, [None if o is None else _act(c, o) for c, o in zip(carry, observations, strict=True)]


def _act(carry: _Carry, observation: Observation) -> Action:
    state, rng = observation.state, carry.rng
    if menus.in_menu(state):
        carry.menu, action = menus.step(carry.menu, state, int(rng.integers(0, max(1, len(state.level_up_options)))))
        return msgspec.structs.replace(action, answers=observation.sequence)
    carry.menu = menus.MenuCarry()
    carry.left_s -= observation.elapsed_s
    if carry.left_s <= 0:
        angle = rng.uniform(0, 2 * math.pi)
        carry.action = Action(
            move=(math.cos(angle), math.sin(angle)),
            look=(float(rng.uniform(-0.5, 0.5)), 0.0),
            fire=bool(rng.random() < 0.2),
            ability=bool(rng.random() < 0.1),
            interact=bool(rng.random() < 0.3),
        )
        carry.left_s = float(rng.uniform(0.2, 1.0))
    return msgspec.structs.replace(carry.action, answers=observation.sequence)
