"""Each world's own random numbers: SplitMix64 (Steele, Lea, Flood 2014), its counter held in the state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S40 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(40)
_UNIT = np.float32(1.0 / (1 << 24))


@njit(cache=True)
def uniform(s: Any) -> Any:
    """A float32 in [0, 1) with 24 random bits."""
    z = s.rng + _GAMMA
    s.rng = z
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    z = z ^ (z >> _S31)
    return np.float32(z >> _S40) * _UNIT


@njit(cache=True)
def below(s: Any, n: int) -> int:
    """An integer in [0, n)."""
    return min(n - 1, int(uniform(s) * np.float32(n)))
