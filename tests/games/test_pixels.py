"""Arrays as pictures for people: every channel is shown, nothing is scaled by what is in the picture."""

from __future__ import annotations

import numpy as np

from agent.games.pixels import drawn, to_rgb


def test_any_picture_becomes_rgb_of_a_useful_size() -> None:
    channels_first = np.zeros((3, 100, 120), np.uint8)
    channels_first[0] = 200
    assert to_rgb(channels_first).shape == (100, 120, 3) and to_rgb(channels_first)[0, 0].tolist() == [200, 0, 0]
    grey = to_rgb(np.full((100, 100), 0.5, np.float32))
    assert grey.shape == (100, 100, 3) and grey[0, 0].tolist() == [127, 127, 127]
    assert to_rgb(np.full((100, 100), 0.004, np.float32)).max() == 1, "a dark picture stays dark"
    flags = np.zeros((10, 10, 6), bool)
    flags[2, 3, 1], flags[2, 3, 4] = True, True
    small = to_rgb(flags)
    assert small.shape == (90, 90, 3) and small[0, 0].tolist() == [0, 0, 0]
    assert small[18, 27].tolist() == small[26, 35].tolist() != [0, 0, 0]


def test_every_frame_of_a_stack_is_shown() -> None:
    stack = np.stack([np.full((84, 84), v, np.uint8) for v in (10, 20, 30, 200)], -1)
    assert set(np.unique(to_rgb(stack))) == {10, 20, 30, 200}
    two = to_rgb(np.dstack([np.full((84, 84, 3), 9, np.uint8), np.full((84, 84, 3), 90, np.uint8)]))
    assert two.shape == (84, 168, 3) and (two[:, :84] == 9).all() and (two[:, 84:] == 90).all()
    assert to_rgb(np.zeros((84, 84, 5), np.uint8)).shape == (168, 336, 3), "rows of four"


def test_numbers_are_squares_of_grey_around_the_middle() -> None:
    board = drawn(np.array([-1.0, 0.0, 1.0, 1e9], np.float32), (2, 2))
    assert board.shape == (84, 84, 3)
    assert [int(board[y, x, 0]) for y in (0, 83) for x in (0, 83)] == [64, 128, 191, 255]
    assert drawn(np.zeros(5, np.float32), (5,)).shape == (84, 126, 3)
