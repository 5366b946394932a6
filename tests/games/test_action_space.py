"""Every action that is built is one of its space: random spaces, random actions, and the values at the bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.errors import SettingsError
from agent.core.types import Action
from agent.games.action_space import ActionSpace
from agent.games.gymnasium_profile import Keys, load_profile

INTEGERS = tuple(np.dtype(t) for t in "bBhHiIqQ")
FLOATS = tuple(np.dtype(t) for t in "efd")
share = st.floats(-1.0, 1.0)


@st.composite
def boxes(draw: st.DrawFn) -> spaces.Box:
    """Boxes of every type, one to two dimensions; bounds up to the type's own."""
    dtype = draw(st.sampled_from(INTEGERS + FLOATS))
    shape = draw(st.sampled_from([(1,), (3,), (2, 2), ()]))
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        number = st.floats(-largest, largest, width=8 * dtype.itemsize)
    else:
        number = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    ends = [sorted([draw(number), draw(number)]) for _ in range(int(np.prod(shape)))]
    low, high = (np.array([e[i] for e in ends], dtype).reshape(shape) for i in (0, 1))
    return spaces.Box(low, high, shape, dtype.type)


def _kinds(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(inner, min_size=1, max_size=3)
    names = parts.map(lambda found: spaces.Dict({f"part {i}": part for i, part in enumerate(found)}))
    return names | parts.map(spaces.Tuple)


counts = st.integers(1, 20)
leaves = (
    st.builds(lambda n, start: spaces.Discrete(n, start=start), counts, st.integers(-(2**40), 2**40))
    | st.builds(
        lambda nvec, start: spaces.MultiDiscrete(np.array(nvec), start=np.full((2, 2), start)),
        st.lists(st.lists(counts, min_size=2, max_size=2), min_size=2, max_size=2), st.integers(-9, 9),
    )
    | st.builds(spaces.MultiDiscrete, st.lists(counts, min_size=1, max_size=3))
    | st.builds(spaces.MultiBinary, st.integers(1, 5) | st.sampled_from([[2, 3], [1, 1]]))
    | boxes()
)  # fmt: skip
any_space = st.recursive(leaves, _kinds, max_leaves=4)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(any_space, st.data())
def test_every_action_of_a_policy_is_in_the_space(space: Any, data: st.DataObject) -> None:
    actions = ActionSpace(space)
    axes = data.draw(st.lists(share, min_size=actions.spec.continuous, max_size=actions.spec.continuous))
    choices = [data.draw(st.integers(0, n - 1)) for n in actions.spec.branches]
    for end in (axes, [-1.0] * len(axes), [1.0] * len(axes)):
        chosen = actions.action(np.array(end, np.float32), choices)
        assert space.contains(chosen), f"{chosen!r} is not in {space}"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(any_space, st.tuples(share, share), st.tuples(share, share), st.tuples(*[st.booleans()] * 3))
def test_every_action_of_the_keys_is_in_the_space(space: Any, move: Any, look: Any, buttons: Any) -> None:
    actions = ActionSpace(space)
    keys = Keys(load_profile("no-such-profile", None, actions), actions)
    chosen = keys.action(Action(move, look, *buttons))
    assert space.contains(chosen), f"{chosen!r} is not in {space}"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(boxes())
def test_both_bounds_of_a_box_are_reached_exactly(space: spaces.Box) -> None:
    actions = ActionSpace(space)
    ends = [actions.action(np.full(actions.spec.continuous, end), []) for end in (-1.0, 1.0)]
    assert np.array_equal(ends[0], space.low) and np.array_equal(ends[1], space.high)
    assert all(end.dtype == space.dtype and end.shape == space.shape for end in ends)


def test_integers_are_rounded_and_every_one_is_reached() -> None:
    box = ActionSpace(spaces.Box(-3, 4, (1,), np.int8))
    reached = {int(box.action([axis], [])[0]) for axis in np.linspace(-1, 1, 101)}
    assert reached == set(range(-3, 5))
    assert box.action([0.0], []).tolist() == [0] and box.action([0.15], []).tolist() == [1], "0.5 and 1.025"
    assert ActionSpace(spaces.Box(-100, 100, (1,), np.int8)).action([1.0], []).tolist() == [100]


def test_starts_and_shapes_are_kept() -> None:
    several = spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[10, 20], [30, 40]])
    actions = ActionSpace(several)
    assert actions.spec.branches == (2, 3, 4, 5)
    assert actions.action([], [1, 0, 3, 4]).tolist() == [[11, 20], [33, 44]]
    assert ActionSpace(spaces.Discrete(3, start=-1)).action([], [1]) == 0
    assert ActionSpace(spaces.MultiBinary([2, 2])).action([], [1, 0, 0, 1]).tolist() == [[1, 0], [0, 1]]
    both = ActionSpace(spaces.Dict(a=spaces.Discrete(2), b=spaces.Tuple([spaces.Box(0.0, 2.0, (1,))])))
    assert both.action([0.0], [1]) == {"a": 1, "b": (np.array([1.0], np.float32),)}


def test_a_number_that_is_none_is_never_sent() -> None:
    box = spaces.Box(-1.0, 1.0, (2,))
    assert box.contains(ActionSpace(box).action([np.nan, np.inf], []))


def test_what_has_no_bound_is_named_and_so_is_what_cannot_be_chosen() -> None:
    low, high = np.array([-1.0, -np.inf, 0.0], np.float32), np.array([1.0, 1.0, np.inf], np.float32)
    with pytest.raises(SettingsError, match=r"no bound for action\[1\], action\[2\]; a bounded Box"):
        ActionSpace(spaces.Box(low, high)).check_bounds()
    with pytest.raises(SettingsError, match="part say Text.*only Discrete"):
        ActionSpace(spaces.Dict(go=spaces.Discrete(2), say=spaces.Text(3)))
    with pytest.raises(SettingsError, match="65536 are possible"):
        ActionSpace(spaces.Discrete(1 << 30))
