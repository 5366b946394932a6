"""Options of hosting: the picture's size, and which games are hosted here."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.games.options import HostOptions, is_hosted


def test_the_size_of_pictures_is_read_as_width_and_height() -> None:
    assert HostOptions(capture="640x360").capture_px == (640, 360)
    assert HostOptions(capture="640X360").capture_px == (640, 360)


@pytest.mark.parametrize("text", ["640", "640x", "x360", "640x-1", "a x b", "²x3"])
def test_a_size_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match=r"write WIDTHxHEIGHT, such as 320x180"):
        _ = HostOptions(capture=text).capture_px


def test_addresses_are_games_of_others() -> None:
    assert all(is_hosted(game) for game in ("arena", "gym:A-v1", "mine:Maze"))
    assert not any(is_hosted(game) for game in ("bonklink://h:1", "pipe://x", "research://0"))
