"""Only what changed is read again, and words are never cut."""

from __future__ import annotations

import numpy as np
import pytest

from agent.planning.screen.changes import (
    NOISE,
    SETTLED_SHARE,
    brightness,
    changed_blocks,
    changed_boxes,
    changed_share,
    overlap,
)  # fmt: skip

GREY = np.full((360, 640), 90, np.uint8)


def _with(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    picture = GREY.copy()
    for x0, y0, x1, y1 in boxes:
        picture[y0:y1, x0:x1] = 200
    return picture


def test_the_same_picture_and_an_encoders_noise_change_nothing() -> None:
    noisy = (GREY.astype(np.int16) + np.random.default_rng(0).integers(-NOISE, NOISE + 1, GREY.shape)).astype(np.uint8)
    assert changed_share(GREY, noisy) == 0.0 and changed_boxes(GREY, noisy) == []


def test_one_pixel_is_one_block_and_its_box_is_small() -> None:
    after = _with((100, 50, 101, 51))
    blocks = changed_blocks(GREY, after)
    assert blocks.sum() == 1 and blocks[3, 6] and changed_share(GREY, after) < SETTLED_SHARE
    (box,) = changed_boxes(GREY, after)
    assert overlap(box, (100, 50, 101, 51)) and (box[2] - box[0]) * (box[3] - box[1]) < 0.02 * GREY.size


def test_a_box_holds_whole_every_word_that_it_touches() -> None:
    word = (90, 40, 300, 70)
    (box,) = changed_boxes(GREY, _with((100, 50, 101, 51)), [word])
    assert box[0] <= word[0] and box[1] <= word[1] and box[2] >= word[2] and box[3] >= word[3]


def test_two_changes_far_apart_are_two_boxes_and_many_are_few() -> None:
    assert len(changed_boxes(GREY, _with((20, 20, 30, 30), (600, 300, 610, 310)))) == 2
    many = [(x, y, x + 4, y + 4) for x in range(8, 640, 70) for y in range(8, 360, 70)]
    found = changed_boxes(GREY, _with(*many))
    assert len(found) <= 6 and all(any(overlap(m, box) for box in found) for m in many)


@pytest.mark.parametrize("after", [np.full((360, 640), 200, np.uint8), np.full((180, 320), 90, np.uint8)])
def test_a_picture_that_changed_much_or_in_size_is_read_whole(after: np.ndarray) -> None:
    h, w = after.shape
    assert changed_boxes(GREY, after) == [(0, 0, w, h)]


def test_colours_are_compared_by_their_brightness() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[..., 1] = 200
    assert brightness(pixels).shape == (32, 32) and brightness(pixels)[0, 0] == 117
