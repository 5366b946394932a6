"""The scientist in a session: it keeps runs, learns off the loop, tells what is certain, and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from agent.control.policy import Capabilities
from agent.control.random_policy import RandomPolicy
from agent.core.clock import SystemClock
from agent.learner.science.part import EUREKA, MAX_WAITING, Science, build_science
from agent.session.options import Cards
from tests.learner.science.runs import run_of

T = TypeVar("T")


class Now:
    """Runs everything at once."""

    async def run(self, fn: Callable[[], T]) -> T:
        return fn()


class TakesCards(RandomPolicy):
    """Says that it takes another's cards."""

    capabilities = Capabilities(chooses_cards=cast(Any, "itself"))


@dataclass(frozen=True)
class Told:
    """What a session is told of cards."""

    weights_dir: Path | None
    cards: Cards | None = Cards(explores=True)
    names: tuple[str, ...] = ("game",)
    game: str = "arena"
    rules: str = "r"


def build(folder: Path, said: list[tuple[str, str]]) -> Science:
    def say(kind: str, message: str, payload: dict[str, Any]) -> None:
        said.append((kind, message))

    part = build_science(Told(folder), TakesCards(0), SystemClock(), Now(), say)
    assert part is not None
    return part


def test_it_is_off_where_it_is_not_wanted_nothing_is_kept_or_the_policy_takes_its_own_cards(tmp_path: Path) -> None:
    def built(told: Told, policy: RandomPolicy) -> Science | None:
        return build_science(told, policy, SystemClock(), Now(), lambda kind, message, payload: None)

    assert built(Told(tmp_path), RandomPolicy(0)) is None
    assert built(Told(None), TakesCards(0)) is None and built(Told(tmp_path, None), TakesCards(0)) is None


async def until(part: Science, done: Callable[[], bool]) -> None:
    """Let the part run until something is so."""
    task = asyncio.create_task(part.run())
    try:
        async with asyncio.timeout(60):
            while not done():
                assert not task.done(), task.exception()
                await asyncio.sleep(0.005)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def session(folder: Path, numbers: range, said: list[tuple[str, str]]) -> Science:
    """Learn from runs of these numbers."""
    part = build(folder, said)
    for number in numbers:
        part.runs.put_nowait(run_of(number, effect=12.0))
    before = sum(1 for _ in part.book.runs())
    await until(part, lambda: part.study.scientist.runs == before + len(numbers) and part.runs.empty())
    await part.finish()
    part.close()
    return part


def test_it_goes_on_where_it_was_and_tells_an_effect_once(tmp_path: Path) -> None:
    async def main() -> None:
        said: list[tuple[str, str]] = []
        first = await session(tmp_path, range(30), said)
        assert first.book.path == tmp_path / "cards" / "arena.sqlite"
        bows = [message for kind, message in said if kind == EUREKA and "bow" in message and "score" in message]
        assert len(bows) == 1 and "more score" in bows[0]
        said.clear()
        second = await session(tmp_path, range(30, 40), said)
        whole = [run_of(number, effect=12.0) for number in range(40)]
        assert list(second.book.runs()) == whole and second.study.scientist.menus == 800
        assert not [message for kind, message in said if kind == EUREKA and message == bows[0]], "it was known before"
        straight = build(tmp_path / "other", [])
        for run in whole:
            straight.study.learn(run)
        straight.close()
        one, other = (part.study.beliefs() for part in (second, straight))
        assert np.array_equal(one.means, other.means), "as if it had been one session"

    asyncio.run(main())


def test_the_chooser_and_the_status_know_what_was_learned(tmp_path: Path) -> None:
    async def main() -> None:
        part = build(tmp_path, [])
        for number in range(30):
            part.runs.put_nowait(run_of(number, effect=12.0))
        await until(part, lambda: part.explorer.beliefs.menus == 600)
        part.close()
        status = part.status()
        assert status["menus"] == 600 and status["effects"]["score_s"][0]["name"] == "bow" and status["eurekas"]
        assert status["epsilon"] == 0.15 and status["explores"] and status["chances"] == [{}] and not status["refused"]
        assert part.explorer.beliefs.of("bow")[0] > 5.0

    asyncio.run(main())


def test_a_book_that_cannot_be_used_is_said_and_learning_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "cards").mkdir()
        (tmp_path / "cards" / "arena.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 50)
        said: list[tuple[str, str]] = []
        part = build(tmp_path, said)
        part.runs.put_nowait(run_of(1))
        await until(part, lambda: part.study.scientist.runs == 1)
        await part.finish()
        part.close()
        assert said[0][0] == "book_refused" and "move it away" in part.status()["refused"]

    asyncio.run(main())


def test_runs_that_nobody_learns_from_are_counted_and_the_rest_is_kept_at_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        part = build(tmp_path, [])
        told: Any = part.watch._ended
        for number in range(MAX_WAITING + 3):
            told(run_of(number, menus=1))
        await part.finish()
        part.close()
        assert part.status()["dropped_runs"] == 3 and sum(1 for _ in part.book.runs()) == MAX_WAITING

    asyncio.run(main())
