"""Cards in the arena, many runs at once: a pilot's motor plays them, and a chooser may choose its cards.

Episodes of choices come from here, for a model of outcomes to learn from, and scores with a chooser on and off. The
motor does what is likeliest, as in `evaluate`. Owns no learning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import torch

from agent.control.cards.chooser import CardChooser, Memory
from agent.control.reward import OUTCOMES
from agent.control.untrained import default_sizes
from agent.core.choices import EDGES, WINDOW, ChoiceLayout, Choices, outcomes_of
from agent.core.clock import TICK_HZ
from agent.core.rollout import BoolArray
from agent.core.types import FloatArray
from agent.models.heads import likeliest
from agent.models.policies import PilotPolicy
from agent.models.sizes import OutcomeSizes
from agent.training.arena.batch import DEFAULT_CAST, ArenaBatch, Cast, EndedRun, Outcome

BRANCH = 3
SIZES = OutcomeSizes(default_sizes().card_features, len(EDGES) + 1, default_sizes().encoder.self_features)


class Situation(msgspec.Struct, frozen=True, eq=False):
    """A choice of one run: what is on offer [3, A], which of it there is [3], what is seen [C], the motor's card."""

    row: int
    options: FloatArray
    allowed: BoolArray
    context: FloatArray
    motor: int


Pick = Callable[[Situation], int]
Note = Callable[[Situation, Memory], Any]


class PilotRuns:
    """A batch of runs of these casts in turn, played by the pilot with these weights."""

    def __init__(
        self, count: int, seed: int, tensors: dict[str, Any], *, casts: Sequence[Cast] = (DEFAULT_CAST,)
    ) -> None:
        self.policy = PilotPolicy(default_sizes())
        self.policy.load_state_dict({f"pilot.{name}": torch.from_numpy(np.array(t)) for name, t in tensors.items()})
        ticks = self.policy.pilot.sizes.decision_ticks
        self.batch = ArenaBatch(count, seed, ticks=ticks, casts=casts, weights=OUTCOMES)
        self._carry = self.policy.initial(count)

    def advance(self, pick: Pick) -> tuple[Outcome, FloatArray, list[Situation], list[int]]:
        """One decision of each run: its outcome, rewards by `OUTCOMES`, the choices and the cards taken."""
        b = self.batch
        with torch.inference_mode():
            rows = (b.flat(), b.is_first.copy(), b.elapsed_ticks / TICK_HZ)
            obs, is_first, elapsed_s = (torch.from_numpy(x)[:, None] for x in rows)
            heads, self._carry = self.policy(obs, self._carry, is_first, elapsed_s)
            axes, found = likeliest(heads)
        choices = found[:, 0].numpy().astype(np.int32)
        asked = [self._situation(int(row), int(choices[row, BRANCH])) for row in np.flatnonzero(b.choosing)]
        cards = [pick(s) for s in asked]
        for situation, card in zip(asked, cards, strict=True):
            choices[situation.row, BRANCH] = card
        outcome = b.step(axes[:, 0].numpy(), choices[:, :BRANCH], choices[:, BRANCH])
        return outcome, outcome.reward, asked, cards

    def _situation(self, row: int, motor: int) -> Situation:
        o = self.batch.observed
        return Situation(row, o.cards[row].copy(), (o.cards[row] != 0).any(1), o.self_[row].copy(), motor)


def exploring(rng: np.random.Generator, epsilon: float) -> Pick:
    """The motor's card, or with chance `epsilon` any on offer."""

    def pick(s: Situation) -> int:
        there = np.flatnonzero(s.allowed)
        return int(there[rng.integers(len(there))]) if rng.random() < epsilon else s.motor

    return pick


class _Episode:
    def __init__(self) -> None:
        self.rewards: list[float] = []
        self.at: list[int] = []
        self.asked: list[tuple[Situation, int]] = []

    def choices(self, layout: ChoiceLayout, *, over: bool, terminated: bool) -> Choices | None:
        whole, outcomes, ended, known = outcomes_of(
            np.array(self.rewards, np.float32), self.at, layout, over=over, terminated=terminated
        )
        if not len(whole):
            return None
        kept = [self.asked[k] for k in whole]
        return Choices(
            np.stack([s.options for s, _ in kept]), np.stack([s.allowed for s, _ in kept]),
            np.array([card for _, card in kept], np.int64), outcomes, ended, np.stack([s.context for s, _ in kept]),
            known,
        )  # fmt: skip


def gather(
    runs: PilotRuns, decisions: int, pick: Pick, *, say: Callable[[int, int], None] = lambda step, episodes: None
) -> list[Choices]:
    """The episodes of so many decisions of each run, the unfinished ones as far as their outcomes are known."""
    layout = ChoiceLayout(BRANCH, SIZES.option, window=WINDOW, edges=EDGES)
    parts = [_Episode() for _ in range(runs.batch.count)]
    episodes: list[Choices | None] = []
    for step in range(decisions):
        outcome, rewards, asked, cards = runs.advance(pick)
        for situation, card in zip(asked, cards, strict=True):
            part = parts[situation.row]
            part.at.append(len(part.rewards))
            part.asked.append((situation, card))
        for part, reward in zip(parts, rewards.tolist(), strict=True):
            part.rewards.append(reward)
        for row in np.flatnonzero(outcome.is_last):
            episodes.append(parts[row].choices(layout, over=True, terminated=bool(outcome.is_terminal[row])))
            parts[row] = _Episode()
        if (step + 1) % 1000 == 0:
            say(step + 1, len(episodes))
    episodes += [part.choices(layout, over=False, terminated=False) for part in parts]
    return [e for e in episodes if e is not None]


class Scored(msgspec.Struct, frozen=True, eq=False):
    """The first run of each row, in order of the seeds, and what `note` said of each choice in it."""

    ended: list[EndedRun]
    notes: list[list[Any]]


def score(
    runs: PilotRuns, chooser: CardChooser, *, on: bool, note: Note = lambda situation, memory: None,
    maximum: int | None = None,
) -> Scored:  # fmt: skip
    """Play one run of each row to its end; `on`: by the chooser's cards, else by the motor's, the chooser watching.

    most: decisions after which to stop all the same.
    """
    count = runs.batch.count
    memories = [chooser.fresh() for _ in range(count)]
    notes: list[list[Any]] = [[] for _ in range(count)]
    first: dict[int, EndedRun] = {}

    def pick(s: Situation) -> int:
        if s.row in first:
            return s.motor
        plan = chooser.weigh(memories[s.row], s.options, s.allowed, s.context)
        if plan is None:
            return s.motor
        notes[s.row].append(note(s, memories[s.row]))
        return int(plan.energy.argmin()) if on else s.motor

    done = 0
    while len(first) < count and done != maximum:
        done += 1
        for memory in memories:
            chooser.begin(memory)
        outcome, rewards, asked, cards = runs.advance(pick)
        for run, row in zip(outcome.ended, np.flatnonzero(outcome.is_last).tolist(), strict=True):
            first.setdefault(row, run)
        for situation, card in zip(asked, cards, strict=True):
            chooser.took(memories[situation.row], situation.options[card], situation.context)
        for memory, reward in zip(memories, rewards.tolist(), strict=True):
            memory.total += reward
    return Scored([first[row] for row in sorted(first)], notes)
