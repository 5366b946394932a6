"""The games of a session: which one `auto` means, and the processes of those that are hosted here."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from agent.core.errors import SettingsError
from agent.core.settings import Settings
from agent.games.hosting import HostedProcess
from agent.games.options import HostOptions, Mode, is_hosted
from agent.link.endpoint import PLUGIN_PORT, Endpoint, parse_endpoint
from agent.link.links import Address
from agent.link.research import parse_research

if TYPE_CHECKING:
    from agent.commands.play import PlayOptions


def resolve_game(game: str, settings: Settings, console: Console) -> str:
    """Turn `auto` into the game that it means, saying so once."""
    from agent.setup.find_game import find_game

    link = settings.link
    if link.use_research_shm:
        if game != "auto" and not game.startswith("research://"):
            raise SettingsError(f"METABONK_USE_RESEARCH_SHM plays research:// only; unset it for --game {game}")
        return "research://" if game == "auto" else game
    if game != "auto":
        return game
    if link.use_pipe:
        return f"pipe://{link.pipe_name}"
    if not link.use_bonklink:
        return "arena"
    found = asyncio.run(find_game(link.host, tuple(dict.fromkeys((link.port, PLUGIN_PORT)))))
    if found is None:
        where = f"{link.host}:{link.port} or :{PLUGIN_PORT}"
        console.print(f"No game answers at {where}; playing the built-in arena.", highlight=False)
        return "arena"
    console.print(f"Playing the game at {found}.", highlight=False)
    return str(found)


def rules_of(game: str, calibration: Path | None) -> str:
    """The hash of the arena's rules; empty for other games."""
    if game != "arena":
        return ""
    from agent.games.arena.calibration import load_calibration
    from agent.games.arena.game import rules_name

    return rules_name(None if calibration is None else load_calibration(calibration))


def _check_calibration(game: str, path: Path) -> None:
    """Refuse here what the hosted game's own process would refuse later."""
    if game != "arena":
        raise SettingsError(f"--calibration {path}: only the arena takes one, not {game}")
    from agent.games.arena.calibration import load_calibration

    load_calibration(path)


class Games:
    """The games of a session: hosted ones are child processes that start at once and end with the stack."""

    def __init__(
        self, stack: contextlib.ExitStack, options: PlayOptions, game: str, settings: Settings, console: Console, *,
        frame_hz: float,
    ) -> None:  # fmt: skip
        self.hosts: list[HostedProcess] = []
        self._console = console
        self._fixed: tuple[Address, ...] = ()
        count = options.games
        if options.calibration is not None:
            _check_calibration(game, options.calibration)
        if not is_hosted(game):
            first: Address
            if game.startswith("research://"):
                first = parse_research(game, os.environ)
            else:
                first = parse_endpoint(game, default_host=settings.link.host, default_port=settings.link.port)
            self._fixed = tuple(first.numbered(i) for i in range(count))
            self.names = tuple(f"game {i}" for i in range(count)) if count > 1 else ("game",)
            return
        self.names = tuple(f"{game} {i}" for i in range(count)) if count > 1 else (game,)
        mode: Mode = "lock-step" if options.lock_step else "real-time"
        for i in range(count):
            hosted = HostOptions(
                game, mode=mode, capture=options.capture, frame_hz=frame_hz, seed=options.seed + i,
                calibration=options.calibration,
            )  # fmt: skip
            self.hosts.append(stack.enter_context(HostedProcess(hosted)))

    def endpoints(self) -> tuple[Address, ...]:
        """Where the games listen; waits for hosted ones."""
        if self._fixed:
            return self._fixed
        return tuple(Endpoint("127.0.0.1", host.port(on_slow=self._say_slow)) for host in self.hosts)

    def watch(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        """Call `stop` on the loop where a hosted game's process ends by itself."""

        def ended() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(stop)

        for host in self.hosts:
            host.watch(ended)

    def check(self) -> None:
        """Raise GameError where a hosted game's process ended by itself, with its own words."""
        for host in self.hosts:
            host.check()

    def _say_slow(self) -> None:
        self._console.print("Waiting for the game; its first start compiles it, which takes about a minute.")
