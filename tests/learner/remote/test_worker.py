"""A worker beside a learner that is lost, slow, new or full: play goes on, each rollout is applied once at most."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from agent.learner.remote import worker as worker_module
from agent.learner.remote.rollout_log import read_entries
from tests.learner.remote.side import learner, rollout, until, worker
from tools.bench.cluster._proxy import FAULTS, FaultyProxy

ROLLOUTS = 60


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(worker_module, "POLL_S", 0.05)


def test_rollouts_that_are_lost_repeated_and_delayed_are_applied_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with learner(tmp_path) as side:
            proxy = FaultyProxy(f"http://127.0.0.1:{side.port}", share=0.6, seed=1, delay_s=0.05)
            async with proxy, worker(proxy.port) as mine:
                await until(lambda: mine.remote.version == 1)
                for number in range(ROLLOUTS):
                    mine.rollouts.put(rollout(number, version=99 + mine.reloader.taken))
                    await until(lambda n=number: mine.settled == n + 1)  # type: ignore[misc]
                await proxy.settle()
                await until(lambda: side.inbox.status()["waiting"] == 0)
            entries = read_entries(tmp_path / "rollouts" / "log.jsonl")[0]
            taken, begun, done, old = (
                {e.id for e in entries if e.step == s} for s in ("taken", "begun", "done", "old")
            )
            assert all(proxy.done[fault] > 3 for fault in FAULTS), proxy.done
            assert len(side.child.learned) == len(set(side.child.learned)), "one was applied twice"
            assert mine.parted == 1  # with the first weights alone
            assert begun == done and len(done) == len(side.child.learned) > 40
            assert mine.remote.pushed == len(taken), "acknowledged and journaled are not the same"
            assert taken <= done | old and len(taken | old) == mine.settled == ROLLOUTS
            assert side.inbox.duplicates > 5 and mine.remote.again > 5

    asyncio.run(main())


def test_play_goes_on_without_a_learner_and_pushes_when_there_is_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with learner(tmp_path) as side:
            port = side.port
            async with worker(port) as mine:
                await until(lambda: mine.remote.version == 1)
                mine.rollouts.put(rollout(0, version=100))
                await until(lambda: mine.settled == 1)
        # the worker ended too: another one begins while nobody learns
        async with worker(port) as mine:
            await until(lambda: mine.events == ["learner_away"])
            for number in range(1, 21):
                mine.rollouts.put(rollout(number, version=100))  # never waits
            assert mine.rollouts.dropped == 12 or mine.remote.too_early
            assert not mine.remote.is_up and not mine.pace.learns
            async with learner(tmp_path, port=port) as side:
                await until(lambda: mine.remote.version >= 1)
                assert mine.events == ["learner_away", "learner_there"]  # once, however often it was asked
                before = mine.settled
                mine.rollouts.put(rollout(30, version=99 + mine.reloader.taken))
                await until(lambda: mine.settled > before)
                await until(lambda: 30 in side.child.learned)

    asyncio.run(main())


def test_a_learner_that_has_forgotten_its_versions_is_followed_from_its_newest(tmp_path: Path) -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as first:
            side = await first.enter_async_context(learner(tmp_path / "old"))
            async with worker(side.port) as mine:
                await until(lambda: mine.remote.version == 1)
                for number in range(3):
                    mine.rollouts.put(rollout(number, version=99 + mine.reloader.taken))
                    await until(lambda n=number: mine.remote.version == n + 2)  # type: ignore[misc]
                await first.aclose()
                async with learner(tmp_path / "new", port=side.port):
                    await until(lambda: mine.remote.version == 1)
                    assert mine.remote.learner_version(99 + mine.reloader.taken) == 1

    asyncio.run(main())


def test_a_version_that_was_taken_back_is_told_as_the_one_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with worker(1) as mine:
            remote = mine.remote
            remote._of |= {100: 7, 101: 8}
            mine.reloader.rollbacks.append({"version": 102, "restores": 100, "taken_back": 101})
            assert [remote.learner_version(v) for v in (99, 100, 101, 102, 103)] == [-1, 7, 8, 7, -1]

    asyncio.run(main())
