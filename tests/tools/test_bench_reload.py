"""The reload bench's arithmetic: the slope of memory, and missed ticks with reloads against without."""

from __future__ import annotations

import numpy as np
import pytest

from tools.bench.reload import altered, slope, spread, summary


def block(reloads: int, missed: int) -> dict[str, float]:
    return {"reloads": reloads, "packets": 1000, "missed": missed, "p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0}


def test_memory_that_grows_by_a_kilobyte_a_reload_has_that_slope() -> None:
    rng = np.random.default_rng(0)
    found = slope([(i, (200 << 20) + 1024 * i + int(rng.integers(-512, 512))) for i in range(400)])
    assert found["slope_kb"] == pytest.approx(1.0, abs=0.01) and 0 <= found["slope_error_kb"] < 0.01
    assert slope([(i, 200 << 20) for i in range(400)])["slope_kb"] == pytest.approx(0.0, abs=1e-6)


def test_the_difference_is_that_of_neighbouring_blocks() -> None:
    same = summary([block(0, 4), block(100, 4), block(0, 40), block(100, 40)])
    assert same["off"]["missed_per_1000"] == same["on"]["missed_per_1000"] == 22.0
    assert same["difference_interval"] == [0.0, 0.0]
    worse = summary([block(0, 4), block(100, 14), block(0, 40), block(100, 50)])
    assert worse["difference_per_1000"] == 10.0 and worse["difference_interval"][0] > 0


def test_altered_weights_differ_in_the_value_alone() -> None:
    tensors = {"value.bias": np.zeros(1, np.float32), "axes.bias": np.ones(4, np.float32)}
    other = altered(tensors, 3)
    assert other["axes.bias"] is tensors["axes.bias"] and other["value.bias"][0] == np.float32(3e-4)
    assert spread([1.0, 2.0, 3.0]) == {"p50": 2.0, "p99": 2.98, "max": 3.0}
