"""Runs of the arena side by side, played by the kiter or the shipped pilot, in which somebody else takes the cards."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from agent.control.kiter import _best_direction, _nearest_use
from agent.control.motor import pilot_tensors
from agent.control.policies import SHIPPED as PILOT
from agent.control.untrained import default_sizes
from agent.core.cards.menu import CardMenu, JudgedMenu, RunRecord, Situation, card_name, covariates
from agent.core.clock import TICK_HZ, TICK_S
from agent.core.rewards.tables import SCORE, Weights
from agent.core.types import FloatArray, Menu
from agent.games.arena import state as layout
from agent.games.arena import view
from agent.games.arena.stats import MAX_HP
from agent.learner.science.watch import FOR_EVER_S, SITUATION_EVERY_S
from agent.models.heads import likeliest
from agent.models.policies import PilotPolicy
from agent.training.arena.batch import ArenaBatch, Cast, EndedRun

BRANCH: Final = 3
DECISION_S: Final = 4 * TICK_S
_RICH: Final = 60.0


class Asked(NamedTuple):
    """A menu of one run: captions, the motor's logits, what is encoded, the cards taken before."""

    row: int
    kind: str
    captions: tuple[str, ...]
    logits: FloatArray
    self_: FloatArray
    rings: FloatArray
    at_s: float
    build: tuple[str, ...]


class Picked(NamedTuple):
    """The card that is taken, and the chance that each had; other: instead of it, an action as the rules count them."""

    card: int
    propensities: tuple[float, ...]
    other: int = -1


Pick = Callable[[Asked], Picked]


class PilotPlayer:
    """The shipped pilot, doing what is likeliest."""

    def __init__(self, count: int) -> None:
        self._policy = PilotPolicy(default_sizes())
        tensors = pilot_tensors(PILOT)
        self._policy.load_state_dict({f"pilot.{name}": torch.from_numpy(np.array(t)) for name, t in tensors.items()})
        self._carry = self._policy.initial(count)

    def act(self, b: ArenaBatch) -> tuple[FloatArray, NDArray[np.int32], FloatArray]:
        """Axes [N, 4], buttons [N, 3], and logits of the cards [N, 3]."""
        with torch.inference_mode():
            rows = (b.flat(), b.is_first.copy(), b.elapsed_ticks / TICK_HZ)
            obs, is_first, elapsed_s = (torch.from_numpy(x)[:, None] for x in rows)
            heads, self._carry = self._policy(obs, self._carry, is_first, elapsed_s)
            axes, found = likeliest(heads)
        buttons = found[:, 0, :BRANCH].numpy().astype(np.int32)
        return axes[:, 0].numpy(), buttons, heads.logits[BRANCH][:, 0].numpy()


class KiterPlayer:
    """The kiter's way of walking, without an opinion of cards. memory [N, 2]: heading, seconds since a use."""

    def __init__(self, count: int) -> None:
        self.memory = np.zeros((count, 2))

    def act(self, b: ArenaBatch) -> tuple[FloatArray, NDArray[np.int32], FloatArray]:
        """Axes [N, 4], buttons [N, 3], and logits of the cards [N, 3]."""
        self.memory[b.is_first] = 0.0
        axes, buttons = np.zeros((b.count, 4), np.float32), np.zeros((b.count, 3), np.int32)
        kite_all(b.records, b.worlds.catalog.rules, self.memory, axes, buttons)
        return axes, buttons, np.zeros((b.count, 3), np.float32)


@njit(cache=True)
def kite_all(worlds: Any, rules: Any, memory: Any, axes: Any, buttons: Any) -> None:
    """What `control.kiter` does in play, for each world."""
    for w in range(worlds.shape[0]):
        s = worlds[w]
        if s.phase != layout.PLAY:
            continue
        enemies, _, kinds, places = view.seen(s, rules)
        x, z = np.float64(s.x), np.float64(s.z)
        hurt = 1.0 - s.hp / max(s.stats[MAX_HP], 1.0)
        best = _best_direction(memory[w, 0], x, z, enemies, kinds, places, hurt, s.gold > _RICH)
        memory[w, 0] = best * (2.0 * math.pi / 24)
        memory[w, 1] += DECISION_S
        relative = memory[w, 0] - s.yaw
        axes[w, 0], axes[w, 1] = math.sin(relative), math.cos(relative)
        axes[w, 2] = max(-0.4, min(0.4, math.sin(relative) * 0.5))
        buttons[w, 2] = 1 if memory[w, 1] > 0.25 and _nearest_use(kinds, places, x, z) else 0
        if memory[w, 1] > 0.5:
            memory[w, 1] = 0.0


PLAYERS: Final = {"kiter": KiterPlayer, "pilot": PilotPlayer}


class CardRuns:
    """A batch of runs of one cast. `menus`, `situations` and `build` are those of each row's run so far; reward [N]: of
    the last decision.
    """

    def __init__(self, count: int, seed: int, tier: int, player: str, weights: Weights = SCORE) -> None:
        self.player = PLAYERS[player](count)
        self.batch = ArenaBatch(count, seed, casts=(Cast(tier=tier),), weights=weights)
        self.reward: FloatArray = np.zeros(count, np.float32)
        self.menus: list[list[tuple[CardMenu, float]]] = [[] for _ in range(count)]
        self.situations: list[list[Situation]] = [[] for _ in range(count)]
        self.build: list[list[str]] = [[] for _ in range(count)]

    def advance(self, pick: Pick) -> list[tuple[int, EndedRun, RunRecord]]:
        """One decision of each run; the runs that ended with it, by their rows."""
        b = self.batch
        axes, buttons, logits = self.player.act(b)
        cards = np.zeros(b.count, np.int32)
        for row in np.flatnonzero(b.choosing).tolist():
            cards[row] = self._asked(row, logits[row], pick)
        self._look()
        times = b.records["time_s"].astype(np.float64)
        runs = b.run.copy()
        outcome = b.step(axes, buttons, cards)
        self.reward = outcome.reward
        ended = []
        for run, row in zip(outcome.ended, np.flatnonzero(outcome.is_last).tolist(), strict=True):
            died = bool(outcome.is_terminal[row]) and not run.won
            lived_s = float(times[row]) + float(outcome.seconds[row])
            ended.append((row, run, self._record(row, f"{b._seed}-{runs[row]}", run, lived_s, died=died)))
        return ended

    def _asked(self, row: int, logits: FloatArray, pick: Pick) -> int:
        b, o = self.batch, self.batch.observed
        kind = Menu.LEVEL_UP if int(b.records["phase"][row]) == layout.LEVEL_UP else Menu.ENCOUNTER
        asked = Asked(
            row, kind, tuple(b.captions[row]), logits, o.self_[row], o.rings[row],
            float(b.records["time_s"][row]), tuple(self.build[row]),
        )  # fmt: skip
        picked = pick(asked)
        if picked.other >= 0:
            return picked.other
        names = tuple(card_name(caption) for caption in asked.captions)
        menu = CardMenu(
            kind=kind, cards=asked.captions, actions=names, propensities=picked.propensities, picked=picked.card,
            covariates=covariates(asked.self_, asked.rings, len(asked.build)), build=asked.build, at_s=asked.at_s,
        )  # fmt: skip
        self.menus[row].append((menu, asked.at_s))
        self.build[row].append(names[picked.card])
        return picked.card

    def _look(self) -> None:
        b, o = self.batch, self.batch.observed
        times = b.records["time_s"]
        for row in np.flatnonzero(~b.in_menu).tolist():
            seen, at_s = self.situations[row], float(times[row])
            if not seen or at_s - seen[-1].at_s >= SITUATION_EVERY_S:
                seen.append(Situation(at_s, covariates(o.self_[row], o.rings[row])))

    def _record(self, row: int, name: str, run: EndedRun, lived_s: float, *, died: bool) -> RunRecord:
        menus = tuple(
            JudgedMenu(
                menu=menu, lived_s=FOR_EVER_S if run.won else lived_s - at_s, died=died, score_s=run.score_s,
            )
            for menu, at_s in self.menus[row]
        )  # fmt: skip
        found = RunRecord(
            run=name, ended_utc_ns=0, game="arena", menus=menus, situations=tuple(self.situations[row]),
            lived_s=lived_s, died=died, won=run.won,
        )  # fmt: skip
        self.menus[row], self.situations[row], self.build[row] = [], [], []
        return found


def uniform(rng: np.random.Generator) -> Pick:
    """Any card, each as likely."""

    def pick(asked: Asked) -> Picked:
        n = len(asked.captions)
        return Picked(int(rng.integers(n)), (1.0 / n,) * n)

    return pick


def best_of(values: Callable[[str], float], rng: np.random.Generator) -> Pick:
    """The card of the largest value, by its name; of equal ones any."""

    def pick(asked: Asked) -> Picked:
        worth = np.array([values(card_name(caption)) for caption in asked.captions])
        card = int(rng.choice(np.flatnonzero(worth == worth.max())))
        return Picked(card, tuple(float(k == card) for k in range(len(worth))))

    return pick


def play(count: int, seed: int, tier: int, player: str, pick: Pick, rows: int) -> list[tuple[EndedRun, RunRecord]]:
    """Runs `seed` to `seed` + count − 1, one each, `rows` at a time; in the order of their seeds."""
    found: list[tuple[EndedRun, RunRecord]] = []
    for first in range(0, count, rows):
        runs = CardRuns(min(rows, count - first), seed + first, tier, player)
        ended: dict[int, tuple[EndedRun, RunRecord]] = {}
        while len(ended) < runs.batch.count:
            for row, run, record in runs.advance(pick):
                ended.setdefault(row, (run, record))
        found += [ended[row] for row in sorted(ended)]
    return found
