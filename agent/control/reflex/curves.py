"""exp, the logistic function, SiLU and tanh of 32-bit floats, in arithmetic that compilers do for many at once.

A library's function is one call for each number. These stay within 1e-6 of the truth, relative; NaN stays NaN; where
exp leaves the normal numbers it stops at their ends. Owns no arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from agent.core.types import FloatArray

_F, _I = np.float32, np.int32
ROUND = _F(12582912.0)
"""1.5·2²³: added and taken away again it rounds to whole numbers; between, the lowest bits are that number."""
_MIN, _MAX = _F(-87.0), _F(88.0)
_LOG2_E, _LN2_HIGH, _LN2_LOW = _F(1.44269504), _F(0.693359375), _F(-2.12194440e-4)
_EXP = tuple(_F(c) for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5))
"""Cephes' expf, by falling powers."""
_TANH_END = _F(7.90531111)
_TANH_OVER = tuple(
    _F(c)
    for c in (
        -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
        1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
    )
)  # fmt: skip
_TANH_UNDER = tuple(
    _F(c) for c in (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
)
"""Eigen's rational approximation in x², by falling powers."""


@njit(cache=True, error_model="numpy", inline="always")
def _held(x: Any, low: Any, high: Any) -> Any:
    return high if x > high else (low if x < low else x)


@njit(cache=True, error_model="numpy")
def exp(x: Any) -> Any:
    """e to the x."""
    x = _held(x, _MIN, _MAX)
    shifted = x * _LOG2_E + ROUND
    whole = shifted - ROUND
    rest = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    a, b, c, d, e, f = _EXP
    series = ((((a * rest + b) * rest + c) * rest + d) * rest + e) * rest + f
    power = np.int32((np.float32(shifted).view(np.int32) + 127) << 23).view(np.float32)
    return (series * rest * rest + rest + _F(1.0)) * power


@njit(cache=True, error_model="numpy")
def logistic(x: Any) -> Any:
    """1 / (1 + e to the -x)."""
    return _F(1.0) / (_F(1.0) + exp(-x))


@njit(cache=True, error_model="numpy")
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    x = _held(x, -_TANH_END, _TANH_END)
    s = x * x
    a, b, c, d, e, f, g = _TANH_OVER
    over = (((((a * s + b) * s + c) * s + d) * s + e) * s + f) * s + g
    h, i, j, k = _TANH_UNDER
    return x * over / (((h * s + i) * s + j) * s + k)


@njit(cache=True, error_model="numpy")
def silu(x: FloatArray) -> None:
    """x · logistic(x), in place."""
    for i in range(x.shape[0]):
        x[i] = x[i] * logistic(x[i])
