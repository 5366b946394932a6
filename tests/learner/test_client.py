"""The client of the learners: what the process refuses is said, and what the store lost comes from memory."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.core.clock import VirtualClock
from agent.core.errors import RequestError
from agent.learner.bodies import Arrays
from agent.learner.client import KIND, Learning
from agent.learner.messages import Done, Imitate, Imitated, Learn, Learned, Load, Open, Opened
from agent.learning.configs import Budget
from agent.store.store import WeightsStore, folder_name

HEAD = Arrays(instance="w", policy="p", version=-1, steps=4, features=2, continuous=1, branches=[2])
LAYOUT = {"features": 2, "continuous": 1, "branches": [2]}


class Process:
    """Answers as the learner's process does, with one weight that counts its rollouts."""

    def __init__(self) -> None:
        self.starts, self.is_up, self.value, self.asked = 1, True, 0.0, list[type]()
        self.refused = ""
        self.spoilt = False
        self.meanwhile: Callable[[], Any] | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def call(self, message: Any, answer: Any, payload: bytes = b"", **_: Any) -> tuple[Any, bytes]:
        self.asked.append(type(message))
        given = self._answer(message, payload)
        if isinstance(message, (Learn, Imitate)) and self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await asyncio.to_thread(happens)
        await self.gate.wait()
        return given

    def _answer(self, message: Any, payload: bytes) -> tuple[Any, bytes]:
        if isinstance(message, (Open, Load)) and payload:
            self.value = float(load(payload)["w"][0])
        if isinstance(message, Open):
            return Opened(parts=["ppo"], begun="anew", place="cpu"), self._weights()
        if isinstance(message, (Learn, Imitate)):
            self.value += 1.0
            return self._learned() if isinstance(message, Learn) else (Imitated(metrics={}), self._weights())
        return Done(), b""

    def _learned(self) -> tuple[Learned, bytes]:
        parked = {"ppo": self.refused} if self.refused else {}
        answer = Learned(losses={}, parked=parked, seconds={}, steps=4, refused=self.refused)
        return answer, b"" if self.refused else self._weights()

    def _weights(self) -> bytes:
        return save({"w": np.full(3, float("nan") if self.spoilt else self.value, np.float32)})


@contextlib.asynccontextmanager
async def learning(folder: Path) -> AsyncIterator[tuple[Learning, Process]]:
    disk, process = Lane("disk"), Process()
    clock = VirtualClock()
    made = Learning(WeightsStore(folder), disk, clock, Supervisor(clock), Budget())
    made.child.close()
    made.child = process  # type: ignore[assignment]
    try:
        yield made, process
    finally:
        disk.close()


async def served(made: Learning) -> tuple[int, float]:
    found = await made.weights("p", -1)
    assert found is not None
    return found[0], float(load(found[1])["w"][0])


def test_a_rollout_that_gives_nothing_sound_is_not_ok_and_the_last_good_version_is_served(tmp_path: Path) -> None:
    async def main() -> None:
        async with learning(tmp_path) as (made, process):
            assert (await made.push(HEAD, b""))["ok"] and await served(made) == (2, 1.0)
            process.spoilt = True
            with pytest.raises(RequestError, match="not finite; nothing was stored"):
                await made.push(HEAD, b"")
            process.spoilt, process.refused = False, "ppo is parked: tensor w has values that are not finite"
            reply = await made.push(HEAD, b"")
            assert not reply["ok"] and "ppo is parked" in reply["error"] and reply["version"] == 2
            assert await served(made) == (2, 1.0)
        assert WeightsStore(tmp_path).load("p")[1]["w"][0] == 1.0

    asyncio.run(main())


def test_learning_that_is_given_up_ends_its_process_and_answers_with_the_reason(tmp_path: Path) -> None:
    async def main() -> None:
        clock, disk = VirtualClock(), Lane("disk")
        supervisor = Supervisor(clock)
        made = Learning(WeightsStore(tmp_path), disk, clock, supervisor, Budget())
        assert made.parked == "" and await made.give_up("too much memory is in use") != ""
        assert made.parked == supervisor.parked["learner"] == "too much memory is in use"
        with pytest.raises(RequestError, match="parked: too much memory is in use") as refused:
            await made.push(HEAD, b"")
        assert refused.value.status == 503 and made.child.starts == 0
        assert await made.give_up("again") == "" and made.parked == "too much memory is in use"
        disk.close()

    asyncio.run(main())


def test_what_the_store_lost_is_served_and_written_again_also_for_a_new_process(tmp_path: Path) -> None:
    async def main() -> None:
        async with learning(tmp_path) as (made, process):
            await made.push(HEAD, b"")
            shutil.rmtree(tmp_path / folder_name("p"))
            process.starts, process.value = 2, -1.0
            assert (await made.push(HEAD, b""))["version"] == 3, "numbers do not go back"
            assert process.value == 2.0, "the new process went on from the weights in memory"
            shutil.rmtree(tmp_path / folder_name("p"))
            assert await served(made) == (3, 2.0)
            stored, tensors = WeightsStore(tmp_path).load("p")
            assert stored.version == 3 and stored.manifest.layout == LAYOUT and tensors["w"][0] == 2.0

    asyncio.run(main())


@pytest.mark.parametrize("restarts", [0, 1])
def test_a_version_of_another_process_is_gone_on_from_and_served(tmp_path: Path, restarts: int) -> None:
    async def main() -> None:
        async with learning(tmp_path) as (made, process):
            await made.push(HEAD, b"")
            theirs = {"w": np.full(3, 40.0, np.float32)}
            WeightsStore(tmp_path).publish("p", theirs, kind=KIND, layout=LAYOUT)
            process.starts += restarts
            assert await served(made) == (3, 40.0)
            assert (await made.push(HEAD, b""))["version"] == 4 and await served(made) == (4, 41.0)
            assert process.asked.count(Load) == 1 - restarts

    asyncio.run(main())


@pytest.mark.parametrize("way", ["push", "demo"])
def test_what_was_learned_while_another_process_published_is_dropped(tmp_path: Path, way: str) -> None:
    theirs = {"w": np.full(3, 40.0, np.float32)}

    async def main() -> None:
        async with learning(tmp_path) as (made, process):
            await made.push(HEAD, b"")
            process.meanwhile = lambda: WeightsStore(tmp_path).publish("p", theirs, kind=KIND, layout=LAYOUT)
            reply = await getattr(made, way)(HEAD, b"")
            assert not reply["ok"] and "version 3" in reply["dropped"] and await served(made) == (3, 40.0)
            assert (await made.push(HEAD, b""))["version"] == 4 and await served(made) == (4, 41.0)

    asyncio.run(main())


def test_what_was_learned_before_another_version_was_taken_up_is_dropped_also_where_the_disk_is_slow(
    tmp_path: Path,
) -> None:
    theirs = {"w": np.full(3, 40.0, np.float32)}

    async def main() -> None:
        async with learning(tmp_path) as (made, process):
            await made.push(HEAD, b"")
            process.gate.clear()
            first = asyncio.ensure_future(made.push(HEAD, b""))
            while process.asked.count(Learn) < 2:
                await asyncio.sleep(0.001)
            WeightsStore(tmp_path).publish("p", theirs, kind=KIND, layout=LAYOUT)
            second = asyncio.ensure_future(made.push(HEAD, b""))
            while Load not in process.asked:
                await asyncio.sleep(0.001)
            disk_may = threading.Event()
            made._disk.submit(lambda: disk_may.wait(60))
            process.gate.set()  # the answer to the first push, then the one to the load
            while process.asked.count(Learn) < 3:
                await asyncio.sleep(0.001)
            disk_may.set()
            assert "dropped" in await first and (await second)["version"] == 4 and await served(made) == (4, 41.0)

    asyncio.run(main())


def test_rollouts_that_are_learned_from_at_once_drop_none(tmp_path: Path) -> None:
    async def main() -> None:
        async with learning(tmp_path) as (made, _):
            replies = await asyncio.gather(*(made.push(HEAD, b"") for _ in range(4)))
            assert [reply["ok"] for reply in replies] == [True] * 4 and await served(made) == (5, 4.0)

    asyncio.run(main())


def test_a_store_that_cannot_be_read_is_an_answer_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    async def main() -> None:
        (tmp_path / folder_name("p")).mkdir()
        async with learning(tmp_path) as (made, _):
            monkeypatch.setattr(Path, "iterdir", refuse)
            with pytest.raises(RequestError, match="policy-p: Permission denied") as caught:
                await served(made)
            assert caught.value.status == 507

    asyncio.run(main())


def test_what_is_no_motor_is_not_served_as_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with learning(tmp_path) as (made, _):
            await made.push(HEAD, b"")
            with pytest.raises(RequestError, match="policy p is a flat-policy, not a motor; ask /get_weights"):
                await made.motor_weights("p", -1)
            with pytest.raises(RequestError, match="there is no policy q"):
                await made.motor_weights("q", -1)

    asyncio.run(main())
