"""The client of the learners: what the process refuses is said, and what the store lost comes from memory."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
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
from agent.learner.messages import Done, Learn, Learned, Load, Open, Opened
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

    async def call(self, message: Any, answer: Any, payload: bytes = b"", **_: Any) -> tuple[Any, bytes]:
        self.asked.append(type(message))
        if isinstance(message, (Open, Load)) and payload:
            self.value = float(load(payload)["w"][0])
        if isinstance(message, Open):
            return Opened(parts=["ppo"], begun="anew", place="cpu"), self._weights()
        if isinstance(message, Learn):
            self.value += 1.0
            return self._learned()
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


def test_a_version_of_another_process_is_gone_on_from_and_served(tmp_path: Path) -> None:
    async def main() -> None:
        async with learning(tmp_path) as (made, process):
            await made.push(HEAD, b"")
            theirs = {"w": np.full(3, 40.0, np.float32)}
            WeightsStore(tmp_path).publish("p", theirs, kind=KIND, layout=LAYOUT)
            assert await served(made) == (3, 40.0)
            assert (await made.push(HEAD, b""))["version"] == 4 and await served(made) == (4, 41.0)
            assert process.asked.count(Load) == 1

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
