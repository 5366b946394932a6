"""The games of a session: which one `auto` means, and the processes of those that are hosted here."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from agent.concurrency.supervise import Supervisor
from agent.core.clock import Clock, SystemClock
from agent.core.errors import GameError, SettingsError
from agent.core.files import expand_home
from agent.core.part import Part
from agent.core.settings import Settings
from agent.core.types import Shown
from agent.games.hosting import STOP_TIMEOUT_S, HostedProcess
from agent.games.options import HostOptions, Mode, check_arena, is_hosted
from agent.link.endpoint import PLUGIN_PORT, Endpoint, parse_endpoint
from agent.link.links import Address
from agent.link.recorded import SCHEME, RecordedAddress
from agent.link.research_map import parse_research

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


def recorded_games(game: str, count: int, *, fast: bool) -> tuple[tuple[Address, ...], tuple[str, ...]]:
    """The addresses and names of a recording's games; raises RecordingError, and SettingsError for another number."""
    from agent.journal.read import header_of_recording

    path = Path(expand_home(game.removeprefix(SCHEME)))
    names = header_of_recording(path).games
    if count not in (1, len(names)):
        raise SettingsError(f"--games {count}: the recording has {len(names)}")
    return tuple(RecordedAddress(path, i, fast) for i in range(len(names))), names


def rules_of(game: str, calibration: Path | None) -> str:
    """The hash of the arena's rules; empty for other games."""
    if game != "arena":
        return ""
    from agent.games.arena.calibration import load_calibration
    from agent.games.arena.game import rules_name

    return rules_name(None if calibration is None else load_calibration(calibration))


def _check_arena(options: PlayOptions, game: str) -> None:
    """Refuse here what the hosted game's own process would refuse later, or nobody where it runs elsewhere."""
    check_arena(options, game)
    if options.calibration is not None:
        from agent.games.arena.calibration import load_calibration

        load_calibration(options.calibration)


class Games:
    """The games of a session: hosted ones are child processes that start at once and end with the stack."""

    def __init__(
        self, stack: contextlib.ExitStack, options: PlayOptions, game: str, settings: Settings, console: Console, *,
        frame_hz: float, one_first: bool = False,
    ) -> None:  # fmt: skip
        """one_first: the others start when the first one is up, and find what it compiled."""
        self.hosts: list[HostedProcess] = []
        self._clock = SystemClock()
        self._console = console
        self._fixed: tuple[Address, ...] = ()
        self._waiting: list[HostOptions] = []
        count = options.games
        _check_arena(options, game)
        if not is_hosted(game):
            first: Address
            if game.startswith(SCHEME):
                self._fixed, self.names = recorded_games(game, count, fast=options.fast)
                return
            if game.startswith("research://"):
                first = parse_research(game, os.environ)
            else:
                first = parse_endpoint(game, default_host=settings.link.host, default_port=settings.link.port)
            self._fixed = tuple(first.numbered(i) for i in range(count))
            self.names = tuple(f"game {i}" for i in range(count)) if count > 1 else ("game",)
            return
        self.names = tuple(f"{game} {i}" for i in range(count)) if count > 1 else (game,)
        stack.callback(self.close)
        mode: Mode = "lock-step" if options.lock_step else "real-time"
        self._waiting = [
            HostOptions(
                game, mode=mode, capture=options.capture, tier=options.tier, character=options.character,
                frame_hz=frame_hz, seed=options.seed + i, calibration=options.calibration, profile=options.profile,
                frame_skip=options.frame_skip, picture_px=options.picture_px, paint_flags=options.paint_flags,
            )
            for i in range(count)
        ]  # fmt: skip
        self._start(1 if one_first else count)

    def _start(self, count: int) -> None:
        for hosted in self._waiting[:count]:
            self.hosts.append(HostedProcess(hosted))
        del self._waiting[:count]

    def doing(self) -> str:
        """What the first hosted game that does not serve yet does; "" where all do."""
        busy = next((host for host in self.hosts if not host.is_serving), None)
        return "" if busy is None else f"the game: {busy.doing}"

    def endpoints(self) -> tuple[Address, ...]:
        """Where the games listen; waits for hosted ones."""
        if self._fixed:
            return self._fixed
        self.hosts[0].port()
        self._start(len(self._waiting))
        return tuple(Endpoint("127.0.0.1", host.port()) for host in self.hosts)

    def parts(self, clock: Clock) -> list[Part]:
        """What starts hosted games again where they end by themselves."""
        if not self.hosts:
            return []
        return [HostedGames(self.hosts, self.names, Supervisor(clock))]

    @property
    def notes(self) -> list[str]:
        """What a person should know of the hosted games, each once; asked after `endpoints`."""
        return list(dict.fromkeys(note for host in self.hosts for note in host.notes))

    @property
    def shown(self) -> Shown | None:
        """What the hosted environment shows and takes; None of another game. Asked after `endpoints`."""
        return self.hosts[0].shown if self.hosts else None

    def close(self) -> None:
        """End all hosted games, in the time that one takes."""
        for host in self.hosts:
            host.leave()
        until_s = self._clock.now_s() + STOP_TIMEOUT_S
        for host in self.hosts:
            host.stop(max(0.0, until_s - self._clock.now_s()))


@dataclass(frozen=True)
class HostedGames(Part):
    """Hosted games whose processes end by themselves are started again, at most five times in ten minutes.

    Where none is left, the session ends with the last one's reason, as a GameError.
    """

    name = "hosted games"
    key = "hosted"
    is_essential = True
    hosts: Sequence[HostedProcess]
    names: Sequence[str]
    supervisor: Supervisor
    reasons: dict[str, str] = field(default_factory=dict)
    """Why each game ended by itself the last time."""

    async def run(self) -> None:
        """Watch every game until cancelled; raises GameError where all are parked."""
        async with asyncio.TaskGroup() as group:
            for host, name in zip(self.hosts, self.names, strict=True):
                group.create_task(self.supervisor.run(name, partial(self._keep, host, name)), name=f"keep {name}")
        raise GameError("; ".join(dict.fromkeys(self.supervisor.parked.values())))

    async def _keep(self, host: HostedProcess, name: str) -> None:
        """Start the game where it has ended, and raise GameError with its reason when it ends again."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def on_end() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(ended.set)

        if not host.is_up and self.supervisor.faults.get(name):
            await asyncio.to_thread(host.again)
        host.watch(on_end)
        await ended.wait()
        self.reasons[name] = host.why()
        raise GameError(self.reasons[name])

    async def finish(self) -> None:
        """Tell the games to end; one that is being started again ends as well."""
        for host in self.hosts:
            host.leave()

    def status(self) -> dict[str, Any]:
        """How often each game ended by itself, why the last time, and which are not started again."""
        return {**self.supervisor.status(), "reasons": dict(self.reasons)}
