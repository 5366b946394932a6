"""Hosting a game: by name, in this process or in a child of its own.

A child ends when its parent does, however the parent ends: it watches the pipe that the parent holds open.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from agent.concurrency.child import ChildProcess
from agent.concurrency.frames import Failed, Frame, Message, decoder_of
from agent.concurrency.output import LineLog
from agent.concurrency.serving import ParentPipe
from agent.concurrency.signals import answered, dying_at_once, stopping_within
from agent.concurrency.supervise import Failure, attempt
from agent.core.clock import SystemClock
from agent.core.compiled import is_whole
from agent.core.errors import AgentError, GameError, SettingsError, first_error
from agent.core.files import check_output, write_atomically
from agent.core.suggest import did_you_mean
from agent.core.types import Shown
from agent.games.contract import HostedGame
from agent.games.options import HostOptions, check_arena, check_environment, is_desktop, is_gymnasium
from agent.games.server import GameServer, ServerOptions

if TYPE_CHECKING:
    from agent.games.arena.calibration import Calibration
    from agent.games.arena.window import Window
    from agent.games.recording import HostRecorder
    from agent.journal.keeping import Keep

Ready = Callable[[int, HostedGame], None]
"""Told the port that a game listens on, and the game."""
KINDS = ("arena", "gym:ID", "dream:FILE", "desktop:WINDOW", "MODULE:FACTORY")
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 3.0
LEFT_S = 10.0
"""A game whose parent has left, and whose step does not return for so long, is ended."""
SLICE_S = 0.2
"""On Windows a wait for a thread answers Ctrl-C only when it ends."""
WINDOW_HZ = 30.0
BY_STOP_KEY = "ended_by_stop_key"
log = structlog.get_logger(__name__)


def build_game(options: HostOptions, say: Callable[[str], None] = lambda text: None) -> HostedGame:
    """The game that a name stands for, reset to its seed; raises SettingsError for a name that means nothing.

    `say` is told what takes time.
    """
    spec = options.game
    _ = options.capture_px  # raises where it cannot be read, whatever is hosted
    check_arena(options, spec)
    if spec == "arena":
        from agent.games.arena.compiling import compile_arena
        from agent.games.arena.game import ArenaGame

        compile_arena(say)
        game: HostedGame = ArenaGame(
            capture_px=options.capture_px, calibration=_calibration(options.calibration), tier=options.tier,
            character=options.character,
        )  # fmt: skip
    elif is_gymnasium(spec):
        from agent.games.gymnasium_host import GymnasiumGame

        say(f"{spec} is made and reset")
        game = GymnasiumGame(spec, options.profile, options)
    elif is_desktop(spec):
        from agent.games.desktop_host import desktop_game

        say(f"{spec}: its window is looked for")
        game = desktop_game(options)
    else:
        raise SettingsError(f"{spec}: no such game; there are {', '.join(KINDS)}{did_you_mean(spec, KINDS)}")
    game.reset(options.seed, start=options.start)
    return game


def _calibration(path: Path | None) -> Calibration | None:
    if path is None:
        return None
    from agent.games.arena.calibration import load_calibration

    return load_calibration(path)


def game_notes(game: HostedGame) -> list[str]:
    """What a person should know of a game at its start; empty where it says nothing."""
    notes: Callable[[], list[str]] = getattr(game, "notes", list)
    return notes()


def shown_by(game: HostedGame) -> Shown | None:
    """What a Gymnasium environment shows and takes; None of another game."""
    shown: Shown | None = getattr(game, "shown", None)
    return shown


class _Stop(Exception):
    """The server is told to end; ends its TaskGroup."""


async def _serve(
    game: HostedGame, options: HostOptions, ready: Ready, stop: asyncio.Event, recorder: HostRecorder | None
) -> Any:
    frame_hz = max(options.frame_hz, WINDOW_HZ) if options.window else options.frame_hz
    settings = ServerOptions(port=options.port, mode=options.mode, frame_format=options.format, frame_hz=frame_hz)
    window = _open_window(game, recorder) if options.window else None

    async def serve() -> None:
        await server.run(lambda port: ready(port, game))
        raise _Stop

    def is_closed() -> bool:
        """A person closed the window, or pressed the stop key of a game on the desktop."""
        return window.closed if window is not None else bool(getattr(game, "stopped", False))

    async def until_stopped() -> None:
        while not is_closed() and not stop.is_set():  # noqa: ASYNC110 - a window is asked
            await asyncio.sleep(0.1)
        raise _Stop

    if window is None:
        human = getattr(game, "human", nobody_plays)
        server = GameServer(game, settings, SystemClock(), recorder=recorder, human=human)
    else:
        server = GameServer(
            game, settings, SystemClock(), human=window.human, on_frame=window.show, recorder=recorder
        )  # fmt: skip
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(), name="serve game")
            group.create_task(until_stopped(), name="stop")
    except* _Stop:
        pass
    except* AgentError as group_of_errors:
        raise first_error(group_of_errors) from group_of_errors
    finally:
        game.close()
        if window is not None:
            window.close()
    return server.summary() | ({BY_STOP_KEY: True} if getattr(game, "stopped", False) else {})


def nobody_plays() -> None:
    """No person plays at the game."""


def _open_window(game: HostedGame, recorder: HostRecorder | None) -> Window:
    from agent.games.arena.game import ArenaGame
    from agent.games.arena.window import Window

    if not isinstance(game, ArenaGame):
        raise SettingsError(f"--window shows the arena alone, not {game.name}")
    return Window(game, save_clip=None if recorder is None else recorder.save_clip)


@dataclasses.dataclass(frozen=True)
class HostRecording:
    """Where a hosted game is recorded, what of it is kept, and where clips go."""

    folder: Path
    keep: Keep
    clips: Path


def host(
    options: HostOptions,
    ready: Ready,
    *,
    parent: ParentPipe | None = None,
    say: Callable[[str], None] = lambda text: None,
    recording: HostRecording | None = None,
) -> dict[str, Any]:
    """Serve until stopped by Ctrl-C, or until the parent has left; `say` is told what the start does."""
    with dying_at_once():  # nothing was begun yet
        game = build_game(options, say)
    recorder = None if recording is None else _recorder(options, recording)
    summary: dict[str, Any] = {}

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        if parent is not None:
            _stop_on_signals(stop)
            parent.listen(lambda frame: None, lambda: _left(loop, stop))
            summary.update(await _serve(game, options, ready, stop, recorder))
            return
        with stopping_within(lambda: _tell(loop, stop), STOP_TIMEOUT_S):  # the loop may be held by a step
            summary.update(await _serve(game, options, ready, stop, recorder))

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    finally:
        if recorder is not None:
            recorder.close()
    return summary


def _recorder(options: HostOptions, recording: HostRecording) -> HostRecorder:
    """What writes down the hosted game; raises RecordingError where it cannot be written."""
    from agent.games.recording import HostRecorder

    return HostRecorder(
        recording.folder, recording.keep, recording.clips, game=options.game, seed=options.seed,
        real_time=options.mode == "real-time", clock=SystemClock(),
    )  # fmt: skip


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in answered():
        try:
            loop.add_signal_handler(number, stop.set)
        except (NotImplementedError, RuntimeError, ValueError):
            return


def _tell(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stop.set)


def _left(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """The parent has left: stop, at the latest when LEFT_S is over. A step may hold the loop for ever."""
    ending = threading.Timer(LEFT_S, os._exit, (1,))
    ending.daemon = True
    ending.start()
    _tell(loop, stop)


def run_host(options: HostOptions, recording: HostRecording | None = None) -> int:
    """The command `host`: serve one game and say where."""
    check_environment(options)
    if options.frame_hz < 0:
        raise SettingsError(f"--frame-hz {options.frame_hz}: at least 0, which sends no pictures")
    if options.report is not None:
        check_output("--report", options.report)

    def ready(port: int, game: HostedGame) -> None:
        print(f"{options.game} at bonklink://127.0.0.1:{port}", flush=True)
        for note in game_notes(game):
            print(note, file=sys.stderr, flush=True)

    def say(text: str) -> None:
        if not compiled:
            print(text, file=sys.stderr, flush=True)

    compiled = options.game != "arena" or is_whole()
    summary = attempt(lambda: host(options, ready, say=say, recording=recording))
    if isinstance(summary, Failure):
        raise GameError(_words(summary.error)) from summary.error
    print(json.dumps(summary), flush=True)
    if recording is not None:
        print(f"the recording is in {recording.folder}", file=sys.stderr, flush=True)
    if options.report is not None:
        try:
            write_atomically(options.report, json.dumps(summary, indent=2))
        except OSError as error:
            raise SettingsError(f"--report {options.report}: {error.strerror or error}; it was not written") from error
    return 0


class Listening(Message, frozen=True):
    """The child's first message: the game listens on this port."""

    port: int
    notes: list[str] = []
    shown: Shown | None = None


class Doing(Message, frozen=True):
    """What the child does while it starts."""

    what: str


class Ended(Message, frozen=True):
    """The child's last message: what the server did."""

    summary: dict[str, Any]


Told = Listening | Ended | Failed


class HostedProcess:
    """A game in a child process; a context that ends the child and everything that the game left behind.

    The child starts at once and `port` waits for it, so that the parent can do its own slow work meanwhile. What the
    game prints goes to the log, bounded.
    """

    def __init__(self, options: HostOptions) -> None:
        self.options = dataclasses.replace(options, port=0)
        self.summary: dict[str, Any] | None = None
        self.notes: list[str] = []
        self.shown: Shown | None = None
        self.doing = "its process starts"
        self._stopping = False
        self._on_end: Callable[[], None] = lambda: None
        self._start()

    def _start(self) -> None:
        told = self._told = queue.SimpleQueue[Told | None]()
        lines = self._lines = LineLog(self._say, SystemClock())
        self._port: int | None = None

        def hear(frame: Frame) -> None:
            message = decoder_of(Told | Doing).decode(frame.packed)
            if isinstance(message, Doing):
                self.doing = message.what
            else:
                told.put(message)

        def ended(code: int) -> None:
            told.put(None)
            if self._port is not None and not self._stopping:
                self._on_end()

        arguments = [msgspec.json.encode(self.options, enc_hook=str).decode()]
        self._child = ChildProcess(
            "hosted game", "agent.games.hosting", arguments, on_frame=hear, on_end=ended, on_line=lines.take,
            reaped=True,
        )  # fmt: skip

    def _say(self, line: str, left_out: int) -> None:
        more = {"lines_left_out": left_out} if left_out else {}
        log.info("game_says", game=self.options.game, line=line, **more)

    @property
    def pid(self) -> int:
        """Process id of the child, or of the reaper above it."""
        return self._child.pid

    @property
    def is_up(self) -> bool:
        """True while the child runs."""
        return self._child.exit_code is None

    @property
    def is_serving(self) -> bool:
        """True once the game listens."""
        return self._port is not None

    def port(self, timeout_s: float = START_TIMEOUT_S) -> int:
        """The port that the game listens on; raises GameError where the child fails or takes too long.

        Meanwhile `doing` says what the child does.
        """
        if self._port is None:
            message = self._first(timeout_s)
            if not isinstance(message, Listening):
                raise GameError(self._why(message))
            self._port, self.notes, self.shown = message.port, message.notes, message.shown
        return self._port

    def _first(self, timeout_s: float) -> Told | None:
        """The child's first message, None where it has ended; raises GameError where there is none in time."""
        clock = SystemClock()
        until_s = clock.now_s() + timeout_s
        while (left_s := until_s - clock.now_s()) > 0.0:
            with contextlib.suppress(queue.Empty):
                return self._told.get(timeout=min(SLICE_S, left_s))
        raise GameError(f"{self.options.game}: did not start within {timeout_s:.0f} s")

    def _why(self, message: Told | None) -> str:
        """Why the child ended: in its own words, or by its code and the last line that it printed."""
        game = self.options.game
        if isinstance(message, Failed):
            return message.error if game in message.error else f"{game}: {message.error}"
        said = f", having said: {self._lines.last}" if self._lines.last else ""
        return f"{game}: the game's process ended {_how(self._child.exit_code)}{said}"

    def watch(self, on_end: Callable[[], None]) -> None:
        """Call `on_end`, from another thread, where the child ends before `stop`."""
        self._on_end = on_end
        if not self.is_up:
            on_end()

    def why(self) -> str:
        """Why the child ended, as one line."""
        heard = list(self._heard())
        said = [message for message in heard if isinstance(message, Failed)]
        if any(isinstance(message, Ended) and message.summary.get(BY_STOP_KEY) for message in heard):
            self._stopping = True  # a person wants it to end: it is not started again
            return f"{self.options.game}: was ended by its stop key"
        return self._why(said[-1] if said else None)

    def again(self) -> None:
        """Start anew on the port that it had, and wait until it listens; raises GameError, also after `stop`."""
        if self._port is not None:
            self.options = dataclasses.replace(self.options, port=self._port)
        if self._stopping:
            raise GameError(f"{self.options.game}: is told to end")
        self._start()
        try:
            self.port()
        except GameError:
            self._child.kill()
            raise

    def _heard(self) -> Iterator[Told | None]:
        while not self._told.empty():
            yield self._told.get()

    def leave(self) -> None:
        """Tell the child to end, and do not wait for it; one that does not serve yet is killed."""
        self._stopping = True
        if self._port is None:
            self._child.kill()
        self._child.leave()

    def stop(self, within_s: float = STOP_TIMEOUT_S) -> dict[str, Any] | None:
        """End the child and return the server's summary, None where it gave none: one that never served has none."""
        self._stopping = True
        self._child.close(within_s if self._port is not None else 0.0)
        for message in self._heard():
            if isinstance(message, Ended):
                self.summary = message.summary
        return self.summary

    def __enter__(self) -> HostedProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _how(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"with code {code}"


def _child_main(argument: str) -> int:
    """The child's main: options in, one message with the port out, one with the summary at the end."""
    pipe = ParentPipe()

    def work() -> dict[str, Any]:
        options = msgspec.json.decode(argument, type=HostOptions, dec_hook=lambda kind, text: kind(text))

        def ready(port: int, game: HostedGame) -> None:
            pipe.tell(Listening(port=port, notes=game_notes(game), shown=shown_by(game)))

        return host(options, ready, parent=pipe, say=lambda what: pipe.tell(Doing(what=what)))

    summary = attempt(work)
    if isinstance(summary, Failure):
        pipe.tell(Failed(error=_words(summary.error)))
        return 1
    pipe.tell(Ended(summary=summary))
    return 0


def _words(error: Exception) -> str:
    """What went wrong, in one line; an error that is not ours with its place."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    failure = Failure.of(error)
    return str(error) if isinstance(error, AgentError) else f"{failure.reason} ({failure.where()})"


if __name__ == "__main__":
    sys.exit(_child_main(sys.argv[1]))
