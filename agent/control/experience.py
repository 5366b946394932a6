"""What a pilot sees, does and gets in play, written down as rollouts, one buffer for each game.

A row is one decision: the encoded observation, the memory before it, the action as sampled with its log-probability
and value. Rewards of the ticks until the next decision belong to it; beside them, by a table of their own, those that
outcomes of cards are counted in. What a person does is not the policy's: a rollout ends where one takes over. Owns no
thread; a full buffer goes to `emit`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

import numpy as np

from agent.control import encode
from agent.control.reflex.network import BUTTONS, Decision
from agent.control.reward import OUTCOMES, RewardTable
from agent.core.rollout import ActionSpec, BoolArray, Rollout
from agent.core.types import FloatArray, Observation

FEATURES: Final = (
    encode.SELF_FEATURES + encode.TOKENS * (encode.TOKEN_FEATURES + 1) + encode.SECTORS * encode.RING_FEATURES
    + encode.CARDS * encode.CARD_FEATURES
)  # fmt: skip
ACTIONS: Final = ActionSpec(4, (2, 2, 2, encode.CARDS))
"""Move and look; fire, ability, interact, card."""
MAX_AXIS: Final = np.float32(1.0 - 1e-6)
LOG_STD_RANGE: Final = (-3.0, 0.5)
_LOG_2PI: Final = math.log(2.0 * math.pi)


def sampled_axes(mean: FloatArray, log_std: FloatArray, noise: FloatArray) -> tuple[FloatArray, float]:
    """Axes tanh(mean + std · noise), and the logarithm of their density as `models.heads.log_prob` has it."""
    wide = np.clip(log_std.astype(np.float64), *LOG_STD_RANGE)
    axes = np.clip(np.tanh(mean + np.exp(wide) * noise).astype(np.float32), -MAX_AXIS, MAX_AXIS)
    u = np.arctanh(axes.astype(np.float64))
    z = (u - mean) * np.exp(-wide)
    slope = 2.0 * (math.log(2.0) - u - np.logaddexp(0.0, -2.0 * u))
    return axes, float((-0.5 * (z * z + _LOG_2PI) - wide - slope).sum())


def choice_log_prob(logits: FloatArray, choice: int) -> float:
    """Logarithm of the softmax at `choice`."""
    wide = logits.astype(np.float64)
    maximum = wide.max()
    return float(wide[choice] - maximum - np.log(np.exp(wide - maximum).sum()))


def button_log_prob(logit: float, pressed: bool) -> float:
    """Logarithm of the chance that a button of this logit is as it is."""
    return -float(np.logaddexp(0.0, -logit if pressed else logit))


class Sampled:
    """One decision's action: axes [C], a choice of each branch, their joint log-probability; what was allowed.

    A pilot's: axes [4], choices fire, ability, interact, card; allowed: up and down of each button, then each card.
    """

    __slots__ = ("axes", "choices", "log_prob", "allowed")

    def __init__(self, axes: FloatArray, choices: tuple[int, ...], log_prob: float, allowed: BoolArray) -> None:
        self.axes, self.choices, self.log_prob, self.allowed = axes, choices, log_prob, allowed


def allowed_choices(playing: bool, cards: BoolArray | None) -> BoolArray:
    """What may be chosen, bool [6 + cards]: buttons in play, a card where `cards` says which there are."""
    allowed = np.zeros(2 * BUTTONS + encode.CARDS, np.bool_)
    allowed[0 : 2 * BUTTONS : 2] = True
    if playing:
        allowed[: 2 * BUTTONS] = True
    allowed[2 * BUTTONS :] = cards if cards is not None and cards.any() else np.arange(encode.CARDS) == 0
    return allowed


class Number(IntEnum):
    """Columns of the numbers of a step."""

    REWARD = 0
    ELAPSED_S = 1
    LOG_PROB = 2
    VALUE = 3
    OUTCOME = 4


class Flag(IntEnum):
    """Columns of the flags of a step."""

    TERMINATED = 0
    IS_FIRST = 1
    TRUNCATED = 2


class _Buffer:
    """Rows of one game; the last one is open until its rewards are complete."""

    def __init__(self, steps: int, units: int, features: int, spec: ActionSpec) -> None:
        self.obs = np.zeros((steps, features), np.float32)
        self.axes = np.zeros((steps, spec.continuous), np.float32)
        self.choices = np.zeros((steps, len(spec.branches)), np.int64)
        self.allowed = np.zeros((steps, sum(spec.branches)), np.bool_)
        self.numbers = np.zeros((steps, len(Number)), np.float32)
        self.flags = np.zeros((steps, len(Flag)), np.bool_)
        self.carry = np.zeros(units, np.float32)
        self.finals: dict[int, FloatArray] = {}
        self.rewards, self.outcomes = RewardTable(), RewardTable(OUTCOMES)
        self.rows = self.version = 0
        self.time_s = 0.0
        self.open = False
        self.first = True
        self.parted = False


class RolloutRecorder:
    """Rollouts of `steps` decisions of every game; `emit` is called on the thread of the policy's steps.

    units: numbers of memory that are written down, 0 for none; spec: what an action is; valued: the policy says what it
    expects. off_policy: whoever learns from the rollouts may, however old the policy that made them.
    """

    def __init__(
        self, policy: str, names: tuple[str, ...], units: int, emit: Callable[[Rollout], None], *, steps: int = 256,
        features: int = FEATURES, spec: ActionSpec = ACTIONS, valued: bool = True, off_policy: bool = False,
    ) -> None:  # fmt: skip
        self._emit = emit
        self.steps, self.features, self.units, self.off_policy = steps, features, units, off_policy
        self._valued = valued
        self.rows_total = 0
        self._policy = policy
        self._names = names
        self._buffers = [_Buffer(steps, units, features, spec) for _ in names]

    def pay_by(self, *rewards: Any) -> None:
        """Let these objects with a method `of(observation)`, one a game, say what is paid, instead of play's table."""
        for buffer, each in zip(self._buffers, rewards, strict=True):
            buffer.rewards = each

    def part(self, game: int) -> None:
        """Begin a new rollout with the next decision of a game: other weights make it."""
        self._buffers[game].parted = True

    def part_all(self) -> None:
        """Begin a new rollout with the next decision of every game."""
        for game in range(len(self._buffers)):
            self.part(game)

    def observe(self, observation: Observation, see: Callable[[], FloatArray] | None = None) -> None:
        """Take the reward, and the end of an episode, that an observation brings.

        see: what is seen [features] of the observation; asked only at a time limit, whose value is bootstrapped from
        it. A packet that tells of the limit later shows the next episode already: then the last row's own obs stays.
        """
        b = self._buffers[observation.game]
        reward, outcome = b.rewards.of(observation), b.outcomes.of(observation)
        if observation.by_human:
            self._leave(b, observation)
        if observation.is_first:
            b.open, b.first = False, True
        if b.open:
            b.numbers[b.rows - 1, Number.REWARD] += reward
            b.numbers[b.rows - 1, Number.OUTCOME] += outcome
        if observation.is_last:
            if b.open:
                b.flags[b.rows - 1, Flag.TERMINATED if observation.is_terminal else Flag.TRUNCATED] = True
                if see is not None and not observation.is_terminal and _shows_the_end(observation, b.time_s):
                    b.finals[b.rows - 1] = see()
            b.open, b.first = False, True

    def _leave(self, b: _Buffer, observation: Observation) -> None:
        """A person plays: emit what the policy did before, but for its last decision, whose outcome is not its own."""
        if b.open:
            b.rows -= 1
            before = b.flags[b.rows - 1]
            b.open = b.rows > 0 and not (before[Flag.TERMINATED] or before[Flag.TRUNCATED])
        if b.rows:
            self._flush(b, self._names[observation.game], b.obs[b.rows].copy())
        b.open = b.first = False

    def row(
        self, observation: Observation, batch: encode.Encoded, hidden: FloatArray, waited_s: float, decision: Decision,
        sampled: Sampled, version: int,
    ) -> None:  # fmt: skip
        """Write a pilot's decision down."""
        self.write(observation, flat(batch), hidden, waited_s, decision.value, sampled, version)

    def write(
        self, observation: Observation, seen: FloatArray, hidden: FloatArray, waited_s: float, value: float,
        sampled: Sampled, version: int,
    ) -> None:  # fmt: skip
        """Write one decision down; nothing where an episode ends or a person plays. `seen` [features]."""
        if observation.is_last or observation.by_human:
            return
        b = self._buffers[observation.game]
        if b.rows == self.steps or (b.parted and b.rows):
            self._flush(b, self._names[observation.game], seen)
        b.parted = False
        if b.rows == 0:
            b.version = version
            b.carry[:] = 0.0 if b.first else hidden
        at = b.rows
        b.obs[at] = seen
        b.axes[at], b.choices[at], b.allowed[at] = sampled.axes, sampled.choices, sampled.allowed
        b.numbers[at] = 0.0, 0.0 if b.first else waited_s, sampled.log_prob, value, 0.0
        b.flags[at] = False, b.first, False
        b.rows, b.open, b.first, b.time_s = at + 1, True, False, observation.state.game_time_s
        self.rows_total += 1

    def _flush(self, b: _Buffer, name: str, after: FloatArray) -> None:
        n = b.rows
        terminated, is_first, truncated = b.flags[:n].T.copy()
        after_rows = b.obs[:n].copy()
        for row, seen in b.finals.items():
            after_rows[row] = seen
        if b.open:
            after_rows[-1] = after
        final = after_rows[terminated | truncated | np.append(is_first[1:], True)]
        b.finals.clear()
        self._emit(
            Rollout(
                instance=name, policy=self._policy, policy_version=b.version, obs=b.obs[:n].copy(),
                actions_cont=b.axes[:n].copy(), actions_disc=b.choices[:n].copy(),
                rewards=b.numbers[:n, Number.REWARD].copy(),
                terminated=terminated, truncated=truncated, is_first=is_first,
                elapsed_s=b.numbers[:n, Number.ELAPSED_S].copy(), final_obs=final,
                log_probs=b.numbers[:n, Number.LOG_PROB].copy(),
                values=b.numbers[:n, Number.VALUE].copy() if self._valued else None, action_masks=b.allowed[:n].copy(),
                carry=b.carry.copy() if len(b.carry) else None,
                outcome_rewards=b.numbers[:n, Number.OUTCOME].copy(),
            )
        )  # fmt: skip
        b.rows = 0

    def status(self) -> dict[str, Any]:
        """Decisions written down."""
        return {"decisions": self.rows_total, "rollout_steps": self.steps}


def _shows_the_end(observation: Observation, before_s: float) -> bool:
    """True where the state is the ended episode's last one, not one of the next; before_s: game time seen before."""
    state = observation.state
    return state.run is not None and state.run.run_ended and state.game_time_s >= before_s


def flat(batch: encode.Encoded) -> FloatArray:
    """Row 0 of a batch as `models.policies.PilotPolicy` reads it."""
    parts = (batch.self_[0], batch.tokens[0].ravel(), batch.mask[0], batch.rings[0].ravel(), batch.cards[0].ravel())
    return np.concatenate(parts)
