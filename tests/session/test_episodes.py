"""The log of finished episodes: how many are kept, when there are enough, and who pays for their statistics."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from agent.concurrency.lane import Lane
from agent.control.score import summarise
from agent.core.clock import VirtualClock
from agent.core.types import Action
from agent.session import episodes
from agent.session.episodes import REST_S, EpisodeLog
from tests.control.test_control import observe
from tests.link.game_side import state


def test_more_episodes_than_are_kept_by_default_can_be_asked_for() -> None:
    told: list[int] = []
    log = EpisodeLog(1, keep=2, enough=3, on_enough=lambda: told.append(len(log.results)))
    for _ in range(3):
        log.on_step(msgspec.structs.replace(observe(state(1)), is_last=True, is_terminal=True), Action(), 0)
    assert told == [3]


def test_the_mean_score_is_of_every_finished_episode() -> None:
    log = EpisodeLog(1, keep=1)
    assert log.mean_score() == (0, None, "score_s")
    for survival_s in (10.0, 20.0):
        ended = msgspec.structs.replace(state(1), game_time_s=survival_s)
        log.on_step(msgspec.structs.replace(observe(ended), is_last=True, is_terminal=True), Action(), 0)
    assert log.mean_score() == (2, 15.0, "score_s")


def end_one(log: EpisodeLog) -> None:
    log.on_step(msgspec.structs.replace(observe(state(1)), is_last=True, is_terminal=True), Action(), 0)


def test_statistics_are_made_once_an_episode_beside_the_loop_and_never_by_who_reads_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[int, bool]] = []

    def counted(results: Any) -> dict[str, Any]:
        made.append((len(results), threading.current_thread() is threading.main_thread()))
        return summarise(results)

    monkeypatch.setattr(episodes, "summarise", counted)

    async def main() -> None:
        log, clock = EpisodeLog(1), VirtualClock()
        with Lane("statistics") as lane:
            task = asyncio.ensure_future(log.keep_statistics(lane, clock))
            assert log.summary() == {"count": 0}
            for count in (1, 2):
                end_one(log)
                assert (log.summary()["count"], log.summary().get("statistics_of", 0)) == (count, count - 1)
                for _ in range(2000):
                    await asyncio.sleep(0.001)
                    if log.summary().get("statistics_of") == count:
                        break
                await clock.advance(REST_S)
                assert [log.summary() for _ in range(100)][-1]["score_s"] == log.whole_summary()["score_s"]
            for _ in range(50):
                end_one(log)
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert [count for count, on_loop in made if not on_loop] == [1, 2, 52], "a burst costs one"


def test_statistics_of_many_short_episodes_rest_longer_than_they_work(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    async def main() -> None:
        log, clock = EpisodeLog(1), VirtualClock()

        class Slow:
            async def run(self, fn: Any) -> Any:
                made.append(clock.now_s())
                await clock.sleep_until(clock.now_s() + 1.0)
                end_one(log)
                return fn()

        task = asyncio.ensure_future(log.keep_statistics(Slow(), clock))
        end_one(log)
        await asyncio.sleep(0)
        for _ in range(65):
            await clock.advance(1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert made == [0.0, 21.0, 42.0, 63.0]


def test_episodes_beyond_those_that_are_kept_are_counted() -> None:
    log = EpisodeLog(1, keep=2)
    for _ in range(2):
        end_one(log)
    assert log.whole_summary() == summarise(log.results)
    end_one(log)
    assert log.summary() == {"count": 3, "wins": 0} and len(log.as_builtins()) == 2
    whole = log.whole_summary()
    assert (whole["count"], whole["statistics_of"]) == (3, 2) and whole["kills"] == summarise(log.results)["kills"]
