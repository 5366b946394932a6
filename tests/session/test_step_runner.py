"""Where steps run: short ones on the loop, slow ones on the lane, and what a move between them may not lose."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import structlog

from agent.concurrency.lane import Lane
from agent.control.policies import build_policy
from agent.control.policy import capabilities_of
from agent.core.clock import SystemClock
from agent.core.latency import Latency
from agent.core.types import Action, Observation, Packet
from agent.session import step_runner
from agent.session.act import ActLoop, Seat
from agent.session.sense import Feed
from agent.session.step_runner import FIRST_STEPS, SLOW_STEP_S, SLOW_STEPS, STEPS_AFTER_A_MOVE, STUCK_S, StepRunner
from tests.link.game_side import state


class Thread:
    """A policy that takes `sleep_s` a step and notes the thread that it runs on."""

    name = "thread"

    def __init__(self) -> None:
        self.sleep_s = 0.0
        self.threads: list[str] = []

    def warm_up(self) -> None: ...

    def initial(self, games: int) -> int:
        return 0

    def step(self, carry: int, observations: Sequence[Observation | None]) -> tuple[int, list[Action | None]]:
        self.threads.append(threading.current_thread().name.partition("_")[0])
        if self.sleep_s:
            time.sleep(self.sleep_s)
        return carry + 1, [None if o is None else Action(answers=o.sequence) for o in observations]


class Sink:
    def __init__(self) -> None:
        self.answers: list[int | None] = []

    def rehearse(self, action: Action) -> None: ...

    def send(self, action: Action) -> bool:
        self.answers.append(action.answers)
        return True


class Game:
    """One game, a policy, and whatever decides where its steps run."""

    def __init__(self) -> None:
        self.clock, self.policy, self.sink, self.lane = SystemClock(), Thread(), Sink(), Lane("steps")
        ready = asyncio.Event()
        self.feed = Feed(0, "game", self.clock, Latency(), ready.set, real_time=False)
        self.runner = StepRunner(self.lane)
        seats = [Seat(self.feed, self.sink)]
        self.actor = ActLoop(seats, self.policy, self.runner, self.clock, Latency(), ready, budget_s=1.0)
        self.sequence = 0

    async def step(self, count: int) -> None:
        for _ in range(count):
            self.sequence += 1
            self.feed.on_packet(Packet(state(self.sequence), b""), self.clock.now_s())
            while self.feed.ledger.pending:
                await asyncio.sleep(0)

    async def step_until_on_loop(self) -> None:
        while not self.runner.on_loop:
            await self.step(1)

    def play(self, body: Callable[[Game], Any]) -> None:
        async def main() -> None:
            self.feed.on_up()
            act = asyncio.ensure_future(self.actor.act())
            try:
                await asyncio.wait_for(body(self), 60)
            finally:
                act.cancel()
                await asyncio.gather(act, return_exceptions=True)
                self.lane.close()
            ledger = self.feed.ledger
            assert ledger.acted == ledger.received == self.sequence
            assert self.sink.answers == list(range(1, self.sequence + 1))

        asyncio.run(main())


def test_short_steps_move_to_the_loop_and_nothing_is_lost_on_the_way() -> None:
    async def body(game: Game) -> None:
        await game.step_until_on_loop()
        await game.step(FIRST_STEPS)
        moved = game.policy.threads.index("MainThread")
        assert moved >= FIRST_STEPS
        assert set(game.policy.threads[:moved]) == {"steps"} and set(game.policy.threads[moved:]) == {"MainThread"}
        shown = game.runner.status()
        assert shown["where"] == "loop" and shown["step_us"] > 0 and shown["thread_change_us"] > 0

    Game().play(body)


def test_long_steps_stay_on_the_lane() -> None:
    async def body(game: Game) -> None:
        game.policy.sleep_s = 0.02
        await game.step(FIRST_STEPS + 8)
        assert set(game.policy.threads) == {"steps"} and game.runner.status()["where"] == "lane"

    Game().play(body)


def test_a_policy_that_becomes_slow_goes_back_to_the_lane_which_is_said_once() -> None:
    async def body(game: Game) -> None:
        await game.step_until_on_loop()
        before = len(game.policy.threads)
        game.policy.sleep_s = 2 * SLOW_STEP_S
        with structlog.testing.capture_logs() as logs:
            await game.step(3 * SLOW_STEPS)
        assert game.policy.threads[before:] == ["MainThread"] * SLOW_STEPS + ["steps"] * 2 * SLOW_STEPS
        assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["steps_on_lane"]

    Game().play(body)


def runner(**options: Any) -> StepRunner:
    return StepRunner(Lane("unit"), **options)


def test_one_step_that_stands_on_the_loop_moves_the_policy_at_once() -> None:
    where = runner()
    where.on_loop = True
    where.stepped(0.9 * STUCK_S)
    assert where.on_loop
    where.stepped(1.1 * STUCK_S)
    assert not where.on_loop


def test_a_rare_slow_step_moves_nothing() -> None:
    where = runner()
    where.on_loop = True
    for k in range(5000):
        where.stepped(2 * SLOW_STEP_S if k % 150 == 0 else 0.0001)
    assert where.on_loop and where.moves == 0


def test_steps_that_a_card_computes_stay_on_the_lane() -> None:
    where = runner(may_move=lambda: False)
    for _ in range(4 * FIRST_STEPS):
        where.stepped(0.0001, 0.0003)
    assert not where.on_loop


def test_steps_shorter_than_the_change_of_threads_move_and_longer_ones_do_not() -> None:
    for step_s, expected in ((0.0008, True), (0.0012, False)):
        where = runner()
        for _ in range(FIRST_STEPS):
            where.stepped(step_s, 0.001)
        assert where.on_loop is expected


def test_after_a_move_back_the_next_takes_longer_each_time() -> None:
    where, counts = runner(), []
    for _ in range(3):
        count = 0
        while not where.on_loop:
            where.stepped(0.0001, 0.0003)
            count += 1
        counts.append(count)
        where.stepped(1.0)
    assert counts == [FIRST_STEPS, STEPS_AFTER_A_MOVE, 2 * STEPS_AFTER_A_MOVE]


def test_only_a_policy_that_says_so_may_leave_its_thread() -> None:
    """A user's own policy may wait for a network, or run a loop of its own."""
    assert not capabilities_of(Thread()).never_waits
    assert capabilities_of(build_policy("pilot")).never_waits and capabilities_of(build_policy("random")).never_waits


def test_steps_do_not_move_while_the_lane_still_exchanges_weights() -> None:
    """An exchange on the lane must never run beside a step on the loop."""
    lane, gate = Lane("unit"), threading.Event()
    where = StepRunner(lane)
    lane.submit(gate.wait)
    for _ in range(4 * FIRST_STEPS):
        where.stepped(0.0001, 0.0003)
    assert not where.on_loop
    gate.set()
    while not lane.is_idle:
        time.sleep(0.001)
    for _ in range(FIRST_STEPS):
        where.stepped(0.0001, 0.0003)
    assert where.on_loop
    lane.close()


def test_an_exchange_runs_where_steps_do() -> None:
    async def main() -> None:
        lane = Lane("unit")
        where = StepRunner(lane)
        name = lambda: threading.current_thread().name
        assert (await where.run(name)).startswith("unit")
        where.on_loop = True
        assert await where.run(name) == "MainThread"
        lane.close()

    asyncio.run(main())


def test_the_bounds_stand_in_a_sensible_order() -> None:
    assert step_runner.SHORT_STEP_S < SLOW_STEP_S < STUCK_S < 1.0
    assert np.isclose(SLOW_STEPS / step_runner.WITHIN_STEPS, 0.01, atol=0.003), "a 99th percentile"
