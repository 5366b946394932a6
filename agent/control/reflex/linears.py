"""A linear layer of one row of activations, compiled, in the three forms that its weights are kept in.

`apply` is the layer of x in compiled code, whatever its form. Both forms of whole numbers give the same result to the
bit. Needs no torch. Owns no choice between the forms.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload
from numpy.typing import NDArray

from agent.control.reflex import vnni
from agent.control.reflex.curves import ROUND
from agent.core.types import FloatArray

_F = np.float32
_HALF = 32768
"""What makes whole numbers of 16 bits positive."""
FEWEST_INPUTS = 64
"""A layer of fewer inputs is expanded: rounding its activations costs more than whole numbers save."""


class Dense(NamedTuple):
    """y = x·w + b; w [in, out]."""

    w: FloatArray
    b: FloatArray


class Dense8(NamedTuple):
    """y = scale·(w·q) + b: rows of whole numbers w i8 [out, in] with a scale each; q is x in 16 bits."""

    w: NDArray[np.int8]
    scale: FloatArray
    b: FloatArray


class Packed8(NamedTuple):
    """The same as Dense8 with w as `vnni.pack` leaves it; excess i32 [out] is what a q that is made positive adds."""

    w: NDArray[np.int8]
    scale: FloatArray
    b: FloatArray
    excess: NDArray[np.int32]
    inputs: int


Linear = Dense | Dense8 | Packed8


def expand(layer: Dense8) -> Dense:
    """The same weights in full precision."""
    return Dense(np.ascontiguousarray((layer.w * layer.scale[:, None]).T, _F), layer.b)


def pack(layer: Dense8) -> Packed8:
    """For processors where `vnni.lanes` is not 0."""
    sums = layer.w.astype(np.int64).sum(1) * _HALF
    return Packed8(vnni.pack(layer.w), layer.scale, layer.b, sums.astype(np.int32), layer.w.shape[1])


def shape_of(layer: Linear) -> tuple[int, int]:
    """Inputs and outputs."""
    if isinstance(layer, Packed8):
        return layer.inputs, len(layer.b)
    rows, columns = layer.w.shape
    return (columns, rows) if isinstance(layer, Dense8) else (rows, columns)


def apply(layer: Linear, x: FloatArray) -> FloatArray:
    """The layer of x; exists in compiled code alone, where `_apply_by_kind` picks what is meant."""
    raise TypeError("called outside compiled code")


@overload(apply)
def _apply_by_kind(layer: Any, x: Any) -> Any:
    return {Dense: _product, Dense8: _product_of_rows, Packed8: _product_of_tiles}[layer.instance_class]


@njit(cache=True, error_model="numpy", inline="always")
def add_product(y: FloatArray, x: FloatArray, w: FloatArray) -> None:
    """y += x·w, four inputs at a time, so that y is read and written a quarter as often."""
    n = w.shape[0]
    fours = n - n % 4
    for i in range(0, fours, 4):
        a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(w.shape[1]):
            y[j] += a * w[i, j] + b * w[i + 1, j] + c * w[i + 2, j] + d * w[i + 3, j]
    for i in range(fours, n):
        for j in range(w.shape[1]):
            y[j] += x[i] * w[i, j]


def _product(layer: Any, x: Any) -> Any:
    """`add_product` written out, where four zeros cost nothing: the compiler must see that y is new.

    Otherwise each turn asks whether y and w overlap, which for short rows takes as long as the products.
    """
    w = layer.w
    y = layer.b.copy()
    n = w.shape[0]
    fours = n - n % 4
    for i in range(0, fours, 4):
        a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
        if a != 0 or b != 0 or c != 0 or d != 0:
            for j in range(w.shape[1]):
                y[j] += a * w[i, j] + b * w[i + 1, j] + c * w[i + 2, j] + d * w[i + 3, j]
    for i in range(fours, n):
        for j in range(w.shape[1]):
            y[j] += x[i] * w[i, j]
    return y


@njit(cache=True, error_model="numpy")
def _largest(x: FloatArray) -> np.float32:
    """The highest magnitude, by the bits, whose order is that of the numbers."""
    bits = x.view(np.int32)
    largest = np.int32(0)
    for i in range(x.shape[0]):
        largest = max(largest, np.int32(bits[i] & np.int32(0x7FFFFFFF)))
    return np.int32(largest).view(np.float32)


@njit(cache=True, error_model="numpy")
def _steps(inputs: int) -> np.float32:
    """Steps from 0 to the highest magnitude: what sums in 32 bits leave room for, at most those of 16 bits."""
    return _F(min(32767, (2**31 - 1) // (127 * inputs)))


def _product_of_rows(layer: Any, x: Any) -> Any:
    w = layer.w
    n = w.shape[1]
    maximum, steps = _largest(x), _steps(n)
    if maximum == 0:
        return layer.b.copy()
    q = np.empty(n, np.int16)
    for i in range(n):
        q[i] = np.int16((x[i] * (steps / maximum) + ROUND) - ROUND)
    y = np.empty(w.shape[0], np.float32)
    for j in range(w.shape[0]):
        row = w[j]
        total = np.int32(0)
        for i in range(n):
            total = np.int32(total + np.int32(np.int32(row[i]) * np.int32(q[i])))
        y[j] = _F(total) * (layer.scale[j] * (maximum / steps)) + layer.b[j]
    return y


def _product_of_tiles(layer: Any, x: Any) -> Any:
    w = layer.w
    maximum, steps = _largest(x), _steps(layer.inputs)
    if maximum == 0:
        return layer.b.copy()
    room = w.shape[1] * vnni.QUAD
    high, low = np.empty(room, np.uint8), np.empty(room, np.uint8)
    for i in range(layer.inputs):
        q = np.int32((x[i] * (steps / maximum) + ROUND) - ROUND) + _HALF
        high[i], low[i] = np.uint8(q >> 8), np.uint8(q & 255)
    totals = np.empty(w.shape[0] * vnni.TILE, np.int32)
    for tile in range(w.shape[0]):
        vnni.sum_tile(w, tile, high, low, totals)
    y = np.empty(layer.b.shape[0], np.float32)
    for j in range(y.shape[0]):
        total = np.int32(totals[j] - layer.excess[j])
        y[j] = _F(total) * (layer.scale[j] * (maximum / steps)) + layer.b[j]
    return y
