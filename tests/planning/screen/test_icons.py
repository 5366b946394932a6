"""Boxes without words are found by their edges, those of one size first; boxes with words are none."""

from __future__ import annotations

import cv2
import numpy as np

from agent.planning.screen.icons import MAX_ICONS, icons

ICONS = [(40, 60, 90, 110), (140, 60, 190, 110), (240, 60, 290, 110)]


def _picture(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    picture = np.full((360, 640), 30, np.uint8)
    for x0, y0, x1, y1 in boxes:
        cv2.rectangle(picture, (x0, y0), (x1, y1), 120, -1)
        cv2.rectangle(picture, (x0, y0), (x1, y1), 220, 2)
    return picture


def _near(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return all(abs(v - w) <= 5 for v, w in zip(a, b, strict=True))


def test_icons_of_one_size_come_first_from_left_to_right_and_one_with_a_word_is_none() -> None:
    words = [(300, 200, 360, 216)]
    button, lonely = (280, 190, 380, 226), (500, 30, 530, 60)
    found = icons(_picture(*ICONS, button, lonely), words)
    assert len(found) == 4 and all(_near(a, b) for a, b in zip(found, [*ICONS, lonely], strict=True)), found


def test_an_empty_picture_has_none_and_a_crowd_is_cut() -> None:
    assert icons(_picture(), []) == []
    crowd = [(x, y, x + 24, y + 24) for x in range(10, 600, 50) for y in range(10, 330, 60)]
    assert len(icons(_picture(*crowd), [])) == MAX_ICONS
