"""The way a pilot is computed: full precision unless a measure says otherwise, and never a slower one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.control.motor import Motor, checked_path, load_pilot, save_pilot
from agent.control.policy import path_of
from agent.control.reflex import paths
from agent.control.reflex.network import Reflex
from agent.control.untrained import untrained_tensors
from agent.core.errors import WeightsError

TENSORS = untrained_tensors(3)
INT8 = paths.round_int8(TENSORS)


def clock(durations_s: list[float]) -> Iterator[float]:
    """Two readings around each measure, the given time apart."""
    now_s = 0.0
    for duration_s in durations_s:
        yield now_s
        now_s += duration_s
        yield now_s


@pytest.mark.parametrize(
    "fp32_s, int8_s, path", [(1.0, 0.5, paths.whole_way()), (1.0, 1.5, paths.FULL), (1.0, 0.99, paths.FULL)]
)
def test_whole_numbers_are_chosen_only_where_they_are_faster(fp32_s: float, int8_s: float, path: str) -> None:
    ways, readings = paths.ways_of(INT8), clock([fp32_s, int8_s] * paths.ROUNDS)
    chosen = paths.choose(INT8, ways, lambda reflex: None, lambda: next(readings))
    assert chosen.path == path and chosen.reflex is ways[path]
    assert chosen.measured_us[paths.FULL] == pytest.approx(fp32_s / paths.STEPS * 1e6)


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=4))
def test_a_way_that_was_measured_to_be_slower_is_never_chosen(times_us: list[float]) -> None:
    names = [paths.FULL, paths.WHOLE, paths.PACKED, "another"]
    measured = dict(zip(names, times_us, strict=False))
    chosen = paths.fastest(measured)
    assert measured[chosen] <= measured[paths.FULL]
    assert chosen == paths.FULL or measured[chosen] == min(times_us) < paths.WORTH * measured[paths.FULL]
    assert chosen != paths.FULL or min(times_us) >= paths.WORTH * measured[paths.FULL]


@pytest.mark.parametrize("packed_s, wins", [(0.5, True), (2.0, False)])
def test_the_ways_are_measured_by_their_own_steps_in_turns(packed_s: float, wins: bool) -> None:
    ways, now_s, order = paths.ways_of(INT8), [0.0], []
    seconds = {id(ways[paths.FULL]): 1.0, id(ways[paths.whole_way()]): packed_s}

    def step(reflex: Reflex) -> None:
        order.append(id(reflex))
        now_s[0] += seconds[id(reflex)]

    chosen = paths.choose(INT8, ways, step, lambda: now_s[0])
    assert (chosen.path == paths.whole_way()) is wins
    in_turns = [each for _ in range(paths.ROUNDS) for each in seconds for _ in range(paths.STEPS)]
    assert order[len(seconds) :] == in_turns


@pytest.mark.slow
def test_what_is_chosen_here_is_not_slower_than_full_precision() -> None:
    chosen = checked_path(INT8, "a test")
    assert set(chosen.measured_us) == {paths.FULL, paths.whole_way()}
    assert chosen.measured_us[chosen.path] <= chosen.measured_us[paths.FULL]
    assert chosen.as_builtins()["weights"] == "int8"


@pytest.mark.slow
def test_both_ways_of_eight_bits_give_nearly_the_same_and_nearly_the_pilots_answer() -> None:
    from agent.control.motor import _canned, _decide

    networks = [Motor(TENSORS).reflex, *(Motor(INT8, way=w).reflex for w in (paths.FULL, paths.whole_way()))]
    _, batch = _canned()
    hidden, picture = np.full(64, 0.3, np.float32), np.full(64, 0.1, np.float32)
    for row in range(4):
        plain, expanded, whole = (_decide(r, batch, row, picture, hidden, 4.0) for r in networks)
        for name in ("axes", "buttons", "hidden"):
            a, b, c = (getattr(d, name) for d in (plain, expanded, whole))
            assert np.abs(b - c).max() < 1e-3
            assert 0 < np.abs(a - b).max() < 0.05


def test_a_pilot_of_full_precision_has_one_way_and_nothing_is_measured() -> None:
    policy = Motor(TENSORS)
    assert path_of(policy) == {"path": paths.FULL, "weights": "fp32", "measured_us": {}}


def test_rounding_to_eight_bits_stays_within_half_a_step() -> None:
    back = paths.expand_int8(INT8)
    assert back.keys() == TENSORS.keys()
    for name in paths.INNER:
        step = INT8[f"{name}.weight_scale"][:, None]
        assert (np.abs(back[f"{name}.weight"] - TENSORS[f"{name}.weight"]) <= step * 0.5001).all()
        assert INT8[f"{name}.weight"].dtype == np.int8


@pytest.mark.slow
def test_a_file_of_eight_bits_is_loaded_and_one_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    save_pilot(path, INT8, {}, created_by="a test")
    assert load_pilot(path).heads.w.shape[1] == 8
    bad = INT8 | {"trunk.0.weight": INT8["trunk.0.weight"][:, :-1].copy()}
    with pytest.raises(WeightsError, match="trunk"):
        Motor(bad)
    with pytest.raises(WeightsError, match="not the tensors of a pilot"):
        Motor(INT8 | {"trunk.0.weight_scale": INT8["trunk.0.weight_scale"][:-1]})


@pytest.mark.parametrize("name", ["trunk.0.bias", "encoder.norm.mean", "decision_ticks"])
def test_weights_with_other_axes_are_refused(name: str) -> None:
    with pytest.raises(WeightsError, match=rf"not the tensors of a pilot: {name} has \d axes"):
        checked_path(TENSORS | {name: np.asarray(TENSORS[name])[..., None]}, "here")
