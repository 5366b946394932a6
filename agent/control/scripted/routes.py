"""The cheapest way to a place through what is dangerous: A* on a grid around the player, compiled.

Cells are squares of `CELL_M`; the player stands in the middle one. A cell costs its length and the danger in it. A
place beyond the grid counts as the cell of the edge that lies towards it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from agent.core.types import ByteArray, FloatArray

CELLS: Final = 33
CELL_M: Final = 2.5
WAYPOINT_CELLS: Final = 3
"""The way is followed towards the cell so far along it."""
MAP_EDGE_M: Final = 86.0
_MIDDLE: Final = CELLS // 2
_SPREAD_CELLS: Final = 2
_DANGER: Final = 2.5
"""Cells of length that an enemy adds to the cell that it is in."""
_STRONG: Final = 3.0
_OUTSIDE: Final = 60.0
_MAX_WAITING: Final = 8 * CELLS * CELLS
"""Each cell is closed once, and lets each of its neighbours wait at most once."""
FloatArray64 = NDArray[np.float64]
CellArray = NDArray[np.int64]


@njit(cache=True)
def danger_grid(x: float, z: float, enemies: FloatArray, kinds: ByteArray) -> FloatArray:
    """What each cell costs beside its length, [CELLS, CELLS] by z, x: enemies and what lies off the map."""
    grid = np.zeros((CELLS, CELLS), np.float32)
    for i in range(len(enemies)):
        row = int(math.floor((enemies[i, 2] - z) / CELL_M + 0.5)) + _MIDDLE
        column = int(math.floor((enemies[i, 0] - x) / CELL_M + 0.5)) + _MIDDLE
        weight = _DANGER * (_STRONG if i < len(kinds) and kinds[i] >= 128 else 1.0)
        for r in range(max(row - _SPREAD_CELLS, 0), min(row + _SPREAD_CELLS + 1, CELLS)):
            for c in range(max(column - _SPREAD_CELLS, 0), min(column + _SPREAD_CELLS + 1, CELLS)):
                apart = (r - row) ** 2 + (c - column) ** 2
                grid[r, c] += weight / (1.0 + apart)
    for k in range(CELLS):
        if abs(z + (k - _MIDDLE) * CELL_M) > MAP_EDGE_M:
            grid[k, :] += _OUTSIDE
        if abs(x + (k - _MIDDLE) * CELL_M) > MAP_EDGE_M:
            grid[:, k] += _OUTSIDE
    return grid


@njit(cache=True)
def waypoint(grid: FloatArray, dx: float, dz: float) -> tuple[float, float]:
    """Where to go first on the cheapest way to the place at dx, dz from the player, m from the player."""
    longest = max(abs(dx), abs(dz)) / (_MIDDLE * CELL_M)
    shrink = 1.0 / max(longest, 1.0)
    goal_r = int(math.floor(dz * shrink / CELL_M + 0.5)) + _MIDDLE
    goal_c = int(math.floor(dx * shrink / CELL_M + 0.5)) + _MIDDLE
    if abs(goal_r - _MIDDLE) <= 1 and abs(goal_c - _MIDDLE) <= 1:
        return dx, dz
    came = _search(grid, goal_r, goal_c)
    cell, steps = goal_r * CELLS + goal_c, 0
    while came[cell] >= 0:
        steps += 1
        cell = came[cell]
    if steps == 0:
        return dx, dz
    cell = goal_r * CELLS + goal_c
    for _ in range(steps - WAYPOINT_CELLS):
        cell = came[cell]
    if steps <= WAYPOINT_CELLS:
        return dx * shrink, dz * shrink
    return (cell % CELLS - _MIDDLE) * CELL_M, (cell // CELLS - _MIDDLE) * CELL_M


@njit(cache=True)
def _rise(keys: FloatArray64, cells: CellArray, at: int) -> None:
    """Move an entry of a binary heap up to its place; entries are ordered by key, then by cell."""
    key, cell = keys[at], cells[at]
    while at > 0:
        above = (at - 1) >> 1
        if keys[above] < key or (keys[above] == key and cells[above] <= cell):
            break
        keys[at], cells[at] = keys[above], cells[above]
        at = above
    keys[at], cells[at] = key, cell


@njit(cache=True)
def _sink(keys: FloatArray64, cells: CellArray, count: int) -> None:
    """Move the first entry of a heap of `count` down to its place."""
    key, cell, at = keys[0], cells[0], 0
    while True:
        below = 2 * at + 1
        if below >= count:
            break
        other = below + 1
        if other < count and (
            keys[other] < keys[below] or (keys[other] == keys[below] and cells[other] < cells[below])
        ):
            below = other
        if key < keys[below] or (key == keys[below] and cell <= cells[below]):
            break
        keys[at], cells[at] = keys[below], cells[below]
        at = below
    keys[at], cells[at] = key, cell


@njit(cache=True)
def _search(grid: FloatArray, goal_r: int, goal_c: int) -> CellArray:
    """A* from the middle: for each cell the one before it on the cheapest way, −1 for none, [CELLS²].

    A cell is taken out once and has eight neighbours, so the search has a longest time.
    """
    start, goal = _MIDDLE * CELLS + _MIDDLE, goal_r * CELLS + goal_c
    cost = np.full(CELLS * CELLS, np.inf)
    came = np.full(CELLS * CELLS, -1, np.int64)
    closed = np.zeros(CELLS * CELLS, np.bool_)
    keys, cells, count = np.empty(_MAX_WAITING), np.empty(_MAX_WAITING, np.int64), 1
    cost[start], keys[0], cells[0] = 0.0, 0.0, start
    while count > 0:
        cell = cells[0]
        count -= 1
        keys[0], cells[0] = keys[count], cells[count]
        _sink(keys, cells, count)
        if cell == goal:
            break
        if closed[cell]:
            continue
        closed[cell] = True
        row, column = cell // CELLS, cell % CELLS
        for r in range(max(row - 1, 0), min(row + 2, CELLS)):
            for c in range(max(column - 1, 0), min(column + 2, CELLS)):
                other = r * CELLS + c
                if closed[other]:
                    continue
                step = math.sqrt((r - row) ** 2 + (c - column) ** 2)
                found = cost[cell] + step * (1.0 + grid[r, c])
                if found < cost[other]:
                    cost[other] = found
                    came[other] = cell
                    left = math.sqrt((r - goal_r) ** 2 + (c - goal_c) ** 2)
                    keys[count], cells[count] = found + left, other
                    _rise(keys, cells, count)
                    count += 1
    return came
