"""What is pushed: journaled before it is acknowledged, applied at most once, shared out over versions."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core.errors import LearnerAway, RequestError
from agent.learner.bodies import ROLLOUT_ID
from agent.learner.remote import inbox as inbox_module
from agent.learner.remote.calls import LearnerCalls, Settled
from agent.learner.remote.rollout_log import read_entries
from agent.learner.tensor_bodies import write_tensors
from agent.learning.configs import MAX_VERSIONS_OLD
from tests.learner.remote.side import TOKEN, LearnerSide, learner, rollout, until


async def push(calls: LearnerCalls, number: int, version: int = -1, game: str = "game", **changes: Any) -> Settled:
    body = write_tensors(rollout(number, game=game), changes.get("name", f"r-{number}"), version)
    return await calls.push(zlib.compress(body))


def steps(folder: Path) -> list[tuple[str, str]]:
    return [(e.id, e.step) for e in read_entries(folder / "rollouts" / "log.jsonl")[0]]


def test_a_rollout_that_comes_again_is_acknowledged_again_and_applied_once(tmp_path: Path) -> None:
    async def main() -> LearnerSide:
        async with learner(tmp_path) as side, LearnerCalls(f"http://127.0.0.1:{side.port}", TOKEN) as calls:
            side.child.hold = asyncio.Event()
            first = await push(calls, 1)
            assert (first.ok, first.step, first.duplicate) == (True, "taken", False)
            assert steps(tmp_path)[0] == ("r-1", "taken")  # on disk when it is acknowledged
            both = await asyncio.gather(push(calls, 2), push(calls, 2))
            assert sorted(s.duplicate for s in both) == [False, True]
            side.child.hold.set()
            await until(lambda: len(side.child.learned) == 2)
            await until(lambda: side.log.step_of("r-1") == "done")
            again = await push(calls, 1)
            assert (again.ok, again.step, again.duplicate) == (True, "done", True)
            with pytest.raises(RequestError, match="rollout_id 'No!'"):
                await push(calls, 3, name="No!")
            return side

    side = asyncio.run(main())
    assert side.child.learned == [1, 2] and side.inbox.duplicates == 2
    assert not list((tmp_path / "rollouts").glob("*.rollout")) and ROLLOUT_ID.fullmatch("r-1")


def test_what_was_taken_before_a_kill_is_applied_after_it_and_what_was_begun_is_not(tmp_path: Path) -> None:
    async def main() -> list[int]:
        async with learner(tmp_path) as side, LearnerCalls(f"http://127.0.0.1:{side.port}", TOKEN) as calls:
            side.child.hold = asyncio.Event()
            for number in (1, 2, 3):
                await push(calls, number)
            await until(lambda: side.log.step_of("r-1") == "begun")
        async with learner(tmp_path) as side:
            await until(lambda: side.log.step_of("r-3") == "done")
            return side.child.learned

    assert asyncio.run(main()) == [2, 3]
    assert ("r-1", "lost") in steps(tmp_path)


def test_a_learners_process_that_dies_costs_one_rollout(tmp_path: Path) -> None:
    async def main() -> list[int]:
        async with learner(tmp_path) as side, LearnerCalls(f"http://127.0.0.1:{side.port}", TOKEN) as calls:
            side.child.dies = True
            await push(calls, 1)
            await until(lambda: side.log.step_of("r-1") == "lost")
            await push(calls, 2)
            await until(lambda: side.log.step_of("r-2") == "done")
            return side.child.learned

    assert asyncio.run(main()) == [2]


def test_an_old_rollout_is_dropped_counted_and_journaled(tmp_path: Path) -> None:
    async def main() -> None:
        async with learner(tmp_path) as side, LearnerCalls(f"http://127.0.0.1:{side.port}", TOKEN) as calls:
            for number in range(MAX_VERSIONS_OLD + 1):  # one worker: each is a version
                await push(calls, number)
            await until(lambda: side.learning.policies["p"].version == MAX_VERSIONS_OLD + 2)
            told = await push(calls, 50, version=1)
            assert (told.ok, told.step) == (False, "old") and "older than 10" in told.dropped
            assert side.learning.policies["p"].stale == 1 and ("r-50", "old") in steps(tmp_path)
            with pytest.raises(RequestError, match="the newest is 10"):
                await push(calls, 51, version=11)
            assert 50 not in side.child.learned and 51 not in side.child.learned

    asyncio.run(main())


def test_versions_are_shared_out_over_the_workers_that_push(tmp_path: Path) -> None:
    async def main() -> None:
        async with learner(tmp_path) as side, LearnerCalls(f"http://127.0.0.1:{side.port}", TOKEN) as calls:
            for number in range(8):
                await push(calls, number, game=f"game {number % 4}")
                await until(lambda n=number: len(side.child.learned) == n + 1)  # type: ignore[misc]
            await until(lambda: not side.inbox._unpublished)
            # The first of each game is counted while fewer have pushed: after 1, 3 and 7 rollouts.
            assert side.learning.policies["p"].version <= 5 and len(side.inbox.status()["workers"]) == 4

    asyncio.run(main())


def test_a_worker_comes_again_where_too_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "RETRY_S", 0.01)

    async def main() -> list[int]:
        async with contextlib.AsyncExitStack() as stack:
            side = await stack.enter_async_context(learner(tmp_path, max_waiting=2))
            calls = await stack.enter_async_context(LearnerCalls(f"http://127.0.0.1:{side.port}", TOKEN))
            side.child.hold = asyncio.Event()
            await push(calls, 1)
            await push(calls, 2)
            with pytest.raises(LearnerAway, match="503: 2 rollouts wait") as refused:
                await push(calls, 3)
            assert refused.value.answered and side.log.step_of("r-3") == ""
            side.child.hold.set()
            await until(lambda: len(side.child.learned) == 2)
            assert (await push(calls, 3)).step == "taken"
            await until(lambda: len(side.child.learned) == 3)
            return side.child.learned

    assert asyncio.run(main()) == [1, 2, 3]


def test_memory_of_another_size_is_refused_before_a_learner_sees_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with learner(tmp_path) as side, LearnerCalls(f"http://127.0.0.1:{side.port}", TOKEN) as calls:
            strange = rollout(1).__class__(**{
                **{name: getattr(rollout(1), name) for name in rollout(1).__struct_fields__},
                "carry": np.zeros(7, np.float32),
            })  # fmt: skip
            with pytest.raises(RequestError, match="carry: 7 numbers"):
                await calls.push(zlib.compress(write_tensors(strange, "r-1", -1)))
            assert not side.child.learned

    asyncio.run(main())
