"""How near weapons of short and long reach go."""

from __future__ import annotations

import math

from agent.control.arrays import surroundings
from agent.control.scripted.steering import heading
from tests.control.scripted.states import shown


def test_short_weapons_go_near_and_long_ones_keep_away() -> None:
    around = surroundings(shown(enemies=[(0.0, 6.0, 5.0)]))

    def toward(keep_m: float) -> float:
        still = (0.0, 0.0, 0.0)
        return math.cos(heading(math.pi / 2, 0.0, 0.0, *around, still, keep_m, 100.0, 0.0, 0.0))

    assert toward(2.3) > 0.5 > 0.0 > toward(8.6)
