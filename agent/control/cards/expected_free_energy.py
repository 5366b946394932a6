"""What follows a card, and its expected free energy, without torch: `models.outcome_model` and `learning.free_energy`.

A choice of three cards in one situation. Needs no torch, so that play does not wait for it. Owns no memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from agent.core.choices import Preferences
from agent.core.errors import WeightsError
from agent.core.rollout import BoolArray
from agent.core.types import FloatArray

Tensors = dict[str, Any]
_TINY = np.float32(1e-12)


class Outcomes(NamedTuple):
    """Parameters of an outcome model: a GRU cell, an ensemble of two layers, and the chance of the end."""

    memory_in: FloatArray
    memory_hidden: FloatArray
    memory_in_bias: FloatArray
    memory_hidden_bias: FloatArray
    first: FloatArray
    first_bias: FloatArray
    second: FloatArray
    second_bias: FloatArray
    ends_first: FloatArray
    ends_first_bias: FloatArray
    ends_second: FloatArray
    ends_second_bias: FloatArray

    @property
    def hidden(self) -> int:
        """Numbers of a belief."""
        return len(self.memory_hidden)

    @property
    def outcomes(self) -> int:
        """How many there are."""
        return int(self.second.shape[2])


_NAMES = (
    "memory.weight_ih", "memory.weight_hh", "memory.bias_ih", "memory.bias_hh", "outcome.first", "outcome.first_bias",
    "outcome.second", "outcome.second_bias", "ends.0.weight", "ends.0.bias", "ends.2.weight", "ends.2.bias",
)  # fmt: skip
_TURNED = ("memory.weight_ih", "memory.weight_hh", "ends.0.weight", "ends.2.weight")


class CardEvaluation(NamedTuple):
    """[K] each, as `learning.free_energy.FreeEnergy`; energy is G, +inf where the option is not allowed."""

    energy: FloatArray
    utility: FloatArray
    gain: FloatArray
    novelty: FloatArray
    risk: FloatArray
    ambiguity: FloatArray


def build_outcomes(tensors: Tensors, where: str, *, option: int, context: int, outcomes: int) -> Outcomes:
    """The model of these tensors, tried on a canned choice; raises WeightsError where they do not fit."""
    missing = [name for name in _NAMES if name not in tensors]
    if missing:
        raise WeightsError(f"{where}: not a model of outcomes: tensor {missing[0]} is missing")
    parts = [np.asarray(tensors[n], np.float32) for n in _NAMES]
    m = Outcomes(*(np.ascontiguousarray(t.T if n in _TURNED else t) for n, t in zip(_NAMES, parts, strict=True)))
    members, seen, units = m.first.shape if m.first.ndim == 3 else (0, 0, 0)
    hidden = seen - option - context
    wanted = (
        (option + outcomes + context, 3 * hidden), (hidden, 3 * hidden), (3 * hidden,), (3 * hidden,),
        (members, seen, units), (members, 1, units), (members, units, outcomes), (members, 1, outcomes),
        (seen, m.ends_first.shape[-1]), (m.ends_first.shape[-1],), (m.ends_first.shape[-1], outcomes), (outcomes,),
    )  # fmt: skip
    for name, tensor, shape in zip(_NAMES, m, wanted, strict=True):
        if tensor.shape != shape or hidden < 1:
            raise WeightsError(f"{where}: {name} is {list(tensor.shape)}, {list(shape)} is needed")
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{where}: {name} has values that are not finite")
    rng = np.random.default_rng(0)
    options = rng.normal(0, 1, (3, option)).astype(np.float32)
    belief = step(m, np.zeros(hidden, np.float32), options[0], 0, np.ones(context, np.float32))
    liking = tuple(float(k) for k in range(outcomes))
    plan = free_energy(m, belief, options, np.ones(3, np.bool_), np.zeros(context, np.float32), Preferences(liking))
    if not all(np.isfinite(part).all() for part in plan):
        raise WeightsError(f"{where}: a canned choice gives values that are not finite")
    return m


def _sigmoid(x: FloatArray) -> FloatArray:
    out: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * x))
    return out


def _silu(x: FloatArray) -> FloatArray:
    out: FloatArray = x * _sigmoid(x)
    return out


def _entropy(p: FloatArray) -> FloatArray:
    out: FloatArray = -(p * np.log(np.maximum(p, _TINY))).sum(-1)
    return out


def _steps(m: Outcomes, belief: FloatArray, seen: FloatArray) -> FloatArray:
    """The GRU cell: beliefs [N, H] after `seen` [N, A + O + C]."""
    a = seen @ m.memory_in + m.memory_in_bias
    b = belief @ m.memory_hidden + m.memory_hidden_bias
    h = m.hidden
    reset, keep = _sigmoid(a[:, :h] + b[:, :h]), _sigmoid(a[:, h : 2 * h] + b[:, h : 2 * h])
    new: FloatArray = np.tanh(a[:, 2 * h :] + reset * b[:, 2 * h :])
    after: FloatArray = (1.0 - keep) * new + keep * belief
    return after


def step(m: Outcomes, belief: FloatArray, option: FloatArray, outcome: int, context: FloatArray) -> FloatArray:
    """The belief [H] after an option was taken and an outcome seen."""
    seen = np.concatenate([option, np.eye(m.outcomes, dtype=np.float32)[outcome], context])
    after: FloatArray = _steps(m, belief[None], seen[None])[0]
    return after


def _layer(w: FloatArray, b: FloatArray, belief: FloatArray, options: FloatArray, context: FloatArray) -> FloatArray:
    """silu(x·w + b) for every belief [N, H] joined to every option [K, A] in one situation [C]: [N, K, units]."""
    h, a = belief.shape[1], options.shape[1]
    rest = options @ w[h : h + a] + (context @ w[h + a :] + b)
    out: FloatArray = _silu((belief @ w[:h])[:, None] + rest[None])
    return out


def predict(m: Outcomes, belief: FloatArray, options: FloatArray, context: FloatArray) -> FloatArray:
    """Probabilities of the outcomes by each member after every belief and option, [E, N, K, O]."""
    members, seen, units = m.first.shape
    first = m.first.transpose(1, 0, 2).reshape(seen, members * units)
    hidden = _layer(first, m.first_bias.ravel(), belief, options, context)
    rows = hidden.reshape(-1, members, units).transpose(1, 0, 2)
    logits = rows @ m.second + m.second_bias
    logits -= logits.max(-1, keepdims=True)
    np.exp(logits, out=logits)
    p: FloatArray = logits / logits.sum(-1, keepdims=True)
    return p.reshape(members, len(belief), len(options), -1)


def free_energy(
    m: Outcomes, belief: FloatArray, options: FloatArray, allowed: BoolArray, context: FloatArray, wanted: Preferences,
    shuffle: np.random.Generator | None = None,
) -> CardEvaluation:  # fmt: skip
    """G of every option [K, A], by plans of two choices. shuffle: as a control, the gains change places."""
    many, outcomes = len(options), m.outcomes
    liking = np.array(wanted.liking, np.float32)
    members = predict(m, belief[None], options, context)[:, 0]
    p = members.mean(0)
    ends = _layer(m.ends_first, m.ends_first_bias, belief[None], options, context)[0]
    alive = 1.0 - _sigmoid(ends @ m.ends_second + m.ends_second_bias)
    taken = np.repeat(options, outcomes, 0)
    told = np.tile(np.eye(outcomes, dtype=np.float32), (many, 1))
    after = _steps(
        m,
        np.broadcast_to(belief, (many * outcomes, len(belief))),
        np.concatenate([taken, told, np.broadcast_to(context, (many * outcomes, len(context)))], 1),
    )
    q = predict(m, after, options, context).mean(0).reshape(many, outcomes, many, outcomes)
    worth, gain = _plans(p, alive, q, liking, wanted, allowed)
    if shuffle is not None:
        here = np.flatnonzero(allowed)
        gain[here] = gain[shuffle.permutation(here)]
    ambiguity = _entropy(members).mean(0)
    novelty = np.maximum(_entropy(p) - ambiguity, 0.0)
    utility = p @ liking
    first = wanted.weight / wanted.tau * utility + wanted.novelty_weight * novelty + wanted.entropy_weight * _entropy(p)
    total = np.where(allowed, first[:, None] + worth + wanted.gain_weight * gain, -np.inf)
    best = total.argmax(1)
    scaled = liking / wanted.tau
    log_wanted = scaled - scaled.max() - np.log(np.exp(scaled - scaled.max()).sum())
    risk = (p * (np.log(np.maximum(p, _TINY)) - log_wanted)).sum(-1)
    rows = np.arange(many)
    energy = np.where(allowed, -total[rows, best], np.inf).astype(np.float32)
    return CardEvaluation(energy, utility, gain[rows, best], novelty, risk, ambiguity)


def _plans(
    p: FloatArray, alive: FloatArray, q: FloatArray, liking: FloatArray, wanted: Preferences, allowed: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Worth of each second choice after each first one, and the gain, [K, K]."""
    later = wanted.weight / wanted.tau * (q @ liking) + wanted.entropy_weight * _entropy(q)
    if wanted.closed_loop:
        later = np.broadcast_to(np.where(allowed, later, -np.inf).max(-1, keepdims=True), later.shape)
    worth = np.einsum("ko,koj->kj", p * alive, later)
    kinds = np.unique(liking, return_inverse=True)[1]
    classes = np.eye(int(kinds.max()) + 1, dtype=np.float32)[kinds]
    going = alive[:, :, None, None]
    liked = np.concatenate([(q @ classes) * going, np.broadcast_to(1.0 - going, (*q.shape[:3], 1))], -1)
    mean = np.einsum("ko,kojv->kjv", p, liked)[:, None]
    told = (liked * (np.log(np.maximum(liked, _TINY)) - np.log(np.maximum(mean, _TINY)))).sum(-1)
    return worth, np.maximum(np.einsum("ko,koj->kj", p, told), 0.0)
