"""Options of hosting: the picture's size, and which games are hosted here."""

from __future__ import annotations

import pytest

from agent.core.errors import SettingsError
from agent.games.arena.game import ArenaGame
from agent.games.hosting import build_game
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


def test_an_arena_begins_with_the_character_and_in_the_tier_that_are_named() -> None:
    game = build_game(HostOptions(tier=3, character="megachad", start="run"))
    assert isinstance(game, ArenaGame)
    name = game.worlds.catalog.characters[int(game.world["character"])]["name"]
    assert (name, int(game.world["tier"])) == ("Megachad", 2)
    assert game.cast == {"tier": 3, "character": "Megachad"}
    assert build_game(HostOptions(start="run")).cast == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (HostOptions(tier=4), "--tier 4: 1 to 3"),
        (HostOptions(character="Ogr"), "--character Ogr: there are .*did you mean Ogre"),
        (HostOptions("gym:CartPole-v1", tier=2), "only the arena has them"),
    ],
)
def test_a_tier_or_character_that_there_is_not_is_refused(options: HostOptions, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        build_game(options)
