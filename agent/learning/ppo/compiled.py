"""What PPO does with numbers beside the network, compiled by numba: advantages, and the loss with its gradients.

The loss of discrete actions has closed gradients by the logits and the value, so torch differentiates the network
alone; on small networks the rest is most of an update's time. Equal to `update.PPO` without it up to rounding. It is
handed in, since the learner's process in play starts without the compiler.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from agent.learning.configs import PPOConfig
from agent.learning.ppo.update import Behaviour, Compiled
from agent.models.heads import Heads

F32 = NDArray[np.float32]


@njit(cache=True)
def _advantages(  # type: ignore[no-untyped-def]
    rewards, values, next_values, terminated, cut, gamma, lam, result
):
    """One game's advantages, in place; all [T]."""
    running = 0.0
    last = len(rewards) - 1
    for t in range(last, -1, -1):
        after = 0.0 if terminated[t] else next_values[t]
        delta = rewards[t] + gamma * after - values[t]
        keeps = t < last and not cut[t]
        running = delta + gamma * lam * running if keeps else delta
        result[t] = running


@njit(cache=True)
def _normaliser(advantages, weight, total):  # type: ignore[no-untyped-def]
    """The weighted mean, and 1 by the standard deviation."""
    mean = spread = 0.0
    for i in range(len(advantages)):
        mean += advantages[i] * weight[i]
    mean /= total
    for i in range(len(advantages)):
        spread += (advantages[i] - mean) ** 2 * weight[i]
    return mean, 1.0 / (math.sqrt(spread / total) + 1e-8)


@njit(cache=True)
def _chances(logits, start, end, logs, chances):  # type: ignore[no-untyped-def]
    """Of one branch, logarithms and chances in place; its entropy."""
    largest = logits[start:end].max()
    total = 0.0
    for k in range(start, end):
        total += math.exp(logits[k] - largest)
    log_total, entropy = largest + math.log(total), 0.0
    for k in range(start, end):
        logs[k] = logits[k] - log_total
        chances[k] = math.exp(logs[k])
        entropy -= chances[k] * logs[k]
    return entropy


@njit(cache=True)
def _policy(said, before, advantage, clip):  # type: ignore[no-untyped-def]
    """Of one step: loss, its slope by the log-probability, KL, and whether the ratio was clipped."""
    raw = said - before
    log_ratio = min(max(raw, -20.0), 20.0)
    ratio = math.exp(log_ratio)
    plain, clipped = -advantage * ratio, -advantage * min(max(ratio, 1.0 - clip), 1.0 + clip)
    slope = plain if plain >= clipped and raw == log_ratio else 0.0
    return max(plain, clipped), slope, ratio - 1.0 - log_ratio, abs(ratio - 1.0) > clip


@njit(cache=True)
def _value(value, before, wanted, clip, mode):  # type: ignore[no-untyped-def]
    """Of one step: the squared error and its slope. mode: 0 plain, 1 clipped, 2 the larger of both."""
    off = value - wanted
    error, slope = off * off, 2.0 * off
    if mode > 0:
        step = value - before
        near = before + min(max(step, -clip), clip) - wanted
        if mode == 1 or near * near > error:
            error, slope = near * near, 2.0 * near if abs(step) <= clip else 0.0
    return error, slope


@njit(cache=True)
def _losses(  # type: ignore[no-untyped-def]
    logits, ends, value, choices, log_probs, values, advantages, returns, weight, clip, value_mode, value_weight,
    entropy_weight, d_logits, d_value,
):  # fmt: skip
    """Losses of R steps, and their gradients by logits [R, M] and value [R], in place.

    ends: the last column of each branch and one. value_mode: see `_value`.
    """
    total = max(1.0, weight.sum())
    mean, scale = _normaliser(advantages, weight, total)
    figures = np.zeros(5)
    chances, logs = np.empty(logits.shape[1]), np.empty(logits.shape[1])
    for i in range(len(logits)):
        w, said, start = weight[i] / total, 0.0, 0
        for b in range(len(ends)):
            entropy = _chances(logits[i], start, ends[b], logs, chances)
            for k in range(start, ends[b]):
                d_logits[i, k] = w * entropy_weight * chances[k] * (logs[k] + entropy)
            figures[2] += w * entropy
            said += logs[start + choices[i, b]]
            start = ends[b]
        loss, slope, kl, is_clipped = _policy(said, log_probs[i], (advantages[i] - mean) * scale, clip)
        start = 0
        for b in range(len(ends)):
            for k in range(start, ends[b]):
                d_logits[i, k] -= w * slope * chances[k]
            d_logits[i, start + choices[i, b]] += w * slope
            start = ends[b]
        error, by_value = _value(value[i], values[i], returns[i], clip, value_mode)
        d_value[i] = value_weight * 0.5 * w * by_value
        figures += w * np.array([loss, 0.5 * error, 0.0, kl, 1.0 if is_clipped else 0.0])
    return figures


@njit(cache=True)
def _draw(logits, ends, uniform, choices, said):  # type: ignore[no-untyped-def]
    """A choice of each branch for each row, by inverse transform sampling, and their log-probabilities, in place."""
    chances, logs = np.empty(logits.shape[1]), np.empty(logits.shape[1])
    for i in range(len(logits)):
        start, total = 0, 0.0
        for b in range(len(ends)):
            _chances(logits[i], start, ends[b], logs, chances)
            left, picked = uniform[i, b], start
            for k in range(start, ends[b]):
                if chances[k] > 0.0:
                    picked = k
                    left -= chances[k]
                    if left < 0.0:
                        break
            choices[i, b] = picked - start
            total += logs[picked]
            start = ends[b]
        said[i] = total


def _written_out(heads: Heads) -> tuple[F32, NDArray[np.int64]]:
    """Logits of all branches side by side [R, M], and the last column of each and one."""
    branches = [logits.shape[-1] for logits in heads.logits]
    rows = [logits.detach().numpy().reshape(-1, n) for logits, n in zip(heads.logits, branches, strict=True)]
    return np.ascontiguousarray(rows[0]) if len(rows) == 1 else np.concatenate(rows, 1), np.cumsum(branches)


class ByNumba(Compiled):
    """The compiled functions, as `PPO`, `PPOLearner` and `PolicyActor` take them."""

    def sample(self, heads: Heads) -> tuple[NDArray[np.int64], F32]:
        """Choices [R, B] drawn from torch's generator, and their log-probabilities [R]; of heads that `can` names."""
        logits, ends = _written_out(heads)
        choices, said = np.empty((len(logits), len(ends)), np.int64), np.empty(len(logits), np.float32)
        _draw(logits, ends, torch.rand(choices.shape, dtype=torch.float64).numpy(), choices, said)
        return choices, said

    def advantages(
        self, rewards: F32, values: F32, next_values: F32, terminated: NDArray[np.bool_], cut: NDArray[np.bool_],
        config: PPOConfig,
    ) -> F32:  # fmt: skip
        """As `returns.advantages`, of one game: all [T]."""
        result = np.empty_like(rewards)
        _advantages(rewards, values, next_values, terminated, cut, config.gamma, config.lam, result)
        return result

    def can(self, heads: Heads) -> bool:
        """True for actions that are choices alone."""
        return heads.mean.shape[-1] == 0 and bool(heads.logits) and heads.playing is None

    def losses(
        self, heads: Heads, behaviour: Behaviour, config: PPOConfig
    ) -> tuple[list[float], list[Tensor], list[Tensor]]:
        """Policy loss, value loss, entropy, KL, share of clipped ratios; what to differentiate, by which gradients."""
        logits, ends = _written_out(heads)
        value = np.ascontiguousarray(heads.value.detach().numpy()).reshape(-1)
        d_logits, d_value = np.empty_like(logits), np.empty_like(value)
        mode = 0 if not config.clip_value else 2 if config.larger_value else 1
        figures = _losses(
            logits, ends, value, *behaviour, config.clip, mode, config.value_weight, config.entropy_weight, d_logits,
            d_value,
        )  # fmt: skip
        slopes = [d_logits] if len(ends) == 1 else np.split(d_logits, ends[:-1], 1)
        shaped = [
            torch.from_numpy(slope).reshape(logit.shape) for slope, logit in zip(slopes, heads.logits, strict=True)
        ]
        by_value = torch.from_numpy(d_value).view(heads.value.shape)
        return (
            figures.tolist(),
            [*heads.logits, heads.value],
            [*shaped, by_value],
        )


COMPILED: Final = ByNumba()
