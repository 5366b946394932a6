"""How far a training is: a bar at a terminal, a line every few seconds where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.core.clock import Clock

PLAIN_S: Final = 5.0


class TrainingProgress:
    """A context in which `update` shows how far a training is; `done` of `total` steps are done at its beginning."""

    def __init__(self, console: Console, clock: Clock, game: str, done: int, total: int) -> None:
        self._console, self._clock, self._total = console, clock, total
        self._before, self._start_s = done, clock.now_s()
        self._said_s = self._start_s
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console) if console.is_terminal else None
        self._task = None if self._bar is None else self._bar.add_task(game, total=total, completed=done)

    def update(self, steps: int, description: str) -> None:
        """Show that so many steps are done; without a terminal as a line, at most one in five seconds."""
        now_s = self._clock.now_s()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=steps, description=description)
        elif now_s - self._said_s >= PLAIN_S or steps >= self._total:
            self._said_s = now_s
            rate_hz = (steps - self._before) / max(1e-9, now_s - self._start_s)
            share = min(1.0, steps / self._total)
            text = f"{description}: {steps:,} of {self._total:,} steps, {share:.0%}, {rate_hz:.0f} steps/s"
            self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def __enter__(self) -> TrainingProgress:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
