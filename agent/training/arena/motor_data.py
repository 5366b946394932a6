"""What a motor learns from: runs of the arena by several players, as a pilot sees and remembers them.

Each run of the batch has its player: the pilot as it is, the pilot with noise, or the script of the lessons, whose
knobs are set for one of the subgoals of `arena.goals`. The script and the pilot as it is take turns with the motor that
learns from them, once there is one: so they are seen to go on from where the motor gets (DAgger, Ross et al. 2011).
Owns the runs and the pilot's memory of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.control.chunks.policy import GOAL_REWARD, TRAINED
from agent.core.rollout import OFF_POLICY_SPREAD
from agent.core.types import FloatArray
from agent.learning.cpqe.windows import Chunks, Played, cut_chunks, joined
from agent.models.actor_critic import Pilot, PilotOutput
from agent.training.arena.batch import ArenaBatch, EndedRun, Outcome
from agent.training.arena.goals import BOSS, CHEST, NONE, SHRINE, XP, counted, goal_vectors
from agent.training.arena.teacher import KNOBS, Knobs, Teacher

KEPT_NOISE: Final = 0.9
"""Share of a decision's noise that the next one has too."""
MAX_TICKS: Final = 30.0
TURN: Final = (12, 40)
"""Decisions of a turn of a player or of the motor, drawn evenly."""
_NO_BOSS: Final = {"boss_s": 1e9, "boss_latest_s": 1e9}
_ALL_SHRINES: Final = {"chests": 0.0, "greed": 1.0, "shrine_m": 400.0}
_SCRIPTS: Final[dict[int, Knobs]] = {
    CHEST: KNOBS._replace(wait=1.5, pots=3.0, gold=1.5, shrine=0.0, charge=0.0, **_NO_BOSS),
    SHRINE: KNOBS._replace(shrine=5.0, charge=4.0, gather=0.3, **_ALL_SHRINES, **_NO_BOSS),
    BOSS: KNOBS._replace(
        boss_s=30.0, boss_level=3.0, portal=6.0, gather=3.0, sight_m=40.0, shrine=3.5, charge=3.0,
        **(_ALL_SHRINES | {"chests": 1.0}),
    ),
    XP: KNOBS._replace(gather=5.0, sight_m=40.0, shrine=0.0, charge=0.0, chests=0.0, **_NO_BOSS),
}  # fmt: skip
"""How the script plays towards each subgoal: to the nearest chest or shrine, of whichever kind, since what
a motor reads of a subgoal points there."""


class Shares(msgspec.Struct, frozen=True):
    """Shares of the runs that are played by the pilot with noise and by the script, towards each subgoal alike.

    The pilot as it is plays the others.
    """

    noisy: float = 0.05
    script: float = 0.65


class MotorData:
    """Runs that are played on and on, and what was done in them.

    goals: of each run, by its place in `TRAINED`; the script's rows have one, the pilot's have none.
    motor: from conditions with subgoals [N, C + G] to actions [N, 7]; None while there is none that takes turns.
    """

    def __init__(self, batch: ArenaBatch, pilot: Pilot, *, shares: Shares, seed: int) -> None:
        self.batch, self.pilot = batch, pilot.requires_grad_(False)
        self.ended: list[EndedRun] = []
        count = batch.count
        self._noisy = np.arange(count) < shares.noisy * count
        scripted = round(shares.script * count)
        self.goals = np.full(count, NONE, np.int32)
        self.goals[count - scripted :] = np.arange(scripted) * len(TRAINED) // max(1, scripted)
        self._teachers = {goal: Teacher(knobs) for goal, knobs in _SCRIPTS.items()}
        self._random = np.random.default_rng(seed)
        self._hidden = torch.zeros(count, pilot.sizes.units)
        self._noise = self._random.standard_normal((count, 4)).astype(np.float32)
        self.motor: Callable[[Tensor], Tensor] | None = None
        self._turns = np.zeros(count, np.int32)
        self._left = np.zeros(count, np.int32)
        self._spread = OFF_POLICY_SPREAD * pilot.axes_log_std.exp().numpy()

    @torch.no_grad()
    def think(self) -> tuple[Tensor, PilotOutput]:
        """One step of the pilot on every run: what it sees and remembers [N, C], and what it would do."""
        o, b = self.batch.observed, self.batch
        self._hidden[torch.from_numpy(b.is_first)] = 0.0
        parts = (torch.from_numpy(x) for x in (o.self_, o.tokens, o.mask, o.rings))
        seen = self.pilot.encoder(*parts, torch.zeros(b.count, self.pilot.sizes.encoder.picture))
        ticks = torch.from_numpy(np.minimum(b.elapsed_ticks, MAX_TICKS))[:, None]
        self._hidden = self.pilot.memory(seen, self._hidden, ticks)
        out = self.pilot.decide(seen, self._hidden, torch.from_numpy(o.cards))
        return torch.cat([seen, self._hidden], 1), out

    def play(self, decisions: int) -> list[list[Played]]:
        """Play on; of each run what was done: as its own subgoal pays it, then as one that is drawn would.

        Any decision can be judged by any subgoal, so critics learn of each from all runs.
        """
        columns: list[tuple[NDArray[Any], ...]] = []
        other = self._random.integers(0, len(TRAINED), self.batch.count).astype(np.int32)
        for _ in range(decisions):
            condition, out = self.think()
            first, playing = self.batch.is_first.copy(), ~self.batch.in_menu
            own_goal, other_goal = goal_vectors(self.batch, self.goals), goal_vectors(self.batch, other)
            before = counted(self.batch)
            axes, buttons, cards = self.act(out)
            begun, led = self._take_turns(condition, own_goal, axes, buttons)
            outcome = self.batch.step(axes, buttons, cards)
            self.ended += outcome.ended
            action = np.concatenate([axes, buttons * 2.0 - 1.0], 1).astype(np.float32)
            grown = np.maximum(counted(self.batch) - before, 0.0) * ~outcome.is_last[:, None]
            seen = condition.numpy()
            columns.append((
                np.concatenate([seen, own_goal], 1), np.concatenate([seen, other_goal], 1), action,
                rewarded(outcome, grown, self.goals), rewarded(outcome, grown, other), playing, first,
                outcome.is_terminal, playing & ~led, first | begun,
            ))  # fmt: skip
        own, drawn, action, paid, would_pay, playing, first, ended, told, turn = (
            np.stack(parts) for parts in zip(*columns, strict=True)
        )
        return [
            [Played(own[:, r], action[:, r], paid[:, r], told[:, r], turn[:, r], ended[:, r]),
             Played(drawn[:, r], action[:, r], would_pay[:, r], playing[:, r], first[:, r], ended[:, r])]
            for r in range(self.batch.count)
        ]  # fmt: skip

    def _take_turns(
        self, condition: Tensor, goals: FloatArray, axes: FloatArray, buttons: NDArray[np.int32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Let the motor act where it is its turn; where a turn begins, and where the motor has it."""
        count = self.batch.count
        if self.motor is None:
            return np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        begun = (self._left <= 0) & ~self._noisy
        self._left[begun] = self._random.integers(*TURN, int(begun.sum()))
        self._turns[begun] += 1
        self._left -= 1
        leads = (self._turns % 2 == 1) & ~self._noisy
        if leads.any():
            rows = torch.from_numpy(leads)
            made = self.motor(torch.cat([condition[rows], torch.from_numpy(goals)[rows]], 1)).numpy()
            axes[leads], buttons[leads, :2] = made[:, :4].clip(-1.0, 1.0), made[:, 4:6] > 0
            buttons[leads, 2] |= made[:, 6] > 0
        return begun, leads

    def act(self, out: PilotOutput) -> tuple[FloatArray, NDArray[np.int32], NDArray[np.int32]]:
        """What the player of each run does."""
        fresh = self._random.standard_normal(self._noise.shape).astype(np.float32)
        self._noise = KEPT_NOISE * self._noise + np.float32(np.sqrt(1.0 - KEPT_NOISE**2)) * fresh
        mean = out.axes_mean.numpy()
        axes = np.tanh(mean + np.where(self._noisy[:, None], self._noise * self._spread, 0.0)).astype(np.float32)
        buttons = (out.buttons.numpy() > 0).astype(np.int32)
        cards = out.cards.numpy().argmax(1).astype(np.int32)
        for goal in np.unique(self.goals[self.goals >= 0]):
            a, b, _ = self._teachers[int(goal)].act(self.batch)
            rows = self.goals == goal
            axes[rows], buttons[rows] = a[rows], b[rows]
        return axes, buttons, cards


def rewarded(outcome: Outcome, grown: FloatArray, goals: NDArray[np.int32]) -> FloatArray:
    """Rewards of a decision by each run's subgoal [N]: the score's, with its potentials, and what was gained of it."""
    of_goal = np.where(goals >= 0, (grown * np.array(GOAL_REWARD))[np.arange(len(goals)), goals], 0.0)
    paid: FloatArray = (outcome.reward + outcome.potential + of_goal).astype(np.float32)
    return paid


def gather(data: MotorData, decisions: int, *, length: int, backup: int, gamma: float) -> tuple[Chunks, Chunks]:
    """Chunks of so many decisions of every run: by their own subgoals, and by drawn ones."""
    played = data.play(decisions)
    return tuple(
        joined([cut_chunks(run[kind], length=length, backup=backup, gamma=gamma) for run in played]) for kind in (0, 1)
    )  # type: ignore[return-value]
