"""What is a picture, what are numbers, what is neither; and that nothing of what can be observed is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from agent.core.errors import GameError, NumberError, SettingsError
from agent.games.env_view import EnvView, space_of


def bytes_of(*shape: int, high: int = 255) -> spaces.Box:
    return spaces.Box(0, high, shape, np.uint8)


@pytest.mark.parametrize(
    ("space", "shape"),
    [
        (bytes_of(64, 64, 3), (64, 64, 3)), (bytes_of(3, 64, 64), (64, 64, 3)), (bytes_of(1, 90, 90), (84, 84, 1)),
        (bytes_of(90, 90, 1), (84, 84, 1)), (bytes_of(90, 90, 4), (84, 84, 4)), (bytes_of(4, 90, 90), (84, 84, 4)),
        (bytes_of(4, 90, 90, 3), (84, 84, 12)), (bytes_of(2, 3, 48, 50), (48, 50, 6)), (bytes_of(90, 90), (84, 84, 1)),
        (bytes_of(10, 12, 3), (10, 12, 3)), (bytes_of(4, 90, 90, 1), (84, 84, 4)),
        (bytes_of(2, 90, 90), (84, 84, 2)), (bytes_of(5, 90, 60), (84, 60, 5)), (bytes_of(32, 36, 40), (36, 40, 32)),
    ],
)  # fmt: skip
def test_bytes_with_channels_last_or_first_and_stacks_of_them_are_pictures(space: Any, shape: tuple[int, ...]) -> None:
    view = EnvView(space)
    assert view.shape == shape and view.numbers == 0 and view.features == np.prod(shape)
    picture = view.see(space.sample()).picture
    assert picture is not None and picture.shape == shape and picture.dtype == np.uint8


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (8, 8), np.int8), spaces.Box(-np.inf, np.inf, (10, 12), np.float32), bytes_of(8, 8, high=2),
        bytes_of(8, 8, 3, high=1), spaces.Box(0, 255, (64, 64, 3), np.int32), spaces.Box(0.0, 1.0, (64, 64, 3)),
        bytes_of(10, 10), bytes_of(10, 10, 7), bytes_of(64, 64, 2), bytes_of(16), spaces.Box(0, 1, (9, 9, 4), np.bool_),
        bytes_of(4, 4, 3), bytes_of(5, 35, 84), bytes_of(33, 40, 40),
    ],
)  # fmt: skip
def test_everything_else_is_numbers(space: Any) -> None:
    view = EnvView(space)
    sample = space.sample()
    assert view.shape == () and view.numbers == np.prod(space.shape)
    assert np.array_equal(view.row(sample), sample.reshape(-1).astype(np.float32))


def test_every_frame_of_a_stack_is_kept_in_its_order_whatever_the_layout() -> None:
    values = (10, 20, 30, 200)
    last = np.stack([np.full((48, 48), v, np.uint8) for v in values], -1)
    for given in (last, np.moveaxis(last, -1, 0), np.moveaxis(last, -1, 0)[..., None]):
        picture = EnvView(bytes_of(*given.shape)).see(given).picture
        assert picture is not None and picture[0, 0].tolist() == list(values)
    five = np.stack([np.full((48, 40), v, np.uint8) for v in (*values, 250)])
    picture = EnvView(bytes_of(5, 48, 40)).see(five).picture
    assert picture is not None and picture[47, 39].tolist() == [*values, 250]
    first = np.zeros((3, 40, 50), np.uint8)
    first[0, 5, 7] = 200
    seen = EnvView(bytes_of(3, 40, 50)).see(first).picture
    assert seen is not None and np.argwhere(seen).tolist() == [[5, 7, 0]]


def test_every_part_of_a_dictionary_and_a_tuple_is_observed_and_what_cannot_be_is_named() -> None:
    space = spaces.Dict(
        screen=bytes_of(40, 40, 3), depth=bytes_of(20, 20, 1), speed=spaces.Box(-5.0, 5.0, (2,)),
        pair=spaces.Tuple([spaces.Discrete(3, start=5), spaces.MultiBinary(2)]), says=spaces.Text(9),
    )  # fmt: skip
    view = EnvView(space)
    assert view.shape == (40, 40, 4) and view.numbers == 2 + 3 + 2 and view.features == 40 * 40 * 4 + 7
    said = view.describe()
    assert "not says Text" in said and all(name in said for name in ("screen", "depth", "speed", "pair.0", "pair.1"))
    seen = view.see({
        "screen": np.full((40, 40, 3), 9, np.uint8), "depth": np.full((20, 20, 1), 77, np.uint8),
        "speed": np.array([-1.5, 4.0], np.float32), "pair": (6, np.array([1, 0], np.int8)), "says": "hello",
    })  # fmt: skip
    assert seen.picture is not None and sorted(seen.picture[3, 3].tolist()) == [9, 9, 9, 77]
    assert sorted(seen.numbers.tolist()) == sorted([-1.5, 4.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    assert np.array_equal(seen.row(), np.concatenate([seen.picture.reshape(-1), seen.numbers]))


def test_a_profile_declares_pictures_which_are_seen_by_their_bounds() -> None:
    """A dark picture of floats stays dark: its brightest pixel says nothing."""
    space = spaces.Box(0.0, 2.0, (40, 40, 3), np.float32)
    seen = EnvView(space, True).see(np.full((40, 40, 3), 0.2, np.float32)).picture
    assert seen is not None and np.unique(seen).tolist() == [26], "a tenth of 255"
    two = spaces.Dict(a=bytes_of(64, 64, 3), b=bytes_of(16, 16))
    assert EnvView(two, ("b",)).shape == (16, 16, 1) and EnvView(two, ("b",)).numbers == 64 * 64 * 3
    assert EnvView(two, False).shape == ()
    flags = spaces.Box(0, 1, (10, 10, 6), np.bool_)
    lit = np.zeros((10, 10, 6), np.bool_)
    lit[2, 3, 5] = True
    seen, painted = EnvView(flags, True).see(lit).picture, EnvView(flags, True, paint_flags=True).see(lit).picture
    assert seen is not None and np.argwhere(seen).tolist() == [[2, 3, 5]] and seen[2, 3, 5] == 255
    assert painted is not None and painted.shape == (10, 10, 3)
    assert np.argwhere(painted.any(2)).tolist() == [[2, 3]]
    assert EnvView(bytes_of(90, 70, 3), max_px=40).shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("space", "declared", "named"),
    [
        (spaces.Dict(a=bytes_of(9, 9)), ("b",), "no part b; there are a"),
        (spaces.Box(-np.inf, np.inf, (40, 40)), True, "no bounds"),
        (spaces.Box(0, 1, (4,)), True, "two or more axes"),
        (spaces.Dict(a=spaces.Discrete(2)), ("a",), "not the axes of a picture"),
        (spaces.Box(0, 1, (1 << 10, 1 << 11)), None, "1048576 are possible"),
    ],
)
def test_what_is_declared_wrongly_or_is_too_large_is_named(space: Any, declared: Any, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        EnvView(space, declared)


def test_a_number_that_is_none_is_an_error_and_a_huge_one_is_cut() -> None:
    view = EnvView(spaces.Box(-np.inf, np.inf, (2,), np.float64))
    assert view.row(np.array([np.inf, -1e300])).tolist() == [1e9, -1e9]
    with pytest.raises(GameError, match="NaN"):
        view.row(np.array([np.nan, 0.0]))


@pytest.mark.parametrize(
    ("space", "observation"),
    [
        (spaces.Box(-1.0, 1.0, (4,)), np.zeros(5)), (spaces.Discrete(3), 3),
        (bytes_of(40, 40, 3), np.zeros((40, 41, 3))),
        (spaces.Dict(a=spaces.Discrete(2), b=spaces.Discrete(2)), {"a": 0}), (spaces.Box(-1.0, 1.0, (4,)), None),
        (spaces.Dict(a=bytes_of(40, 40, 3)), {"b": 1}), (spaces.MultiBinary(2), "ab"),
    ],
)  # fmt: skip
def test_an_observation_that_is_not_of_its_space_is_one_line(space: Any, observation: Any) -> None:
    with pytest.raises(GameError, match="is not of its space") as caught:
        EnvView(space).row(observation)
    assert len(str(caught.value)) < 500


def test_an_environment_that_tells_no_space_is_seen_by_its_first_observation() -> None:
    example = {"screen": np.zeros((50, 50, 3), np.uint8), "at": np.array([3, 4]), "name": "x"}
    view = EnvView(space_of(example))
    assert view.shape == (50, 50, 3) and view.numbers == 2 and view.unseen
    assert view.see(example).numbers.tolist() == [3.0, 4.0]


def test_a_picture_of_declared_floats_that_holds_nan_is_no_picture() -> None:
    space = spaces.Box(0.0, 1.0, (12, 12, 3))
    view = EnvView(space, True)
    given = np.full((12, 12, 3), 0.5, np.float32)
    assert view.see(given).picture is not None
    given[3, 4, 1] = np.nan
    with pytest.raises(NumberError, match="holds NaN"):
        view.see(given)
