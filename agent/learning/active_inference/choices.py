"""Choices out of rollouts: each game's rollouts joined to episodes, and what is held back from learning.

A rollout goes on from the one before where it begins with what that one saw last; else a new episode begins in the
middle, with nothing known. Owns no model.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import numpy as np

from agent.core.choices import ChoiceLayout, Choices, outcomes_of
from agent.core.rollout import BoolArray, Rollout
from agent.core.types import FloatArray

Key = tuple[str, int]
MAX_GAMES: Final = 256


def options_at(obs: FloatArray, layout: ChoiceLayout) -> FloatArray:
    """Features of the options at each observation, f32 [T, K, A]."""
    if layout.option_start < 0:
        return np.broadcast_to(np.eye(layout.options, dtype=np.float32), (len(obs), layout.options, layout.options))
    stop = layout.option_start + layout.options * layout.option_features
    return obs[:, layout.option_start : stop].reshape(len(obs), layout.options, layout.option_features)


def offered(rollout: Rollout, branches: tuple[int, ...], layout: ChoiceLayout) -> BoolArray:
    """Which options there were at each step, bool [T, K].

    An option with features was there also where the mask leaves the policy one alone: then another chooser chose.
    """
    first = sum(branches[: layout.branch])
    masks = rollout.action_masks
    if masks is None:
        return np.ones((len(rollout), layout.options), np.bool_)
    allowed: BoolArray = masks[:, first : first + layout.options]
    if layout.option_start >= 0:
        allowed = allowed | (options_at(rollout.obs, layout) != 0).any(-1)
    return allowed


class _Part:
    """One episode as far as it has been seen."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.rewards: list[FloatArray] = []
        self.at: list[int] = []
        self.columns: list[tuple[FloatArray, BoolArray, int, FloatArray]] = []
        self.steps = 0

    def choices(self, layout: ChoiceLayout, *, over: bool, terminated: bool) -> Choices | None:
        """The choices whose outcome is known; None where there is none."""
        rewards = np.concatenate(self.rewards) if self.rewards else np.zeros(0, np.float32)
        whole, outcomes, ended, known = outcomes_of(rewards, self.at, layout, over=over, terminated=terminated)
        if not len(whole):
            return None
        options, allowed, picks, context = zip(*(self.columns[k] for k in whole), strict=True)
        return Choices(
            np.stack(options), np.stack(allowed), np.array(picks, np.int64), outcomes, ended, np.stack(context), known
        )


class ChoiceStream:
    """The episodes of all games; `add` gives those that a rollout has changed."""

    def __init__(self, branches: tuple[int, ...], layout: ChoiceLayout) -> None:
        self._branches, self._layout = branches, layout
        self._parts: OrderedDict[str, tuple[_Part, FloatArray]] = OrderedDict()
        self._count = 0
        self.choices_total = 0

    def add(self, rollout: Rollout) -> dict[Key, Choices]:
        """Take a rollout in."""
        changed: dict[Key, Choices] = {}
        allowed = offered(rollout, self._branches, self._layout)
        options = options_at(rollout.obs, self._layout)
        part, expected = self._parts.pop(rollout.instance, (None, None))
        goes_on = expected is not None and not rollout.is_first[0] and np.array_equal(expected, rollout.obs[0])
        part = part if goes_on else None
        begin = 0
        for end in np.flatnonzero(rollout.is_cut) + 1:
            part = part if part is not None and begin == 0 else self._new(rollout.instance)
            self._extend(part, rollout, allowed, options, begin, int(end))
            last, terminated = bool(rollout.is_last[end - 1]), bool(rollout.terminated[end - 1])
            found = part.choices(self._layout, over=last, terminated=terminated)
            if found is not None:
                changed[part.key] = found
            part = None if last else part
            begin = int(end)
        if part is not None:
            self._parts[rollout.instance] = part, rollout.final_obs[-1].copy()
            while len(self._parts) > MAX_GAMES:
                self._parts.popitem(last=False)
        return changed

    def _new(self, instance: str) -> _Part:
        self._count += 1
        return _Part((instance, self._count))

    def _extend(
        self, part: _Part, rollout: Rollout, allowed: BoolArray, options: FloatArray, begin: int, end: int
    ) -> None:
        low, high = self._layout.context
        for row in begin + np.flatnonzero(allowed[begin:end].sum(1) > 1):
            part.at.append(part.steps + int(row) - begin)
            pick = int(rollout.actions_disc[row, self._layout.branch])
            part.columns.append((options[row].copy(), allowed[row], pick, rollout.obs[row, low:high].copy()))
            self.choices_total += 1
        counted = rollout.rewards if rollout.outcome_rewards is None else rollout.outcome_rewards
        part.rewards.append(counted[begin:end].copy())
        part.steps += end - begin


def choices_of(rollout: Rollout, branches: tuple[int, ...], layout: ChoiceLayout) -> list[Choices]:
    """The choices of each episode's part in one rollout whose outcomes are all known."""
    return list(ChoiceStream(branches, layout).add(rollout).values())


class Pool:
    """The newest episodes; every `hold_out`-th is held back from learning, none where that is 0."""

    def __init__(self, maximum: int, hold_out: int) -> None:
        self.learned: OrderedDict[Key, Choices] = OrderedDict()
        self.held: OrderedDict[Key, Choices] = OrderedDict()
        self._maximum, self._hold_out = maximum, hold_out

    def put(self, episodes: dict[Key, Choices]) -> None:
        """Add episodes, or replace them by longer ones of the same key."""
        for key, episode in episodes.items():
            held = self._hold_out > 0 and key[1] % self._hold_out == 0
            side = self.held if held else self.learned
            side[key] = episode
            maximum = max(1, self._maximum // self._hold_out) if held else self._maximum
            while len(side) > maximum:
                side.popitem(last=False)
