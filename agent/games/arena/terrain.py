"""The ground: a height field of smooth hills inside a rising rim, and trees that stand in the way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena.chance import below, uniform
from agent.games.arena.state import CELL_M, GRID, MAX_TREES

HALF_M = (GRID - 1) * CELL_M / 2
EDGE_M = HALF_M - 4.0
_F = np.float32


@njit(cache=True)
def generate(s: Any, trees: int) -> None:
    """Fill heights and trees from the world's random numbers."""
    height = s.height
    phase = np.empty((6, 3), np.float32)
    for k in range(6):
        angle = uniform(s) * _F(2 * math.pi)
        wavelength_m = _F(90.0 / (1 + k))
        phase[k, 0] = _F(math.cos(angle)) / wavelength_m
        phase[k, 1] = _F(math.sin(angle)) / wavelength_m
        phase[k, 2] = uniform(s)
    for i in range(GRID):
        for j in range(GRID):
            x, z = j * CELL_M - HALF_M, i * CELL_M - HALF_M
            h = 0.0
            for k in range(6):
                turn = phase[k, 0] * x + phase[k, 1] * z + phase[k, 2]
                h += math.sin(2 * math.pi * turn) * 2.6 / (1 + k)
            centre = math.sqrt(x * x + z * z)
            h *= min(1.0, centre / 18.0)
            rim = max(0.0, max(abs(x), abs(z)) - (HALF_M - 10.0))
            height[i, j] = _F(h + rim * rim * 0.12)
    s.tree_cell[:, :] = -1
    s.trees = 0
    for _ in range(min(trees, MAX_TREES) * 3):
        if s.trees >= trees or s.trees >= MAX_TREES:
            break
        i, j = 4 + below(s, GRID - 8), 4 + below(s, GRID - 8)
        x, z = j * CELL_M - HALF_M, i * CELL_M - HALF_M
        if s.tree_cell[i, j] >= 0 or x * x + z * z < 150.0:
            continue
        t = s.trees
        s.tree_x[t], s.tree_z[t], s.tree_r[t] = _F(x), _F(z), _F(0.5) + uniform(s) * _F(0.45)
        s.tree_cell[i, j] = t
        s.trees = t + 1


@njit(cache=True)
def height_at(s: Any, x: Any, z: Any) -> Any:
    """Height of the ground, bilinear between the grid's corners; outside the map its edge goes on."""
    height = s.height
    u = min(max((_F(x) + _F(HALF_M)) * _F(1.0 / CELL_M), _F(0.0)), _F(GRID - 1.001))
    v = min(max((_F(z) + _F(HALF_M)) * _F(1.0 / CELL_M), _F(0.0)), _F(GRID - 1.001))
    j, i = np.uint32(u), np.uint32(v)
    fu, fv = u - _F(j), v - _F(i)
    top = height[i, j] + (height[i, j + 1] - height[i, j]) * fu
    low = height[i + 1, j] + (height[i + 1, j + 1] - height[i + 1, j]) * fu
    return top + (low - top) * fv


@njit(cache=True)
def tree_near(s: Any, x: Any, z: Any, reach_m: Any) -> int:
    """Index of a tree whose trunk is closer than its radius plus `reach_m`, −1 where there is none."""
    j = int((_F(x) + _F(HALF_M)) * _F(1.0 / CELL_M) + _F(0.5))
    i = int((_F(z) + _F(HALF_M)) * _F(1.0 / CELL_M) + _F(0.5))
    if i < 0 or j < 0 or i >= GRID or j >= GRID:
        return -1
    t = s.tree_cell[i, j]
    if t >= 0:
        dx, dz = x - s.tree_x[t], z - s.tree_z[t]
        reach = s.tree_r[t] + reach_m
        if dx * dx + dz * dz < reach * reach:
            return int(t)
    return -1
