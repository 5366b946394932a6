"""Keys become actions of any declared space; the world answers; a recording is foreseen until a key is pressed."""

from __future__ import annotations

from typing import Any

import numpy as np

from agent.learning.pixels.layout import STANDARD, ActionLayout, Control, one_choice
from agent.training.pixels.player import DreamPlayer, action_of, keys_of
from tests.learning.pixels.files import dots, dots_world

NOTHING: frozenset[str] = frozenset()


def pixels_of(made: tuple[dict[str, Any], bytes], index: int = 0) -> Any:
    size = made[0]["size"]
    return np.frombuffer(made[1], np.uint8).reshape(-1, size, size, 3)[index].astype(int)


def test_keys_of_the_ten_numbers() -> None:
    assert dict(keys_of(STANDARD))["KeyW"] == "move_y +1" and dict(keys_of(STANDARD))["Space"] == "fire"
    keys = frozenset({"KeyW", "KeyA", "ArrowRight", "Space", "KeyJ"})
    assert action_of(STANDARD, keys, None).tolist() == [-1, 1, 1, 0, 1, 0, 0, 0, 0, 0]
    assert action_of(STANDARD, frozenset({"KeyA", "KeyD"}), (0.25, 0.5)).tolist() == [0] * 7 + [1, 0.25, 0.5]


def test_keys_of_declared_spaces() -> None:
    assert [action_of(one_choice(4), frozenset({c}), None)[0] for c in ("Digit2", "ArrowUp", "Digit9")] == [2, 1, 0]
    layout = ActionLayout((Control("jump", "key"), Control("weapon", "choice", 3)))
    assert action_of(layout, frozenset({"Space", "Digit2", "ArrowUp"}), None).tolist() == [1, 2]


def test_the_square_moves_under_a_key_and_stays_without() -> None:
    found = {}
    for name, keys in (("still", NOTHING), ("moved", frozenset({"ArrowUp"}))):  # choice 1: to the left
        player = DreamPlayer(dots_world(), seed=1)
        before = [player.tick(NOTHING, None) for _ in range(5)][-1]
        made = [player.tick(keys, None) for _ in range(10)][-1]
        found[name] = np.abs(pixels_of(made) - pixels_of(before)).max()
    assert found["still"] < 120 < 180 < found["moved"], found
    about = made[0]
    assert about["mode"] == "dreamed" and about["number"] == 15 and not about["has_true"] and about["regime"] is None
    assert player.described()["keys"][0] == ("Digit1", "action +1")
    player.restart()
    assert np.abs(pixels_of(player.tick(NOTHING, None)) - pixels_of(made)).max() > 60


def test_a_recording_is_foreseen_until_a_key_is_pressed() -> None:
    episode = dots(1, 9, size_px=16, seed=5, delay=2).items[0]
    player = DreamPlayer(dots_world(), episode=episode)
    for at in (4, 5):
        made = player.tick(frozenset({"KeyJ"}), None)
        assert made[0]["has_true"] and made[0]["surprise"] >= 0
        assert np.array_equal(pixels_of(made, 1), episode.frames[at].astype(int))
        assert np.abs(pixels_of(made) - pixels_of(made, 1)).mean() < 25
    assert player.tick(frozenset({"Digit2"}), None)[0]["mode"] == "dreamed"
    assert player.tick(NOTHING, None)[0]["mode"] == "dreamed"
    player.restart()
    modes = [player.tick(NOTHING, None)[0]["mode"] for _ in range(7)]
    assert set(modes) == {"foreseen, beside the recording"}
