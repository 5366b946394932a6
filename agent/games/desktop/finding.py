"""Finding the window to play: by its title, or by starting a program and waiting for its window."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Final

import psutil

from agent.core.clock import Clock
from agent.core.errors import GameError, SettingsError
from agent.core.suggest import did_you_mean
from agent.games.desktop.interface import Desktop, WindowInfo

START_S: Final = 60.0
"""A program that was started may take so long until it shows a window."""
STEADY_S: Final = 1.0
"""A window that was there for so long is no splash screen that goes at once."""
END_S: Final = 2.0
_GAMES: Final = "" if sys.platform == "win32" else ":/usr/games:/usr/local/games"
"""Where distributions put games; not every shell looks there."""
_SECRET: Final = ("METABONK_",)
"""Settings of this program, among them keys and tokens, are not the game's to read."""


class Program:
    """A program that this one started, and all that it starts. command: as it would be typed, without a shell."""

    def __init__(self, command: Sequence[str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_SECRET)}
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=subprocess.STDOUT, env=environment,
                start_new_session=sys.platform != "win32",
            )  # fmt: skip
        except OSError as error:
            self._said.close()
            raise GameError(f"{command[0]}: {error.strerror or error}") from error

    def pids(self) -> set[int]:
        """Its processes that run."""
        try:
            return {self._process.pid, *(p.pid for p in psutil.Process(self._process.pid).children(recursive=True))}
        except psutil.Error:
            return set()

    @property
    def is_up(self) -> bool:
        """True while it runs."""
        return self._process.poll() is None

    def why(self) -> str:
        """How it ended, and the last line that it printed."""
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 2000))
        lines = self._said.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        said = f", having said: {last[:200]}" if last.isprintable() and last else ""
        return f"ended with code {self._process.poll()}{said}"

    def close(self) -> None:
        """End it and what it started."""
        pids = self.pids()
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._said.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._process.terminate()
            else:
                os.killpg(self._process.pid, number)


def find(desktop: Desktop, wanted: str, clock: Clock) -> tuple[WindowInfo, Program | None]:
    """The window that `desktop:WANTED` stands for, and the program where it had to be started.

    A title that is exactly so goes first, then a program of that name, then a title that has it in it.
    """
    windows = desktop.windows()
    exact = [w for w in windows if w.title.casefold() == wanted.casefold()]
    if exact:
        return exact[0], None
    command = _command(wanted)
    if command:
        return _started(desktop, command, {w.id for w in windows}, clock)
    within = [w for w in windows if wanted.casefold() in w.title.casefold()]
    if len(within) == 1:
        return within[0], None
    titles = [w.title for w in windows]
    if within:
        raise SettingsError(f"desktop:{wanted}: several windows are called so: {', '.join(w.title for w in within)}")
    there = f"; there are: {', '.join(titles[:8])}" if titles else ""
    raise SettingsError(
        f"desktop:{wanted}: no window has this title, and no program this name{did_you_mean(wanted, titles)}{there}"
    )


def _command(wanted: str) -> list[str]:
    """A command in its words, [] where its first one is no program."""
    try:
        words = shlex.split(wanted, posix=sys.platform != "win32")
    except ValueError:
        return []
    program = shutil.which(words[0], path=os.environ.get("PATH", os.defpath) + _GAMES) if words else None
    return [program, *words[1:]] if program is not None else []


def _started(
    desktop: Desktop, command: Sequence[str], before: set[int], clock: Clock
) -> tuple[WindowInfo, Program | None]:
    """Start a program, and wait for a window of it; of windows whose process nobody says, a new one."""
    program = Program(command)
    try:
        return _window_of(desktop, program, command[0], before, clock), program
    except BaseException:
        program.close()
        raise


def _window_of(desktop: Desktop, program: Program, name: str, before: set[int], clock: Clock) -> WindowInfo:
    until_s, seen, seen_s = clock.now_s() + START_S, None, 0.0
    while clock.now_s() < until_s:
        found = window_of(desktop, program.pids(), before)
        if found is None or seen is None or found.id != seen.id:
            seen, seen_s = found, clock.now_s()
        elif clock.now_s() - seen_s >= STEADY_S:
            return found
        if not program.is_up and found is None:
            raise GameError(f"{name}: {program.why()}")
        _pause(0.1)
    raise GameError(f"{name}: showed no window within {START_S:.0f} s")


def window_of(desktop: Desktop, pids: set[int], before: set[int]) -> WindowInfo | None:
    """The largest window of these processes; else the largest one that was not there `before` and is nobody's."""
    windows = desktop.windows()
    ours = [w for w in windows if w.pid in pids] or [w for w in windows if w.pid == 0 and w.id not in before]
    return max(ours, key=lambda w: _area(desktop, w), default=None)


def _area(desktop: Desktop, window: WindowInfo) -> int:
    place = desktop.place(window.id)
    return 0 if place is None else place.width * place.height


def _pause(seconds: float) -> None:
    import threading

    threading.Event().wait(seconds)


__all__: Sequence[Any] = ("Program", "find", "window_of")
