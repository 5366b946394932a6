"""The process that makes lessons for a learner for play: neither play nor the learner waits for the arena's rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.concurrency.frames import Message
from agent.concurrency.serving import limit_process, serve_calls
from agent.learner.bodies import pack_rollout
from agent.learner.messages import Lesson, NextLesson

if TYPE_CHECKING:
    from agent.core.rollout import Rollout

MAX_LESSONS = 1 << 30


class TeacherProcess:
    """Plays the kiter on and on, a rollout for each call, paid by the table of the first."""

    def __init__(self) -> None:
        self._lessons: Iterator[Rollout] | None = None

    def handle(self, message: NextLesson, payload: bytes = b"") -> tuple[Message, bytes]:
        """The next rollout."""
        if self._lessons is None:
            from agent.control.reward import RewardTable
            from agent.games.arena.compiling import compile_arena
            from agent.games.arena.game import ArenaGame
            from agent.learner.lessons import lessons

            compile_arena()
            self._lessons = lessons(ArenaGame(), MAX_LESSONS, reward=RewardTable(message.reward))
        rollout = next(self._lessons)
        return Lesson(steps=len(rollout)), pack_rollout(rollout)


if __name__ == "__main__":
    limit_process(low_priority=True)
    serve_calls(NextLesson, TeacherProcess().handle)
