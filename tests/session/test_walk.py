"""Sense, act and guard together on a virtual clock: what is answered, what expires, what is claimed.

Every test runs with the policy's steps on a lane and on the loop, but for those that only one of the two can show.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest

from agent.concurrency.lane import Lane
from agent.core.clock import SystemClock, VirtualClock
from agent.core.errors import ImageError
from agent.core.latency import Latency, Stage
from agent.core.types import NEUTRAL, Action, Observation, Packet
from agent.session.act import ActLoop, Seat
from agent.session.guard import guard
from agent.session.sense import Feed
from agent.session.step_runner import StepRunner
from tests.link.game_side import state

PERIOD_S = 1 / 60
on_lane_alone = pytest.mark.parametrize("steps_on", ["lane"], indirect=True)


@pytest.fixture(autouse=True, params=["lane", "loop"])
def steps_on(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the steps of this test's policy run, from its first to its last."""
    where: str = request.param
    monkeypatch.setattr(Table, "on_loop", where == "loop")
    return where


class Sink:
    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.rehearsed: list[Action] = []
        self.takes = True

    def rehearse(self, action: Action) -> None:
        self.rehearsed.append(action)

    def send(self, action: Action) -> bool:
        if self.takes:
            self.actions.append(action)
        return self.takes


class Echo:
    """Answers with its call's number as move; waits for `gate` where there is one."""

    name = "echo"

    def __init__(self) -> None:
        self.seen: list[list[Observation | None]] = []
        self.gate: threading.Event | None = None
        self.answer: Action | None = Action(move=(0.25, 0.0))

    def warm_up(self) -> None: ...

    def initial(self, games: int) -> int:
        return 0

    def step(self, carry: int, observations: Sequence[Observation | None]) -> tuple[int, list[Action | None]]:
        self.seen.append(list(observations))
        if self.gate is not None:
            assert self.gate.wait(5)
        answer = self.answer
        return carry + 1, [
            None if o is None or answer is None else Action(answer.move, answers=o.sequence) for o in observations
        ]


class Table:
    """One or more games at a table, on a virtual clock. With `looks` false no answer waits for a picture."""

    on_loop, player = False, Echo

    def __init__(self, games: int = 1, *, real_time: bool = True, decode: Any = None, looks: bool = True) -> None:
        self.clock, self.latency, self.policy = VirtualClock(100.0), Latency(), self.player()
        self.ready = asyncio.Event()
        self.feeds = [
            Feed(i, f"game {i}", self.clock, self.latency, self.ready.set, real_time=real_time, looks=lambda: looks)
            for i in range(games)
        ]
        self.sinks = [Sink() for _ in range(games)]
        self.seats = [Seat(f, s) for f, s in zip(self.feeds, self.sinks, strict=True)]
        self.lane, self.imaging = Lane("test"), Lane("pictures")
        self.runner = StepRunner(self.lane, may_move=lambda: self.on_loop)
        self.runner.on_loop = self.on_loop
        self.actor = ActLoop(
            self.seats, self.policy, self.runner, self.clock, self.latency, self.ready, budget_s=PERIOD_S
        )
        self.decode = decode or (lambda data, top_down: np.full((2, 2, 3), data[-1], np.uint8))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stages = [self.actor.act(), guard(self.seats, self.clock, self.latency, lambda: None)]
        stages += [feed.sense(self.decode, self.imaging) for feed in self.feeds]
        self.tasks = tasks = [asyncio.ensure_future(stage) for stage in stages]
        for feed in self.feeds:
            feed.on_up()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.lane.close()
            self.imaging.close()

    def packet(self, sequence: int, game: int = 0, frame: bytes = b"", **changes: Any) -> None:
        self.feeds[game].on_packet(Packet(state(sequence, **changes), frame), self.clock.now_s())

    async def settle(self) -> None:
        """Let everything that can run have run."""
        for _ in range(60):
            await asyncio.sleep(0.0005 if self.policy.gate is None else 0)
            if all(feed.ledger.pending == 0 for feed in self.feeds):
                return


def identity(feed: Feed) -> bool:
    ledger = feed.ledger
    return ledger.received == ledger.acted + ledger.superseded + ledger.rejected + ledger.expired + ledger.pending


def test_each_packet_is_answered_by_an_action_that_claims_it() -> None:
    async def main() -> None:
        table = Table()
        async with table.running():
            for sequence in range(1, 6):
                table.packet(sequence)
                await table.settle()
                await table.clock.advance(PERIOD_S)
        assert [a.answers for a in table.sinks[0].actions] == [1, 2, 3, 4, 5]
        assert table.feeds[0].ledger.acted == 5 and table.feeds[0].ledger.pending == 0
        first, second = (calls[0] for calls in table.policy.seen[:2])
        assert first is not None and second is not None
        assert first.is_first and first.elapsed_s == 0.0 and not second.is_first

    asyncio.run(main())


def test_elapsed_time_is_the_games_own_and_not_that_of_arrival() -> None:
    async def main() -> None:
        table = Table()
        async with table.running():
            for sequence in (10, 13):
                table.packet(sequence)
                await table.settle()
                await table.clock.advance(0.001)
        last = table.policy.seen[-1][0]
        assert last is not None and last.elapsed_s == pytest.approx(3 * 0.016667)

    asyncio.run(main())


def test_without_blx1_the_time_of_arrival_counts_and_nothing_is_claimed() -> None:
    async def main() -> None:
        table = Table()
        async with table.running():
            for _ in range(2):
                table.packet(0, run=None)
                await table.settle()
                await table.clock.advance(0.02)
        last = table.policy.seen[-1][0]
        assert last is not None and last.elapsed_s == pytest.approx(0.02)
        assert [a.answers for a in table.sinks[0].actions] == [None, None]

    asyncio.run(main())


def test_the_newest_frame_stays_with_newer_states() -> None:
    async def main() -> None:
        table = Table()
        async with table.running():
            table.packet(1, frame=b"\x07")
            await table.settle()
            table.packet(2)
            await table.settle()
        last = table.policy.seen[-1][0]
        assert last is not None and last.frame is not None and last.frame.pixels[0, 0, 0] == 7
        assert last.frame.captured_at_s == last.frame.received_at_s == 100.0, "the game does not say when"

    asyncio.run(main())


def test_a_picture_that_is_refused_does_not_stop_its_state() -> None:
    def refuse(data: bytes, top_down: bool) -> Any:
        raise ImageError("damaged_jpeg", "it is")

    async def main() -> None:
        table = Table(decode=refuse)
        async with table.running():
            table.packet(1, frame=b"\xff")
            await table.settle()
        assert table.feeds[0].frames_refused == {"damaged_jpeg": 1}
        assert table.feeds[0].ledger.acted == 1

    asyncio.run(main())


def test_an_answer_waits_for_a_picture_only_where_the_policy_looks() -> None:
    async def main() -> None:
        for looks in (True, False):
            gate = threading.Event()

            def slow(data: bytes, top_down: bool, gate: threading.Event = gate) -> Any:
                assert gate.wait(5)
                return np.full((2, 2, 3), data[-1], np.uint8)

            table = Table(decode=slow, looks=looks)
            feed, sink = table.feeds[0], table.sinks[0]
            async with table.running():
                table.packet(1, frame=b"\x07")
                table.packet(2)
                for _ in range(20):
                    await asyncio.sleep(0.0005)
                assert [a.answers for a in sink.actions] == ([] if looks else [2])
                assert identity(feed) and feed.ledger.superseded == 1
                gate.set()
                await table.settle()
                while feed.latest_frame is None:
                    await asyncio.sleep(0.001)
                assert [a.answers for a in sink.actions] == [2] and feed.latest_frame.pixels[0, 0, 0] == 7
                table.packet(3)
                await table.settle()
            last = table.policy.seen[-1][0]
            assert last is not None and last.frame is feed.latest_frame, "people and the next step see it"
            assert feed.ledger.acted == 2 and identity(feed)

    asyncio.run(main())


def test_a_packet_that_waits_for_a_picture_is_never_overtaken_by_an_older_one() -> None:
    """Also where weights are exchanged meanwhile for some that do not look."""

    async def main() -> None:
        gate, looking = threading.Event(), [True]

        def slow(data: bytes, top_down: bool) -> Any:
            assert gate.wait(5)
            return np.full((2, 2, 3), data[-1], np.uint8)

        table = Table(decode=slow)
        feed = table.feeds[0]
        feed._looks = lambda: looking[0]
        async with table.running():
            table.packet(1, frame=b"\x01")
            await asyncio.sleep(0.002)
            looking[0] = False
            table.packet(2)
            await asyncio.sleep(0.002)
            gate.set()
            await table.settle()
            table.packet(3, frame=b"\x03")
            await table.settle()
        answers = [a.answers for a in table.sinks[0].actions]
        assert answers in ([1, 2, 3], [2, 3]) and identity(feed) and feed.ledger.pending == 0

    asyncio.run(main())


@on_lane_alone
def test_packets_that_come_while_the_policy_thinks_are_superseded_but_for_the_newest() -> None:
    async def main() -> None:
        table = Table()
        table.policy.gate = threading.Event()
        async with table.running():
            table.packet(1)
            while not table.policy.seen:
                await asyncio.sleep(0.001)
            for sequence in (2, 3, 4):
                table.packet(sequence)
                await asyncio.sleep(0.002)
            table.policy.gate.set()
            table.policy.gate = None
            await table.settle()
            ledger = table.feeds[0].ledger
            assert (ledger.received, ledger.acted, ledger.superseded) == (4, 2, 2)
        assert [a.answers for a in table.sinks[0].actions] == [1, 4]

    asyncio.run(main())


def test_rewards_and_ends_of_superseded_packets_reach_the_next_observation() -> None:
    async def main() -> None:
        table = Table()
        feed = table.feeds[0]
        run = state(1).run
        assert run is not None
        import msgspec

        feed.on_up()
        for sequence, reward, ended in ((1, 1.0, False), (2, 2.0, True), (3, 4.0, False)):
            changed = msgspec.structs.replace(run, sequence=sequence, reward=reward, run_ended=ended)
            table.packet(sequence, run=changed)
        async with table.running():
            feed._events.add(7.0, True, False)
            table.packet(4)
            await table.settle()
        seen = table.policy.seen[0][0]
        assert seen is not None and seen.reward == 7.0 and seen.is_last and seen.is_terminal

    asyncio.run(main())


@on_lane_alone
def test_a_step_that_is_late_repeats_the_last_action_without_a_claim() -> None:
    async def main() -> None:
        table = Table()
        async with table.running():
            table.packet(1)
            await table.settle()
            table.policy.gate = threading.Event()
            table.packet(2)
            while len(table.policy.seen) < 2:
                await asyncio.sleep(0.001)
            await asyncio.sleep(PERIOD_S * 2)
            table.policy.gate.set()
            table.policy.gate = None
            await table.settle()
        assert [a.answers for a in table.sinks[0].actions] == [1, None, 2]
        assert table.latency.counters["repeated_actions"] == 1

    asyncio.run(main())


def test_silence_gives_one_neutral_action_and_three_fresh_packets_arm_again() -> None:
    async def main() -> None:
        table = Table()
        async with table.running():
            for sequence in range(1, 4):
                table.packet(sequence)
                await table.settle()
                await table.clock.advance(PERIOD_S)
            sent = len(table.sinks[0].actions)
            await table.clock.advance(0.09)
            assert len(table.sinks[0].actions) == sent
            await table.clock.advance(2.0)
            assert table.sinks[0].actions[sent:] == [NEUTRAL]
            assert table.latency.counters["neutral_actions"] == 1
            for sequence in range(10, 14):
                table.packet(sequence)
                await table.settle()
                await table.clock.advance(PERIOD_S)
        assert [a.answers for a in table.sinks[0].actions[sent + 1 :]] == [12, 13]
        assert table.feeds[0].ledger.expired == 2 and identity(table.feeds[0])

    asyncio.run(main())


def test_a_slow_game_has_three_of_its_own_periods_before_control_goes_neutral() -> None:
    async def main() -> None:
        table = Table()
        async with table.running():
            for sequence in range(1, 8):
                table.packet(sequence)
                await table.settle()
                await table.clock.advance(0.1)
            assert table.feeds[0].lifespan_s == pytest.approx(0.3)
            await table.clock.advance(0.15)
            assert NEUTRAL not in table.sinks[0].actions
            await table.clock.advance(0.2)
            assert table.sinks[0].actions[-1] == NEUTRAL

    asyncio.run(main())


def test_games_that_are_ready_together_share_one_step() -> None:
    async def main() -> None:
        table = Table(3)
        async with table.running():
            for game in (0, 2):
                table.packet(1, game)
            await table.settle()
            assert [o is not None for o in table.policy.seen[0]] == [True, False, True]
            assert [len(s.actions) for s in table.sinks] == [1, 0, 1]

    asyncio.run(main())


@pytest.mark.parametrize("bad", [None, Action(move=(float("nan"), 0.0))])
def test_what_the_policy_may_not_do_becomes_neutral_and_is_counted(bad: Action | None) -> None:
    async def main() -> None:
        table = Table()
        table.policy.answer = bad
        async with table.running():
            table.packet(1)
            await table.settle()
        assert table.sinks[0].actions == [NEUTRAL]
        assert table.feeds[0].ledger.rejected == 1 and sum(table.actor.refused.values()) == 1

    asyncio.run(main())


def test_an_action_that_cannot_be_sent_expires_its_packet() -> None:
    async def main() -> None:
        table = Table()
        table.sinks[0].takes = False
        async with table.running():
            table.packet(1)
            await table.settle()
        assert table.feeds[0].ledger.expired == 1 and table.feeds[0].ledger.acted == 0

    asyncio.run(main())


def test_a_failing_policy_leaves_every_game_with_a_neutral_action() -> None:
    async def main() -> None:
        table = Table()

        def fail(carry: int, observations: object) -> Any:
            raise FloatingPointError("no")

        table.policy.step = fail  # type: ignore[method-assign]
        table.feeds[0].on_up()
        sense = asyncio.ensure_future(table.feeds[0].sense(table.decode, table.imaging))
        act = asyncio.ensure_future(table.actor.act())
        table.packet(1)
        with pytest.raises(FloatingPointError):
            await act
        sense.cancel()
        await asyncio.gather(sense, return_exceptions=True)
        assert table.sinks[0].actions == [NEUTRAL] and table.feeds[0].ledger.rejected == 1
        table.lane.close()
        table.imaging.close()

    asyncio.run(main())


@pytest.mark.parametrize("producer_hz", [10, 30, 60, 120, 180, 240])
def test_the_count_is_exact_and_observations_are_fresh_at_any_pace(producer_hz: int) -> None:
    """T14: a consumer that needs 5 ms a step, with pictures, resets and silences thrown in.

    A busy machine makes sleeps longer and the loop late; observations may be older by the longest of both.
    """

    async def main() -> None:
        rng, ages, overslept = random.Random(producer_hz), [], []
        table = Table()
        table.clock = SystemClock()  # type: ignore[assignment]
        table.feeds = [Feed(0, "game", table.clock, table.latency, table.ready.set)]
        table.seats = [Seat(table.feeds[0], table.sinks[0])]
        feed = table.feeds[0]

        class Slow(Echo):
            def step(self, carry: int, observations: Sequence[Observation | None]) -> tuple[int, list[Action | None]]:
                ages.extend(table.clock.now_s() - o.received_at_s for o in observations if o is not None)
                began_s = table.clock.now_s()
                time.sleep(0.005)
                overslept.append(table.clock.now_s() - began_s - 0.005)
                return super().step(carry, observations)

        table.actor = ActLoop(
            table.seats, Slow(), table.runner, table.clock, table.latency, table.ready, budget_s=PERIOD_S
        )
        async with table.running():
            for sequence in range(min(60, producer_hz)):
                table.packet(sequence, frame=b"\x01" if sequence % 6 == 0 else b"")
                if rng.random() < 0.03:
                    feed.on_bad_packet("state_size")
                    feed.on_down("corrupt")
                    feed.on_up()
                assert identity(feed)
                await asyncio.sleep(1 / producer_hz)
            await asyncio.sleep(0.05)
            feed.on_down("over")
        assert identity(feed) and feed.ledger.pending == 0
        assert feed.ledger.acted > 0
        ages.sort()
        lag_s = table.latency.summary()[Stage.LOOP_LAG.value].max_ms / 1e3
        assert ages[int(0.95 * len(ages))] <= 1 / producer_hz + 0.005 + max(overslept) + lag_s

    asyncio.run(main())


def test_in_lock_step_nothing_expires_by_age() -> None:
    async def main() -> None:
        table = Table(real_time=False)
        async with table.running():
            table.packet(1)
            await table.clock.advance(60.0)
            await table.settle()
            await table.clock.advance(60.0)
        assert [a.answers for a in table.sinks[0].actions] == [1]

    asyncio.run(main())
