"""Which game `auto` means by the settings, and where the games of a session are."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from agent.commands.games import Games, HostedGames, resolve_game, rules_of
from agent.commands.play import PlayOptions
from agent.concurrency.supervise import MAX_RESTARTS, Supervisor
from agent.core.clock import SystemClock, VirtualClock
from agent.core.errors import GameError, SettingsError
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
        assert not games.parts(SystemClock())


@pytest.mark.parametrize("game", ["bonklink://127.0.0.1:1", "research://0", "replay:nowhere", "gym:CartPole-v1"])
@pytest.mark.parametrize("option", [{"tier": 2}, {"character": "Ogre"}])
def test_a_tier_and_a_character_are_refused_where_nothing_takes_them(game: str, option: dict[str, Any]) -> None:
    with contextlib.ExitStack() as stack, pytest.raises(SettingsError, match="only the arena has them"):
        Games(stack, PlayOptions(**option), game, Settings(), QUIET, frame_hz=10.0)


def test_only_the_arena_has_rules_of_ours() -> None:
    assert len(rules_of("arena", None)) == 64 and rules_of("gym:CartPole-v1", None) == ""


class FakeGame:
    """A hosted game whose process ends when it is told to; `starts` counts those after the first."""

    def __init__(self, *, starts_again: bool = True) -> None:
        self.is_up, self.starts, self.left = True, 0, False
        self._starts_again = starts_again
        self._on_end: Callable[[], None] = lambda: None

    def die(self) -> None:
        self.is_up = False
        threading.Thread(target=self._on_end).start()

    def watch(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        if not self.is_up:
            on_end()

    def why(self) -> str:
        return "toy: the wheel came off"

    def again(self) -> None:
        self.starts += 1
        if not self._starts_again:
            raise GameError("toy: no wheel to start with")
        self.is_up = True

    def leave(self) -> None:
        self.left = True


def keep(clock: VirtualClock, *games: Any) -> HostedGames:
    return HostedGames(games, [f"toy {i}" for i in range(len(games))], Supervisor(clock))


async def until(holds: Callable[[], bool], clock: VirtualClock) -> None:
    for _ in range(2000):
        if holds():
            return
        await clock.advance(0.1)
        await asyncio.sleep(0.001)
    pytest.fail("it never came to that")


def test_a_game_that_ends_by_itself_is_started_again_and_the_others_go_on() -> None:
    async def main() -> None:
        clock, first, second = VirtualClock(), FakeGame(), FakeGame()
        part = keep(clock, first, second)
        running = asyncio.ensure_future(part.run())
        for times in (1, 2):
            await asyncio.sleep(0)
            first.die()
            await until(lambda times=times: first.starts == times and first.is_up, clock)
        assert part.status()["faults"] == {"toy 0": 2}
        assert (
            part.status()["reasons"] == {"toy 0": "toy: the wheel came off"}
            and second.starts == 0
            and not running.done()
        )
        running.cancel()
        await asyncio.wait({running})
        await part.finish()
        assert first.left and second.left

    asyncio.run(main())


def test_where_no_game_can_be_kept_up_the_session_ends_with_its_reason() -> None:
    async def main() -> None:
        clock, game = VirtualClock(), FakeGame(starts_again=False)
        game.is_up = False
        part = keep(clock, game)
        running = asyncio.ensure_future(part.run())
        await until(running.done, clock)
        assert game.starts == MAX_RESTARTS
        running.result()

    with pytest.raises(GameError, match=r"failed 6 times in 10 min: GameError: toy: no wheel to start with"):
        asyncio.run(main())


def test_where_something_must_be_compiled_the_first_game_does_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Hosted(FakeGame):
        doing, is_serving = "the arena's rules (1 of 2)", False

        def __init__(self, options: Any) -> None:
            super().__init__()
            made.append(self)

        def port(self) -> int:
            assert self is not made[0] or self.is_serving or len(made) == 1
            self.is_serving = True
            return 7000 + made.index(self)

        def stop(self, within_s: float) -> None: ...

    monkeypatch.setattr("agent.commands.games.HostedProcess", Hosted)
    with contextlib.ExitStack() as stack:
        options = PlayOptions(games=3)
        games = Games(stack, options, "arena", Settings(), QUIET, frame_hz=10.0, one_first=True)
        assert len(made) == 1 and games.doing() == "the game: the arena's rules (1 of 2)"
        assert [e.port for e in games.endpoints()] == [7000, 7001, 7002] and games.doing() == ""
    assert all(game.left for game in made)
