"""Whole runs of the arena by one pilot, in lock-step and in compiled code: the score that `evaluate` would report.

Each tick is what `control.motor.Motor` does without pictures: a decision every few ticks, and between two decisions the
axes anew from what is seen. A menu costs the ticks that its presses take. Runs are those of `evaluate` to the bit, in a
third of the time. Compiled code rounds as Python does only where it computes with 64 bits as Python does.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba import njit

from agent.control import encode
from agent.control.menus import PRESS_EVERY
from agent.control.reflex.network import AXES, BUTTONS, Reflex, decide, decide_held
from agent.control.score import CAP_S
from agent.core.clock import TICK_S
from agent.core.errors import GameError
from agent.core.types import FloatArray
from agent.games.arena import state as layout
from agent.games.arena.step import tick
from agent.games.arena.world import Worlds
from agent.training.arena.batch import CHOOSES, DEFAULT_CAST, Cast, encode_world, run_seed

MAX_DECISION_TICKS: Final = 30.0


class LockstepPlayer:
    """Plays one run after another with the network of a pilot; nothing is sampled.

    cast: who plays, and where. until_s: runs end there at the latest.
    """

    def __init__(self, reflex: Reflex, cast: Cast = DEFAULT_CAST, *, until_s: float = CAP_S) -> None:
        self._reflex, self._worlds, self._cast, self._until_s = reflex, Worlds(1), cast, until_s
        units, picture = reflex.gates.b.shape[0] // 4, reflex.picture.b.shape[0]
        self._hidden: FloatArray = np.zeros(units, np.float32)
        self._picture: FloatArray = np.zeros(picture, np.float32)
        self._observed = encode.Encoded.empty(1)
        self._last_axes: FloatArray = np.zeros(AXES, np.float32)
        self._last_buttons = np.zeros(BUTTONS, np.int32)
        self._waited_s = 0.0
        self._menu: tuple[int, list[str]] | None = None

    @property
    def world(self) -> Any:
        """The world that is played; see `games.arena.state.WORLD`."""
        return self._worlds.records[0]

    @property
    def records(self) -> Any:
        """The world that is played, as an array of one."""
        return self._worlds.records

    @property
    def rules(self) -> Any:
        """The rules of the world."""
        return self._worlds.catalog.rules

    def begin(self, seed: int) -> None:
        """Put the world at the start of the run that a hosted arena begins with this seed, and forget everything."""
        self._worlds.reset(0, run_seed(seed, 0), character=self._cast.character, tier=self._cast.tier)
        self._hidden[:] = 0.0
        self._last_axes[:] = 0.0
        self._last_buttons[:] = 0
        self._observed.cards[:] = 0.0
        self._waited_s, self._menu = -TICK_S, None

    def advance(self) -> bool:
        """Play to the next menu and answer it; False where the run is over or its score can no longer change."""
        o, worlds = self._observed, self._worlds
        if self.world["phase"] == layout.PLAY:
            self._menu = None
            self._waited_s = _play(
                worlds.records, worlds.catalog.rules, worlds.controls, self._reflex.held, o.self_[0], o.tokens[0],
                o.mask[0], o.rings[0], o.cards[0], self._picture, self._hidden, self._last_axes, self._last_buttons,
                self._waited_s, self._until_s,
            )  # fmt: skip
            if math.isnan(self._waited_s):
                raise GameError("arena: the pilot's actions are not finite")
        if self.world["phase"] in (layout.DEAD, layout.WON) or self.world["time_s"] >= self._until_s:
            return False
        self._answer_menu()
        return True

    def score_s(self, seed: int) -> float:
        """The score of one whole run: its game time in seconds, or the cap where it is won; see `control.score`."""
        self.begin(seed)
        while self.advance():
            pass
        won = self.world["phase"] == layout.WON
        return round(CAP_S if won else min(float(self.world["time_s"]), CAP_S), 3)

    def _answer_menu(self) -> None:
        """Choose in the menu that is open. A menu that looks like the one before it is no new menu to the pilot."""
        worlds, o = self._worlds, self._observed
        menu = int(self.world["phase"]), worlds.offers(0)
        self._wait(1)
        choice = 0
        if menu != self._menu:
            encode_world(
                self.world, worlds.catalog.rules, self._waited_s, self._last_axes, self._last_buttons, o.self_[0],
                o.tokens[0], o.mask[0], o.rings[0],
            )  # fmt: skip
            for card, caption in enumerate(menu[1]):
                o.cards[0, card] = encode.caption_features(caption)
            decision = decide(
                self._reflex, o.self_[0], o.tokens[0], o.mask[0], o.rings[0], o.cards[0], self._picture, self._hidden,
                min(self._waited_s / TICK_S, MAX_DECISION_TICKS),
            )  # fmt: skip
            o.cards[:] = 0.0
            self._hidden[:] = decision.hidden
            self._waited_s = 0.0
            choice = int(np.argmax(decision.cards)) if menu[0] in CHOOSES else 0
        self._menu = menu
        worlds.controls[0]["choice"] = choice
        worlds.step()
        worlds.controls[0]["choice"] = layout.NONE
        self._wait(PRESS_EVERY * (choice + 1) - 1)

    def _wait(self, ticks: int) -> None:
        for _ in range(ticks):
            self._waited_s += TICK_S


@njit(cache=True)
def _play(
    worlds: Any, rules: Any, controls: Any, layers: Any, self_: Any, tokens: Any, mask: Any, rings: Any, cards: Any,
    picture: Any, hidden: Any, last_axes: Any, last_buttons: Any, waited_s: float, until_s: float,
) -> float:  # fmt: skip
    """Play world 0 until it is not in play; returns the time since the last decision, s, NaN where the axes are none.

    hidden [U], last_axes [4] and last_buttons [3] are the pilot's memory and its last decision; all three are updated.
    """
    s, c = worlds[0], controls[0]
    due = True
    while s.phase == layout.PLAY and s.time_s < until_s:
        waited_s += TICK_S
        due = due or waited_s / TICK_S >= layers.ticks - 0.5
        elapsed_s = waited_s if due else layers.ticks * TICK_S
        encode_world(s, rules, elapsed_s, last_axes, last_buttons, self_, tokens, mask, rings)
        ticks = min(elapsed_s / TICK_S, MAX_DECISION_TICKS)
        decision = decide_held(layers, self_, tokens, mask, rings, cards, picture, hidden, ticks)
        axes = decision.axes.astype(np.float64)
        if not math.isfinite(axes.sum()):
            return math.nan
        c.move_x, c.move_y, c.look_x, c.look_y = (
            math.tanh(axes[0]), math.tanh(axes[1]), math.tanh(axes[2]), math.tanh(axes[3]),
        )  # fmt: skip
        if due:
            hidden[:] = decision.hidden
            last_axes[0], last_axes[1], last_axes[2], last_axes[3] = c.move_x, c.move_y, c.look_x, c.look_y
            for k in range(BUTTONS):
                last_buttons[k] = decision.buttons[k] > 0
            waited_s = 0.0
        c.jump, c.slide, c.interact = last_buttons[0], last_buttons[1], last_buttons[2]
        c.choice = layout.NONE
        tick(s, rules, c)
        due = False
    return waited_s
