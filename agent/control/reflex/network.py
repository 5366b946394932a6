"""The pilot's network on a processor, compiled: what `models.actor_critic.Pilot` computes, one game at a time.

A step of batch one spends most of a tensor library's time between its operations; here it is one call, and a game's
result does not depend on which others share its batch. Needs no torch. Owns no sampling and no state.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.experimental import structref
from numpy.typing import NDArray

from agent.control.reflex import vnni
from agent.control.reflex.curves import logistic, silu, tanh
from agent.control.reflex.linears import FEWEST_INPUTS, Dense, Dense8, Linear, add_product, apply, expand, pack
from agent.core.types import ByteArray, FloatArray

Tensors = dict[str, NDArray[Any]]
AXES, BUTTONS = 4, 3
_F = np.float32
_NEVER = _F(-1e9)


class Norm(NamedTuple):
    """Layer normalisation's scale and shift."""

    scale: FloatArray
    shift: FloatArray


class Layers(NamedTuple):
    """All parameters; the running normaliser as factor and offset; convolutions as [k, k, in, out].

    ticks: of the game from one decision to the next.
    """

    factor: FloatArray
    offset: FloatArray
    flat: Linear
    flat_norm: Norm
    token_a: Linear
    token_b: Linear
    join: Linear
    join_norm: Norm
    backbone: Linear
    gates: Linear
    trunk: Linear
    trunk_norm: Norm
    heads: Dense
    card_a: Linear
    card_b: Dense
    conv_a: Dense
    conv_b: Dense
    conv_c: Dense
    picture: Dense
    picture_norm: Norm
    ticks: float


class Reflex(Layers):
    """The parameters, and the one thing that is passed to compiled code in place of their forty arrays."""

    @cached_property
    def held(self) -> Layers:
        """The same arrays, as compiled code keeps them: a `Held`, for which compiled code is typed as Layers."""
        held: Layers = _hold(Layers(*self))
        return held


class Held(structref.StructRefProxy):
    """Layers in compiled code: a reference, with the same names."""


@structref.register
class _HeldType(types.StructRef):
    def preprocess_fields(self, fields: Any) -> Any:
        """Types as they are found, but for constants."""
        return tuple((name, types.unliteral(kind)) for name, kind in fields)


structref.define_constructor(Held, _HeldType, list(Layers._fields))
structref.define_boxing(_HeldType, Held)


@njit(cache=True)
def _hold(p: Layers) -> Any:
    return Held(  # type: ignore[no-untyped-call]
        p.factor, p.offset, p.flat, p.flat_norm, p.token_a, p.token_b, p.join, p.join_norm, p.backbone, p.gates,
        p.trunk, p.trunk_norm, p.heads, p.card_a, p.card_b, p.conv_a, p.conv_b, p.conv_c, p.picture, p.picture_norm,
        p.ticks,
    )  # fmt: skip


class Decision(NamedTuple):
    """What one step gives: axes' means before tanh, logits of buttons and cards, the value, the next hidden state.

    seen: the encoder's output; empty where a card computed the step.
    """

    axes: FloatArray
    buttons: FloatArray
    cards: FloatArray
    value: float
    hidden: FloatArray
    seen: FloatArray


def build_reflex(tensors: Tensors, *, packed: bool | None = None) -> Reflex:
    """Parameters of a pilot by their names in its state, rearranged for `decide`.

    packed: rows of bytes for vpdpbusd; where that is not said, on processors that have it.
    """
    packed = vnni.lanes() > 0 if packed is None else packed

    def dense(*names: str) -> Dense:
        weight = np.concatenate([tensors[f"{n}.weight"] for n in names])
        bias = np.concatenate([tensors[f"{n}.bias"] for n in names])
        return Dense(np.ascontiguousarray(weight.T, _F), np.ascontiguousarray(bias, _F))

    def inner(*names: str) -> Linear:
        if any(tensors[f"{n}.weight"].dtype != np.int8 for n in names):
            return dense(*names)
        parts = [np.concatenate([tensors[f"{n}.{key}"] for n in names]) for key in ("weight", "weight_scale", "bias")]
        weight, scale, bias = (np.ascontiguousarray(part) for part in parts)
        if scale.shape != bias.shape or weight.shape[0] != len(bias):
            raise ValueError(f"{names[0]}: {weight.shape} whole numbers with {scale.shape} scales")
        layer = Dense8(weight, np.asarray(scale, _F), np.asarray(bias, _F))
        if weight.shape[1] < FEWEST_INPUTS:
            return expand(layer)
        return pack(layer) if packed else layer

    def convolution(name: str) -> Dense:
        weight = tensors[f"{name}.weight"].transpose(2, 3, 1, 0)
        return Dense(
            np.ascontiguousarray(weight, _F).reshape(-1, weight.shape[3]),
            np.ascontiguousarray(tensors[f"{name}.bias"], _F),
        )

    def norm(name: str) -> Norm:
        return Norm(
            np.ascontiguousarray(tensors[f"{name}.weight"], _F), np.ascontiguousarray(tensors[f"{name}.bias"], _F)
        )

    factor = (1.0 / np.sqrt(tensors["encoder.norm.var"] + 1e-4)).astype(_F)
    return Reflex(
        factor, (-tensors["encoder.norm.mean"] * factor).astype(_F),
        inner("encoder.flat.0"), norm("encoder.flat.1"), inner("encoder.token.0"), inner("encoder.token.2"),
        inner("encoder.join.0"), norm("encoder.join.1"), inner("memory.backbone.0"),
        inner("memory.ff1", "memory.ff2", "memory.time_a", "memory.time_b"), inner("trunk.0"), norm("trunk.1"),
        dense("axes", "buttons", "value"), inner("card.0"), dense("card.2"), convolution("encoder.picture.net.0"),
        convolution("encoder.picture.net.2"), convolution("encoder.picture.net.4"),
        _by_place(dense("encoder.picture.net.7"), tensors["encoder.picture.net.4.weight"].shape[0]),
        norm("encoder.picture.net.8"), float(tensors["decision_ticks"]),
    )  # fmt: skip


def _by_place(layer: Dense, channels: int) -> Dense:
    """Rows from [channel, place] to [place, channel], as the convolutions here leave them."""
    places = layer.w.shape[0] // channels
    w = layer.w.reshape(channels, places, -1).transpose(1, 0, 2)
    return Dense(np.ascontiguousarray(w).reshape(layer.w.shape), layer.b)


@njit(cache=True, error_model="numpy")
def normalise(norm: Norm, x: FloatArray) -> None:
    """Layer normalisation, in place."""
    n = x.shape[0]
    mean = _F(0.0)
    for i in range(n):
        mean += x[i]
    mean /= _F(n)
    var = _F(0.0)
    for i in range(n):
        var += (x[i] - mean) * (x[i] - mean)
    inverse = _F(1.0) / np.sqrt(var / _F(n) + _F(1e-5))
    for i in range(n):
        x[i] = (x[i] - mean) * inverse * norm.scale[i] + norm.shift[i]


@njit(cache=True, error_model="numpy")
def _pool(r: Layers, tokens: FloatArray, mask: FloatArray) -> FloatArray:
    """Highest and mean of the embeddings of the tokens that are there, [2·T]."""
    width = r.token_b.b.shape[0]
    pooled = np.zeros(2 * width, np.float32)
    pooled[:width] = _F(-20.0)
    count = _F(0.0)
    for k in range(tokens.shape[0]):
        if mask[k] == 0:
            continue
        count += _F(1.0)
        hidden = apply(r.token_a, tokens[k])
        silu(hidden)
        hidden = apply(r.token_b, hidden)
        for j in range(width):
            pooled[j] = max(pooled[j], hidden[j])
            pooled[width + j] += hidden[j]
    for j in range(width):
        pooled[width + j] /= max(count, _F(1.0))
    return pooled


def decide(
    r: Reflex,
    self_: FloatArray,
    tokens: FloatArray,
    mask: FloatArray,
    rings: FloatArray,
    cards: FloatArray,
    picture: FloatArray,
    hidden: FloatArray,
    ticks: float,
) -> Decision:
    """One step of one game: self [S], tokens [N, F], mask [N], rings [R], cards [C, K], picture [P], hidden [U]."""
    decision: Decision = decide_held(r.held, self_, tokens, mask, rings, cards, picture, hidden, ticks)
    return decision


def look(r: Reflex, picture: ByteArray) -> FloatArray:
    """The embedding [P] of a picture, u8 [64, 64, 3]."""
    embedding: FloatArray = _look(r.held, picture)
    return embedding


@njit(cache=True, error_model="numpy")
def decide_held(
    r: Layers,
    self_: FloatArray,
    tokens: FloatArray,
    mask: FloatArray,
    rings: FloatArray,
    cards: FloatArray,
    picture: FloatArray,
    hidden: FloatArray,
    ticks: float,
) -> Decision:
    """`decide` for callers in compiled code, which hold `Reflex.held`."""
    flat = np.concatenate((self_, rings))
    for i in range(flat.shape[0]):
        flat[i] = min(max(flat[i] * r.factor[i] + r.offset[i], _F(-8.0)), _F(8.0))
    flat = apply(r.flat, flat)
    normalise(r.flat_norm, flat)
    silu(flat)
    seen = apply(r.join, np.concatenate((flat, _pool(r, tokens, mask), picture)))
    normalise(r.join_norm, seen)
    silu(seen)
    b = apply(r.backbone, np.concatenate((seen, hidden)))
    for i in range(b.shape[0]):
        b[i] = _F(1.7159) * tanh(_F(0.666) * b[i])
    gates = apply(r.gates, b)
    units = hidden.shape[0]
    after = np.empty(units, np.float32)
    for i in range(units):
        share = logistic(gates[2 * units + i] * _F(ticks) + gates[3 * units + i])
        after[i] = tanh(gates[i]) * (_F(1.0) - share) + tanh(gates[units + i]) * share
    trunk = apply(r.trunk, np.concatenate((seen, after)))
    normalise(r.trunk_norm, trunk)
    silu(trunk)
    heads = apply(r.heads, trunk)
    logits = np.full(cards.shape[0], _NEVER)
    for k in range(cards.shape[0]):
        if np.any(cards[k] != 0):
            card = apply(r.card_a, np.concatenate((trunk, cards[k])))
            silu(card)
            logits[k] = apply(r.card_b, card)[0]
    return Decision(heads[:AXES], heads[AXES : AXES + BUTTONS], logits, heads[AXES + BUTTONS], after, seen)


@njit(cache=True, error_model="numpy")
def _convolve(layer: Dense, x: FloatArray, size: int, stride: int) -> FloatArray:
    """A square convolution without padding, then SiLU; x [h, w, in] → [h', w', out]."""
    channels, out = x.shape[2], layer.b.shape[0]
    high, wide = (x.shape[0] - size) // stride + 1, (x.shape[1] - size) // stride + 1
    y = np.empty((high, wide, out), np.float32)
    rows, many = x.reshape(x.shape[0], -1), size * channels
    for i in range(high):
        for j in range(wide):
            cell = y[i, j]
            cell[:] = layer.b
            start = j * stride * channels
            for a in range(size):
                window = rows[i * stride + a, start : start + many]
                add_product(cell, window, layer.w[a * many : (a + 1) * many])
            silu(cell)
    return y


@njit(cache=True, error_model="numpy")
def _look(r: Layers, picture: ByteArray) -> FloatArray:
    x = picture.astype(np.float32) * _F(1.0 / 255.0) - _F(0.5)
    x = _convolve(r.conv_a, x, 8, 4)
    x = _convolve(r.conv_b, x, 4, 2)
    x = _convolve(r.conv_c, x, 3, 1)
    y = apply(r.picture, x.reshape(-1))
    normalise(r.picture_norm, y)
    silu(y)
    return y


def squashed(axes: FloatArray) -> tuple[float, float, float, float]:
    """tanh of the four axes."""
    a, b, c, d = (math.tanh(float(v)) for v in axes)
    return a, b, c, d
