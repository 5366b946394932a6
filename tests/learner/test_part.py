"""Learning as parts of a session: what each hands on, and to whom."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from agent.learner.part import CardsByOutcomes, Learners, LearnFromPlay


class Noted:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def close(self) -> None:
        self.asked.append("close")

    def status(self) -> dict[str, Any]:
        return {"asked": list(self.asked)}


class NotedAsync(Noted):
    async def begin(self) -> None:
        self.asked.append("begin")

    async def finish(self) -> None:
        self.asked.append("finish")


class NotedLive(Noted):
    def begin(self) -> None:
        self.asked.append("begin")

    async def run(self) -> None:
        self.asked.append("run")


def test_the_learners_save_before_their_process_ends() -> None:
    learning: Any = NotedAsync()
    part = Learners(learning)
    asyncio.run(part.finish())
    part.close()
    assert part.status() == {"asked": ["finish", "close"]}


def test_learning_from_play_begins_before_it_runs() -> None:
    live: Any = NotedLive()
    part = LearnFromPlay(live)

    async def main() -> None:
        await part.begin()
        await part.run()

    asyncio.run(main())
    assert part.status() == {"asked": ["begin", "run"]}


def test_the_model_that_chooses_cards_is_taken_up_before_play() -> None:
    outcomes: Any = NotedAsync()
    part = CardsByOutcomes(outcomes)
    asyncio.run(part.begin())
    assert part.status() == {"asked": ["begin"]}


def test_the_parts_are_told_apart_by_their_keys() -> None:
    nothing: Any = SimpleNamespace()
    keys = [part(nothing).key for part in (Learners, LearnFromPlay, CardsByOutcomes)]  # type: ignore[operator]
    assert keys == ["learner", "learning", "choices"]
