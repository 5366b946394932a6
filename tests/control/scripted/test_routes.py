"""Ways around enemies."""

from __future__ import annotations

import numpy as np

from agent.control.arrays import read_only
from agent.control.scripted.routes import danger_grid, waypoint
from agent.core.types import ByteArray, FloatArray


def grid(enemies: list[tuple[float, float]]) -> FloatArray:
    rows: FloatArray = read_only(np.array([[x, 0.0, z, 9.0] for x, z in enemies], np.float32).reshape(-1, 4))
    kinds: ByteArray = read_only(np.zeros(len(rows), np.uint8))
    return danger_grid(0.0, 0.0, rows, kinds)


def test_the_way_leads_straight_where_nothing_is_and_around_a_wall_of_enemies() -> None:
    assert waypoint(grid([]), 0.0, 30.0) == (0.0, 7.5)
    wall = [(x, 7.5) for x in np.arange(-30.0, 7.0, 1.0)]
    x, z = waypoint(grid(wall), 0.0, 30.0)
    assert x > 5.0, "the gap is on the right"
    assert waypoint(grid(wall), 1.0, 2.0) == (1.0, 2.0), "what is near is walked to"
    x, z = waypoint(grid([]), 500.0, -500.0)
    assert x == -z > 0.0, "what lies beyond the grid is walked towards"
