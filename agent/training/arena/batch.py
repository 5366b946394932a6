"""Many runs of the arena as one batch: what a pilot observes of each, and its actions carried out.

The same encoding, decisions and menu times as a served pilot in lock-step, without screens and without a socket: a
decision every `ticks` ticks of play and one when a menu opens; a card costs the ticks that its presses take. Owns
the runs' seeds and casts; no picture. Rewards of a decision are those of a table of `control.reward`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from agent.control import encode
from agent.control.menus import PRESS_EVERY
from agent.core.clock import TICK_S
from agent.core.errors import GameError
from agent.core.rewards.tables import CAP_S, MINUTE_S, SCORE, Weights
from agent.core.types import FloatArray
from agent.games.arena import state as layout
from agent.games.arena import view
from agent.games.arena.stats import MAX_HP
from agent.games.arena.step import tick
from agent.games.arena.world import Worlds

CHOOSES: Final = (layout.LEVEL_UP, layout.ENCOUNTER)
"""Phases in which one of three cards is taken."""


class Cast(NamedTuple):
    """Who plays a run and where, as the rules count both: from 0."""

    tier: int = 0
    character: int = 0


DEFAULT_CAST: Final = Cast()


class Count(IntEnum):
    """Columns of what is counted of a run, from whose changes the reward is made."""

    KILLS = 0
    LEVEL = 1
    TAKEN = 2
    TIME_S = 3
    POTENTIAL = 4


class EndedRun(msgspec.Struct, frozen=True):
    """One finished run of a batch. episode_return: what the table paid, without potentials.

    whole: it began with its first tick, and not from a saved state.
    """

    score_s: float
    won: bool
    kills: int
    level: int
    decisions: int
    episode_return: float = 0.0
    whole: bool = True


class Starts(Protocol):
    """Whoever lets some runs start from saved states; see `loop_starts`."""

    def begin(self, row: int) -> Any | None:
        """A run begins: the record that it starts from, None for the start of a run."""
        ...

    def saw(self, records: NDArray[Any], acted: NDArray[np.bool_], ended: NDArray[np.bool_]) -> None:
        """See the runs after a decision, before those that ended begin anew."""
        ...


class Outcome(msgspec.Struct, frozen=True, eq=False):
    """What one decision of each run led to, [N]; `ended` are the runs that finished with it.

    is_last: the run is over, by death or win where is_terminal, else cut at the score's cap. A run that is over has
    begun anew. potential: γΦ(s′) − Φ(s), which a learner adds.
    seconds: of play that the decision took.
    """

    reward: FloatArray
    potential: FloatArray
    is_last: NDArray[np.bool_]
    is_terminal: NDArray[np.bool_]
    ended: list[EndedRun]
    seconds: FloatArray


def run_seed(seed: int, run: int) -> int:
    """The world's seed of run `run` of a game with this seed, as `ArenaGame` begins it."""
    return int.from_bytes(hashlib.sha256(f"{seed} {run}".encode()).digest()[:8], "little")


class ArenaBatch:
    """`count` runs side by side; `observed` is the batch that the next actions answer.

    casts: run k is of cast k mod len(casts) and of seed + k // len(casts). run [N]: the k of each, −1 where `starts`
    lets it start from a saved state. until_s: runs are cut there.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        *,
        ticks: int = 4,
        casts: Sequence[Cast] = (DEFAULT_CAST,),
        weights: Weights = SCORE,
        starts: Starts | None = None,
        until_s: float = CAP_S,
    ) -> None:
        self.count, self.ticks, self.weights, self.until_s = count, ticks, weights, until_s
        self._starts = starts
        self.casts = tuple(casts)
        self.run = np.zeros(count, np.int64)
        self.worlds = Worlds(count)
        self.observed = encode.Encoded.empty(count)
        self.elapsed_ticks: FloatArray = np.zeros(count, np.float32)
        self.is_first = np.ones(count, np.bool_)
        self.choosing = np.zeros(count, np.bool_)
        self._offered = np.zeros(count, np.bool_)
        self.captions: list[list[str]] = [[] for _ in range(count)]
        self.axes: FloatArray = np.zeros((count, 4), np.float32)
        self.buttons = np.zeros((count, 3), np.int32)
        self._counters = np.zeros((count, len(Count)), np.float64)
        self._decisions = np.zeros(count, np.int64)
        self._returns = np.zeros(count, np.float64)
        self._seed, self._next = seed, 0
        for row in range(count):
            self._begin(row)
        self._observe()

    @property
    def records(self) -> NDArray[Any]:
        """The worlds; see `games.arena.state.WORLD`."""
        return self.worlds.records

    def flat(self) -> FloatArray:
        """What is observed as rows [N, D] of a `PilotPolicy`."""
        o, n = self.observed, self.count
        parts = (o.self_, o.tokens.reshape(n, -1), o.mask, o.rings, o.cards.reshape(n, -1))
        rows: FloatArray = np.concatenate(parts, 1)
        return rows

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Everything that the runs' future depends on."""
        return {
            "records": self.records.view(np.uint8).reshape(self.count, -1), "elapsed": self.elapsed_ticks,
            "is_first": self.is_first, "axes": self.axes, "buttons": self.buttons, "counters": self._counters,
            "decisions": self._decisions, "returns": self._returns, "next": np.array([self._seed, self._next]),
            "run": self.run,
        }  # fmt: skip

    def load_tensors(self, tensors: dict[str, NDArray[Any]]) -> None:
        """Take up what `tensors()` gave; raises KeyError or ValueError where it does not fit.

        0.1.0 kept no returns: those of its running runs count from here. Nor did it keep which runs they are.
        """
        tensors = {"returns": np.zeros(self.count), "run": np.zeros_like(self.run), **tensors}
        own = self.tensors()
        for name, array in own.items():
            if tensors[name].shape != array.shape:
                raise ValueError(f"{name} is {tensors[name].shape}, expected {array.shape}")
        for name, array in own.items():
            array[:] = tensors[name]
        self._seed, self._next = tensors["next"].tolist()
        self._observe(begun=False)

    @property
    def in_menu(self) -> NDArray[np.bool_]:
        """Runs that wait for a choice; where `choosing`, one of three cards."""
        waits: NDArray[np.bool_] = self.records["phase"] != layout.PLAY
        return waits

    def _begin(self, row: int) -> None:
        saved = self._starts.begin(row) if self._starts is not None else None
        if saved is None:
            cast = self.casts[self._next % len(self.casts)]
            seed = run_seed(self._seed + self._next // len(self.casts), 0)
            self.worlds.reset(row, seed, character=cast.character, tier=cast.tier)
            self.run[row] = self._next
            self._next += 1
        else:
            self.records[row] = saved
            self.worlds.controls[row] = 0
            self.worlds.controls[row]["choice"] = layout.NONE
            self.run[row] = -1
        self.is_first[row] = True
        self.elapsed_ticks[row] = 0.0
        self.axes[row] = 0.0
        self.buttons[row] = 0
        self._decisions[row] = 0
        self._returns[row] = 0.0

    def step(self, axes: FloatArray, buttons: NDArray[np.int32], cards: NDArray[np.int32]) -> Outcome:
        """Carry out one decision of each run: axes [N, 4] in −1 … 1, buttons [N, 3], and card [N] where it chooses.

        Raises GameError for axes that are not finite: compiled code reads them unchecked.
        """
        if not np.isfinite(axes).all():
            rows = np.flatnonzero(~np.isfinite(axes).all(1)).tolist()
            raise GameError(f"arena: actions of runs {rows[:8]} are not finite; the policy has diverged")
        choice = np.where(self.choosing, cards, 0).astype(np.int32)
        playing = ~self.in_menu
        self.axes[playing], self.buttons[playing] = axes[playing], buttons[playing]
        self.is_first[:] = False
        advance_all(
            self.records, self.worlds.catalog.rules, self.worlds.controls, self.axes, self.buttons, choice, self.ticks,
            self.elapsed_ticks, PRESS_EVERY,
        )  # fmt: skip
        self._decisions += 1
        outcome = self._outcome(playing)
        if self._starts is not None:
            self._starts.saw(self.records, np.abs(self.axes).max(1) > 0.0, outcome.is_last)
        for row in np.flatnonzero(outcome.is_last):
            self._begin(int(row))
        self._observe()
        return outcome

    def pay(self, weights: Weights) -> None:
        """Go on with another table; potentials of what is now are counted by it."""
        self.weights = weights
        self._counters = self._counted()

    def _outcome(self, playing: NDArray[np.bool_]) -> Outcome:
        before = self._counters
        phase = self.records["phase"]
        terminal = (phase == layout.DEAD) | (phase == layout.WON)
        last = terminal | (self.records["time_s"] >= self.until_s)
        now = self._counted()
        change = now - before
        w, won = self.weights, phase == layout.WON
        reward = w.kill * change[:, Count.KILLS] + w.level * np.maximum(change[:, Count.LEVEL], 0.0)
        reward += w.damage * change[:, Count.TAKEN] / np.maximum(self.records["stats"][:, MAX_HP], 1.0)
        capped_s = np.minimum(now[:, Count.TIME_S], CAP_S)
        reward += w.minute * (capped_s - np.minimum(before[:, Count.TIME_S], CAP_S)) / MINUTE_S
        reward += np.where(won, w.win + w.minute * (CAP_S - capped_s) / MINUTE_S, 0.0)
        reward += np.where(phase == layout.DEAD, w.death, 0.0)
        shaped = w.gamma * np.where(terminal, 0.0, now[:, Count.POTENTIAL]) - before[:, Count.POTENTIAL]
        self._returns += reward
        ended = [self._ended(int(row)) for row in np.flatnonzero(last)]
        self._counters = now
        seconds = change[:, Count.TIME_S].astype(np.float32)
        return Outcome(reward.astype(np.float32), shaped.astype(np.float32), last, terminal, ended, seconds)

    def _counted(self) -> NDArray[np.float64]:
        r = self.records
        level = r["level"] + r["level_xp"].astype(np.float64) / r["next_xp"]
        health = np.clip(r["hp"] / np.maximum(r["stats"][:, MAX_HP], 1.0), 0.0, 1.0).astype(np.float64)
        potential = self.weights.potential(level, health, r["stage"] + 0.5 * r["boss_state"])
        return np.stack([r["kills"].astype(np.float64), level, r["taken"], r["time_s"], potential], axis=1)

    def _ended(self, row: int) -> EndedRun:
        world = self.records[row]
        won = int(world["phase"]) == layout.WON
        score_s = CAP_S if won else min(float(world["time_s"]), CAP_S)
        counts = int(world["kills"]), int(world["level"]), int(self._decisions[row])
        return EndedRun(score_s, won, *counts, float(self._returns[row]), whole=bool(self.run[row] >= 0))

    def _observe(self, *, begun: bool = True) -> None:
        first = self.is_first
        if begun and first.any():
            self._counters[first] = self._counted()[first]
        o = self.observed
        _encode(
            self.records, self.worlds.catalog.rules, self.elapsed_ticks, self.axes, self.buttons,
            o.self_, o.tokens, o.mask, o.rings,
        )  # fmt: skip
        phase = self.records["phase"]
        o.cards[self._offered] = 0.0
        self.choosing = np.isin(phase, CHOOSES)
        self._offered = self.choosing | (phase == layout.CHEST)
        for row in np.flatnonzero(self._offered):
            self.captions[row] = self.worlds.offers(int(row))
            for card, caption in enumerate(self.captions[row]):
                o.cards[row, card] = encode.caption_features(caption)


@njit(cache=True)
def advance_all(
    worlds: Any,
    rules: Any,
    controls: Any,
    axes: Any,
    buttons: Any,
    choice: Any,
    ticks: int,
    elapsed_ticks: Any,
    press: int,
) -> None:
    """Play each world up to `ticks` ticks, or make its choice; `elapsed_ticks` [N] becomes what this takes."""
    for w in range(worlds.shape[0]):
        s, c = worlds[w], controls[w]
        if s.phase != layout.PLAY:
            c.choice = choice[w]
            tick(s, rules, c)
            c.choice = layout.NONE
            elapsed_ticks[w] = press * (choice[w] + 1)
            continue
        c.choice = layout.NONE
        c.move_x, c.move_y, c.look_x, c.look_y = axes[w, 0], axes[w, 1], axes[w, 2], axes[w, 3]
        c.jump, c.slide, c.interact = buttons[w, 0], buttons[w, 1], buttons[w, 2]
        done = 0
        while done < ticks and s.phase == layout.PLAY:
            tick(s, rules, c)
            done += 1
        elapsed_ticks[w] = done


@njit(cache=True)
def _encode(
    worlds: Any, rules: Any, elapsed_ticks: Any, axes: Any, buttons: Any, self_: Any, tokens: Any, mask: Any, rings: Any
) -> None:
    for w in range(worlds.shape[0]):
        elapsed_s = elapsed_ticks[w] * TICK_S
        encode_world(worlds[w], rules, elapsed_s, axes[w], buttons[w], self_[w], tokens[w], mask[w], rings[w])


@njit(cache=True)
def encode_world(
    s: Any, rules: Any, elapsed_s: float, axes: Any, buttons: Any, self_: Any, tokens: Any, mask: Any, rings: Any
) -> None:
    """`encode.encode_state` without cards, for one world; arguments have the types that they have there."""
    enemies, kinds, object_kinds, places = view.seen(s, rules)
    x, y, z, yaw = np.float64(s.x), np.float64(s.y), np.float64(s.z), np.float64(s.yaw)
    encode.fill_tokens(
        x, y, z, yaw, enemies, kinds, object_kinds, places, tokens, mask,
        rings.reshape(encode.SECTORS, encode.RING_FEATURES),
    )  # fmt: skip
    menu = 0
    if s.phase == layout.LEVEL_UP:
        menu = 5
    elif s.phase == layout.CHEST:
        menu = 6
    elif s.phase == layout.ENCOUNTER:
        menu = 7
    held = buttons[0] + 2 * buttons[1] + 4 * buttons[2]
    last = (np.float64(axes[0]), np.float64(axes[1]), np.float64(axes[2]), np.float64(axes[3]))
    encode.fill_self(
        self_, x, z, yaw, np.float64(s.pitch), (np.float64(s.vx), np.float64(s.vy), np.float64(s.vz)), np.float64(s.hp),
        np.float64(s.stats[MAX_HP]), np.float64(s.time_s),
        (np.float64(s.level), np.float64(s.level_xp / s.next_xp), np.float64(s.kills), float(math.floor(s.gold))),
        len(enemies), menu, elapsed_s, last, held,
    )  # fmt: skip
