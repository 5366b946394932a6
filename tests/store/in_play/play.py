"""A policy whose actions show which weights act, and a session's skills around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from agent.concurrency.lane import Lane
from agent.control.arrays import STILL
from agent.control.policy import Capabilities
from agent.core.clock import VirtualClock
from agent.core.types import Action, Menu, Observation
from agent.store.in_play.context import SkillContext
from agent.store.in_play.part import SkillsInPlay
from agent.store.in_play.stepper import SkillStepper
from agent.store.pair import Pair
from agent.store.skills import SkillStore
from agent.store.store import WeightsStore

BASE = {"gain": np.zeros(4, np.float32), "norm.mean": np.zeros(2, np.float32)}


class Shows:
    """Acts with its weights' first number; `cards` says which card it picks in each game."""

    name, kind, sizes = "shows", "pilot", None
    layout = {"x": 1}

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = BASE
        self.version = 0
        self.cards: dict[int, int] = {}
        self.capabilities = Capabilities(reloadable=self, chooses_cards=self)

    def warm_up(self) -> None: ...

    def initial(self, games: int) -> int:
        return 0

    def prepare(self, tensors: dict[str, Any], where: str) -> dict[str, Any]:
        return tensors

    def load(self, prepared: dict[str, Any], version: int) -> None:
        self.tensors, self.version = prepared, version

    def choose_by(self, chooser: Any, arbiter: Any) -> None: ...

    def owner(self, carry: int, game: int) -> str:
        return "motor"

    def card(self, carry: int, game: int) -> int:
        return self.cards.get(game, -1)

    def step(self, carry: int, observations: Sequence[Observation | None]) -> tuple[int, list[Action | None]]:
        gain = float(self.tensors["gain"][0])
        if gain == 9.0:
            raise ValueError("nine")
        return carry + 1, [None if o is None else Action((gain, 0.0), answers=o.sequence) for o in observations]


class Play:
    """Two games, a policy, and skills in a folder: each is the base with its first number changed."""

    def __init__(self, folder: Path, **skills: tuple[str, float]) -> None:
        """skills: by name, the trigger and the number."""
        self.policy, self.clock, self.said = Shows(), VirtualClock(), list[tuple[str, dict[str, Any]]]()
        self.folder = folder
        self.skills = SkillStore(folder / "skills", folder / "shipped")
        for name, (trigger, gain) in skills.items():
            self.save(name, trigger, gain)
        self.weights = WeightsStore(folder / "weights")
        self.weights.publish("shows", BASE, kind="pilot", layout={"x": 1})
        self.context = SkillContext(2, character="Fox", weapons=("Firestaff",))
        self.stepper = SkillStepper(
            self.policy, Pair(self.policy, lambda game: False), self.context,
            lambda kind, message, payload: self.said.append((message, payload)),
        )  # fmt: skip
        self.lane, self.disk, self.tick = Lane("steps"), Lane("disk"), 0
        self.part = SkillsInPlay(self.stepper, self.skills, self.lane, self.disk, self.clock)

    def save(self, name: str, trigger: str, gain: float, base: dict[str, Any] = BASE, of: str = "pilot") -> None:
        made = base | {"gain": base["gain"] + np.array([gain, 0, 0, 0], np.float32)}
        self.skills.save(name, base, made, of=of, layout={"x": 1}, description=name, trigger=trigger)

    def step(self, *, menu: str = "", captions: tuple[str, ...] = (), first: bool = False, game: int = 0,
             by_human: bool = False) -> float:  # fmt: skip
        """One observation of a game; the number that its answer shows."""
        state = msgspec.structs.replace(STILL, current_menu=menu, level_up_options=captions)
        o = Observation(game, state, None, self.tick, 1 / 60, 0.0, 0.0, first, False, False, by_human=by_human)
        self.tick += 1
        _, actions = self.stepper.step(0, [o if k == game else None for k in range(2)])
        action = actions[game]
        assert action is not None and action.answers == o.sequence and actions[1 - game] is None
        return action.move[0]

    def take(self, caption: str, *, by_human: bool = False, game: int = 0) -> None:
        """A level-up in which the second of three cards is taken."""
        self.policy.cards[game] = 1
        captions = ("Damage Tome (new): +8 %", caption, "Oats: +25 max HP")
        for _ in range(2):
            self.step(menu=Menu.LEVEL_UP, captions=captions, game=game, by_human=by_human)
        self.policy.cards.pop(game)

    def close(self) -> None:
        self.lane.close()
        self.disk.close()
