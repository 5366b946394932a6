"""Which game `auto` means by the settings, and where the games of a session are."""

from __future__ import annotations

import contextlib
import io

import pytest
from rich.console import Console

from agent.commands.games import Games, resolve_game, rules_of
from agent.commands.play import PlayOptions
from agent.core.errors import SettingsError
from agent.core.settings import Settings, load_settings
from agent.link.endpoint import Endpoint

QUIET = Console(file=io.StringIO())


@pytest.mark.parametrize(
    ("environ", "asked", "game"),
    [
        ({"METABONK_USE_BONKLINK": "0"}, "auto", "arena"),
        ({"METABONK_BONKLINK_USE_PIPE": "1"}, "auto", "pipe://BonkLink"),
        ({"METABONK_USE_RESEARCH_SHM": "1"}, "auto", "research://"),
        ({"METABONK_USE_RESEARCH_SHM": "1"}, "research://2", "research://2"),
        ({"METABONK_BONKLINK_USE_PIPE": "1"}, "mine:Maze", "mine:Maze"),
    ],
)
def test_what_is_said_goes_before_what_the_settings_say(environ: dict[str, str], asked: str, game: str) -> None:
    assert resolve_game(asked, load_settings(None, environ), QUIET) == game


def test_a_game_that_the_settings_exclude_is_refused() -> None:
    with pytest.raises(SettingsError, match="unset it for --game arena"):
        resolve_game("arena", load_settings(None, {"METABONK_USE_RESEARCH_SHM": "1"}), QUIET)


def test_games_elsewhere_are_at_ports_one_after_the_other() -> None:
    with contextlib.ExitStack() as stack:
        options = PlayOptions(games=2)
        games = Games(stack, options, "bonklink://10.0.0.1:7000", Settings(), QUIET, frame_hz=10.0)
        assert games.endpoints() == (Endpoint("10.0.0.1", 7000), Endpoint("10.0.0.1", 7001))
        assert games.names == ("game 0", "game 1") and not games.hosts
        games.check()


def test_only_the_arena_has_rules_of_ours() -> None:
    assert len(rules_of("arena", None)) == 64 and rules_of("gym:CartPole-v1", None) == ""
