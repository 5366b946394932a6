"""Exchanging weights in play: what is refused, what is taken back, and what an exchange costs (T40, T41, T42)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from safetensors.numpy import save

from agent.concurrency.lane import Lane
from agent.control.policy import Capabilities
from agent.core.clock import VirtualClock
from agent.core.errors import WeightsError
from agent.core.latency import Latency
from agent.core.types import Action, Observation, Packet
from agent.models.sealed import manifest_path, save_sealed
from agent.session.act import ActLoop, Seat
from agent.session.sense import Feed
from agent.session.step_runner import StepRunner
from agent.store.reload import MAX_REASON, Reloader
from agent.store.store import WeightsStore
from tests.link.game_side import state

PERIOD_S = 1 / 60
START = {"gain": np.full((2, 2), 0.25, np.float32), "n": np.array(1, np.int64)}


@pytest.fixture(autouse=True, params=["lane", "loop"])
def steps_on(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the steps of this test's policy run, and its exchanges of weights."""
    where: str = request.param
    monkeypatch.setattr(Table, "on_loop", where == "loop")
    return where


class Gain:
    """Answers with its one weight; 9 raises, 7 is not a number, 5 stands at the end of every axis."""

    name, kind, sizes = "gain", "test", None
    layout = {"x": 1}

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = START
        self.version = 0
        self.threads: set[str] = set()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(reloadable=self)

    def warm_up(self) -> None: ...

    def initial(self, games: int) -> int:
        return 0

    def prepare(self, tensors: dict[str, Any], where: str) -> dict[str, Any]:
        if tensors["gain"][0, 0] == 11:
            raise WeightsError(f"{where}: canned observation 0 gives values that are not finite")
        return tensors

    def load(self, prepared: dict[str, Any], version: int) -> None:
        self.threads.add(threading.current_thread().name)
        self.tensors, self.version = prepared, version

    def step(self, carry: int, observations: Sequence[Observation | None]) -> tuple[int, list[Action | None]]:
        gain = float(self.tensors["gain"][0, 0])
        if gain == 9:
            raise ValueError("nine")
        value = float("nan") if gain == 7 else min(gain, 1.0)
        look = (value, value) if gain == 5 else (0.0, 0.0)
        return carry, [None if o is None else Action((value, value), look, answers=o.sequence) for o in observations]


class Sink:
    def __init__(self) -> None:
        self.actions: list[Action] = []

    def rehearse(self, action: Action) -> None: ...

    def send(self, action: Action) -> bool:
        self.actions.append(action)
        return True


class Versions:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        self.seen.append(version)


def weights(value: float) -> dict[str, Any]:
    return {"gain": np.full((2, 2), value, np.float32), "n": np.array(1, np.int64)}


class Table:
    """One game, a policy whose weights can be exchanged, and a folder."""

    on_loop = False

    def __init__(self, folder: Path) -> None:
        self.clock, self.latency, self.policy = VirtualClock(100.0), Latency(), Gain()
        self.lane, self.disk, self.folder = Lane("test"), Lane("disk"), folder
        self.runner = StepRunner(self.lane, may_move=lambda: self.on_loop)
        self.runner.on_loop = self.on_loop
        ready = asyncio.Event()
        self.feed, self.sink, self.versions = Feed(0, "game", self.clock, self.latency, ready.set), Sink(), Versions()
        self.said: list[tuple[str, str]] = []
        self.reloader = Reloader(
            self.policy,
            WeightsStore(folder),
            self.runner,
            self.disk,
            self.clock,
            say=lambda k, m, p: self.said.append((k, m)),
        )
        self.actor = ActLoop(
            [Seat(self.feed, self.sink)], self.policy, self.runner, self.clock, self.latency, ready,
            budget_s=PERIOD_S, watchers=[self.versions], judge=self.reloader,
        )  # fmt: skip
        self.sequence = 0

    @contextlib.asynccontextmanager
    async def running(self, *, keep_given: bool = False, go_on: bool = True) -> AsyncIterator[None]:
        await self.reloader.begin(keep_given=keep_given, go_on=go_on)
        decode = lambda data, top_down: np.zeros((2, 2, 3), np.uint8)
        stages = [self.actor.act(), self.reloader.watch(), self.reloader.mend(), self.feed.sense(decode, self.lane)]
        tasks = [asyncio.ensure_future(stage) for stage in stages]
        self.feed.on_up()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            self.lane.close()
            self.disk.close()
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends

    async def step(self, ticks: int = 1, late_s: float = 0.0) -> None:
        """Play on; the clock stands still until each packet is settled, however long this machine takes."""
        for _ in range(ticks):
            self.sequence += 1
            self.feed.on_packet(Packet(state(self.sequence), b""), self.clock.now_s() - late_s)
            await self._wait(lambda: self.feed.ledger.pending == 0)
            await self.clock.advance(PERIOD_S)

    async def at_rest(self) -> None:
        """Wait until neither thread has work and no work follows from what it did."""
        idle_turns = 0
        while idle_turns < 20:
            await asyncio.sleep(0)
            busy = not (self.disk.is_idle and self.lane.is_idle)
            idle_turns = 0 if busy else idle_turns + 1
            if busy:
                await asyncio.sleep(0.0005)

    async def _wait(self, until: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not until():
                await asyncio.sleep(0.0005)

    async def settle(self, until: Callable[[], bool], ticks: int = 400) -> None:
        """Play on until something has happened; the clock stands still while the threads work."""
        for _ in range(ticks):
            await self.at_rest()
            if until():
                return
            await self.step()
        raise AssertionError("it did not happen")

    def drop(self, name: str, value: float, **changes: Any) -> Path:
        path = self.folder / name
        save_sealed(path, weights(value), **({"kind": "test", "layout": {"x": 1}, "sizes": {}} | changes))
        return path


def run(folder: Path, play: Callable[[Table], Any], *, keep_given: bool = False, go_on: bool = True) -> Table:
    table = Table(folder)

    async def main() -> None:
        async with table.running(keep_given=keep_given, go_on=go_on):
            await play(table)

    asyncio.run(main())
    return table


def test_offered_weights_act_from_the_next_step_and_every_step_names_its_version(tmp_path: Path) -> None:
    async def play(table: Table) -> None:
        await table.step(3)
        assert await table.reloader.offer(weights(0.5), "learner") == 2
        await table.step(3)
        assert [a.move[0] for a in table.sink.actions[-6:]] == [0.25] * 3 + [0.5] * 3
        assert table.versions.seen == [1, 1, 1, 2, 2, 2]
        assert table.policy.threads - {"disk_0"} == {"MainThread" if table.on_loop else "test_0"}
        await table.step(120)
        assert not table.reloader.status()["on_trial"] and table.reloader.rollbacks == []

    run(tmp_path, play)


def test_a_session_begins_with_the_stores_version_unless_a_file_was_named(tmp_path: Path) -> None:
    async def learn(table: Table) -> None:
        await table.reloader.offer(weights(0.75), "learner")

    async def nothing(table: Table) -> None: ...

    run(tmp_path, learn)
    table = run(tmp_path, nothing)
    assert table.policy.version == 2 and table.policy.tensors["gain"][0, 0] == 0.75
    table = run(tmp_path, nothing, keep_given=True)
    assert table.policy.version == 3 and table.policy.tensors["gain"][0, 0] == 0.25


def test_play_with_the_same_file_goes_on_from_what_was_learned_from_it(tmp_path: Path) -> None:
    async def learn(table: Table) -> None:
        gain = float(table.policy.tensors["gain"][0, 0])
        await table.reloader.offer(weights(gain + 0.125), "learner")

    async def nothing(table: Table) -> None: ...

    assert run(tmp_path, learn, keep_given=True).said[0][0] == "weights_live", "the file's own weights: nothing to say"
    table = run(tmp_path, learn, keep_given=True)
    assert [kind for kind, _ in table.said] == ["weights_go_on", "weights_live"] and "version 2" in table.said[0][1]
    assert table.policy.version == 3 and table.policy.tensors["gain"][0, 0] == 0.5
    table = run(tmp_path, nothing, keep_given=True)
    assert table.policy.version == 3 and table.policy.tensors["gain"][0, 0] == 0.5
    for _ in range(2):
        table = run(tmp_path, nothing, keep_given=True, go_on=False)
        assert table.policy.version == 4 and table.policy.tensors["gain"][0, 0] == 0.25, (
            "the file, where nothing learns"
        )


def test_what_was_learned_from_another_file_is_not_begun_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def learn(table: Table) -> None:
        await table.reloader.offer(weights(0.75), "learner")

    async def other(table: Table) -> None:
        assert table.policy.tensors["gain"][0, 0] == 0.125

    async def nothing(table: Table) -> None: ...

    mine = START
    run(tmp_path, learn, keep_given=True)
    monkeypatch.setitem(globals(), "START", weights(0.125))
    assert run(tmp_path, other, keep_given=True).policy.version == 3
    monkeypatch.setitem(globals(), "START", mine)
    table = run(tmp_path, nothing, keep_given=True)
    assert table.policy.version == 4 and table.policy.tensors["gain"][0, 0] == 0.75, "stored anew, above the other's"
    assert WeightsStore(tmp_path).named("gain") == 4


def test_a_roll_back_by_hand_has_the_origin_of_what_it_restores(tmp_path: Path) -> None:
    from agent.store.rollback import roll_back

    async def learn(table: Table) -> None:
        await table.reloader.offer(weights(0.5), "learner")
        await table.reloader.offer(weights(0.75), "learner")

    async def nothing(table: Table) -> None: ...

    run(tmp_path, learn, keep_given=True)
    assert roll_back(WeightsStore(tmp_path), "gain", 2).version == 4
    table = run(tmp_path, nothing, keep_given=True)
    assert table.policy.version == 4 and table.policy.tensors["gain"][0, 0] == 0.5


def test_a_sealed_file_is_live_within_a_second_once_even_across_restarts(tmp_path: Path) -> None:
    async def play(table: Table) -> None:
        table.drop("mine.safetensors", 0.5)
        before_s = table.clock.now_s()
        await table.settle(lambda: table.policy.version == 2)
        assert table.clock.now_s() - before_s <= 1.0
        table.drop("mine.safetensors", 0.75)
        await table.settle(lambda: table.policy.version == 3)
        assert table.policy.tensors["gain"][0, 0] == 0.75

    async def nothing(table: Table) -> None:
        await table.step(60)

    run(tmp_path, play)
    assert run(tmp_path, nothing).policy.version == 3


def _reseal(path: Path, data: bytes) -> None:
    import hashlib

    path.write_bytes(data)
    beside = manifest_path(path)
    changes = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    beside.write_text(json.dumps(json.loads(beside.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def _sparse(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(3 << 30)


def _link(path: Path) -> None:
    real = path.with_suffix(".elsewhere")
    path.rename(real)
    path.symlink_to(real)


def _other(table: Table, tensors: dict[str, Any]) -> None:
    save_sealed(table.folder / "bad.safetensors", tensors, kind="test", layout={"x": 1}, sizes={})


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"x": value}
    return value


_FULL = np.ones((2, 2), np.float32)
BFLOAT16 = (lambda head: len(head).to_bytes(8, "little") + head + bytes(8))(
    json.dumps({"gain": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
)
BAD: dict[str, tuple[Callable[[Table, Path], object], str]] = {
    "no manifest": (lambda t, p: manifest_path(p).unlink(), "python -m agent weights seal"),
    "a manifest that is none": (lambda t, p: manifest_path(p).write_text("[]", encoding="utf-8"), "not a manifest"),
    "half copied": (lambda t, p: p.write_bytes(p.read_bytes()[:-9]), "its manifest says"),
    "one bit flipped": (lambda t, p: p.write_bytes(p.read_bytes()[:-1] + b"\x77"), "sha256"),
    "a pickle": (lambda t, p: _reseal(p, pickle.dumps(START)), "not a safetensors file"),
    "not a number": (lambda t, p: _reseal(p, save(weights(float("nan")))), "not finite"),
    "infinite": (lambda t, p: _reseal(p, save(weights(float("inf")))), "not finite"),
    "another shape": (lambda t, p: _other(t, {"gain": np.ones((3, 2), np.float32), "n": START["n"]}), "tensor gain"),
    "another dtype": (lambda t, p: _other(t, {"gain": _FULL.astype(np.float64), "n": START["n"]}), "tensor gain"),
    "one tensor more": (lambda t, p: _other(t, {"gain": _FULL, "n": START["n"], "z": _FULL}), "tensor z"),
    "one tensor fewer": (lambda t, p: _other(t, {"gain": _FULL}), "tensor n"),
    "another kind": (lambda t, p: t.drop(p.name, 0.5, kind="cook"), "holds a cook"),
    "another layout": (lambda t, p: t.drop(p.name, 0.5, layout={"x": 2}), "observes"),
    "a deep layout": (lambda t, p: t.drop(p.name, 0.5, layout=_nested(400)), "not a manifest: nested"),
    "deep notes": (lambda t, p: t.drop(p.name, 0.5, notes=_nested(25)), "not a manifest: nested"),
    "a long layout": (lambda t, p: t.drop(p.name, 0.5, layout={"x": "y" * 100_000}), "observes"),
    "bfloat16": (lambda t, p: _reseal(p, BFLOAT16), "type that is not read (BF16); store them as float32"),
    "huge": (lambda t, p: _sparse(p), "the limit is"),
    "a link": (lambda t, p: _link(p), "symbolic link"),
    "fails its trial run": (lambda t, p: t.drop(p.name, 11), "canned observation"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_is_refused_with_its_reason_while_the_old_weights_act(tmp_path: Path, fault: str) -> None:
    change, reason = BAD[fault]

    async def play(table: Table) -> None:
        await table.step(2)
        path = table.drop("bad.safetensors", 0.5)
        change(table, path)
        await table.settle(lambda: bool(table.reloader.refused))
        await table.step(40)
        assert reason in table.reloader.refused["bad.safetensors"]
        assert len(table.reloader.refused["bad.safetensors"]) <= MAX_REASON
        assert [kind for kind, _ in table.said] == ["weights_refused"], "said once, and not tried again"
        assert table.policy.version == 1 and {a.move[0] for a in table.sink.actions if a.answers} == {0.25}
        for old in (path, manifest_path(path)):
            old.unlink(missing_ok=True)
        table.drop("bad.safetensors", 0.5)
        await table.settle(lambda: table.policy.version > 1 and not table.reloader.refused)

    run(tmp_path, play)


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_files_with_odd_names_are_refused_or_taken_and_never_end_the_watch(tmp_path: Path) -> None:
    odd = [
        os.fsdecode(b"\xff\xfe.safetensors"),
        "a\nb.safetensors",
        "\x1b]52;c;x.safetensors",
        "n" * 243 + ".safetensors",
    ]

    async def play(table: Table) -> None:
        await table.step(2)
        source = table.drop("first.safetensors", 0.5)
        await table.settle(lambda: table.policy.version == 2)
        for name in odd:
            shutil.copy(source, table.folder / name)
            if len(name) < 250:
                shutil.copy(manifest_path(source), table.folder / f"{name}.json")
        (table.folder / "folder.safetensors").mkdir()
        await table.settle(lambda: len(table.reloader.refused) == 5)
        assert all(name.isprintable() for name in table.reloader.refused)
        msgspec.json.encode(table.reloader.status())
        assert sum("rename it" in reason for reason in table.reloader.refused.values()) == 3
        table.drop("last.safetensors", 0.75)
        await table.settle(lambda: table.policy.version == 3)

    run(tmp_path, play)


@pytest.mark.parametrize(("value", "reason"), [(9, "raised ValueError: nine"), (7, "not_finite"), (5, "every axis")])
def test_weights_that_behave_badly_are_taken_back_within_two_seconds(tmp_path: Path, value: float, reason: str) -> None:
    async def play(table: Table) -> None:
        await table.step(5)
        bad = await table.reloader.offer(weights(value), "learner")
        before_s = table.clock.now_s()
        await table.settle(lambda: bool(table.reloader.rollbacks))
        assert table.clock.now_s() - before_s <= 2.0
        await table.step(3)
        back = table.reloader.rollbacks[0]
        assert back["taken_back"] == bad == 2 and back["version"] == 3 and reason in back["reason"]
        assert table.policy.version == 3 and table.sink.actions[-1].move[0] == 0.25
        assert table.reloader.store.load("gain")[1]["gain"][0, 0] == 0.25
        assert ("weights_rolled_back" in [kind for kind, _ in table.said]) and table.versions.seen[-1] == 3

    run(tmp_path, play)


def test_weights_that_miss_deadlines_are_taken_back_and_a_slow_machine_is_not_blamed_on_them(tmp_path: Path) -> None:
    async def play(table: Table) -> None:
        await table.step(40)
        await table.reloader.offer(weights(0.5), "learner")
        await table.step(20, late_s=2 * PERIOD_S)
        await table.settle(lambda: bool(table.reloader.rollbacks))
        assert "deadlines missed" in table.reloader.rollbacks[0]["reason"]
        await table.step(120, late_s=2 * PERIOD_S)
        await table.reloader.offer(weights(0.5), "learner")
        await table.step(60, late_s=2 * PERIOD_S)
        await table.step(70)
        assert len(table.reloader.rollbacks) == 1 and not table.reloader.status()["on_trial"]

    run(tmp_path, play)


def test_what_fails_after_its_trial_ends_the_session_loudly(tmp_path: Path) -> None:
    async def main() -> None:
        table = Table(tmp_path)
        await table.reloader.begin(keep_given=False)
        table.policy.tensors = weights(9)
        task = asyncio.ensure_future(table.actor.act())
        sense = asyncio.ensure_future(table.feed.sense(lambda d, t: np.zeros((2, 2, 3), np.uint8), table.lane))
        table.feed.on_up()
        await table.step()
        with pytest.raises(ValueError, match="nine"):
            await asyncio.wait_for(task, 120)
        sense.cancel()
        table.lane.close()
        table.disk.close()

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("steps_on", ["lane"], indirect=True)
def test_five_hundred_exchanges_leave_memory_and_files_as_they_were(tmp_path: Path) -> None:
    async def play(table: Table) -> None:
        process, marks = psutil.Process(), []
        for i in range(500):
            await table.reloader.offer(weights(0.1 + i / 1000), "learner")
            await table.step()
            if i in (100, 499):
                marks.append((process.memory_info().rss, len(os.listdir("/proc/self/fd")), threading.active_count()))
        (rss, fds, threads), (rss_end, fds_end, threads_end) = marks
        assert rss_end - rss < 4 << 20 and fds_end == fds and threads_end == threads
        assert table.reloader.swaps == 500 and table.policy.version == 501
        assert not table.latency.counters.get("late_steps") and table.reloader.rollbacks == []
        assert table.feed.ledger.acted == 500

    run(tmp_path, play)


def test_weights_that_were_learned_from_a_version_that_no_longer_acts_are_refused(tmp_path: Path) -> None:
    async def play(table: Table) -> None:
        assert await table.reloader.offer(weights(0.5), "learner", base=1) == 2
        with pytest.raises(WeightsError, match="learned from version 1, version 2 acts now"):
            await table.reloader.offer(weights(0.75), "learner", base=1)
        WeightsStore(tmp_path).publish("gain", weights(0.125), kind="test", layout={"x": 1}, created_by="a person")
        with pytest.raises(WeightsError, match="learned from version 2, version 3 acts now"):
            await table.reloader.offer(weights(0.75), "learner", base=2)
        assert table.policy.version == 3 and table.policy.tensors["gain"][0, 0] == 0.125

    run(tmp_path, play)
