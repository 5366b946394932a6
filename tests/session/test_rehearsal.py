"""Rehearsals run where they make answers sooner, stop where they do not, and change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest
import structlog

from agent.control.policy import Capabilities
from agent.core.clock import TICK_S, VirtualClock
from agent.core.types import Action, Observation
from agent.session.rehearsal import BLOCK_ANSWERS, LEAD_S, MIN_PERIOD_S, PAIRS, SELDOM, Rehearsals
from tests.link.game_side import state
from tests.session.test_walk import PERIOD_S, Echo, Table

DECIDING = BLOCK_ANSWERS * (PAIRS + 1)
"""Answers until enough neighbouring blocks have been compared."""


def seen(captured_s: float, received_s: float) -> Observation:
    """A state of play that the game captured at this second of its own clock."""
    plain = state(0)
    assert plain.run is not None
    run = msgspec.structs.replace(plain.run, capture_time_us=round(captured_s * 1e6))
    moment = msgspec.structs.replace(plain, run=run)
    return Observation(0, moment, None, 0, 0.0, received_s, 0.0, False, False, False)


class Plan:
    """A call that is planned, made by hand."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class Game:
    """Answers every 16.7 ms; one that was rehearsed comes `gain_s` sooner. Its clock runs fast by `drift`."""

    def __init__(self, gain_s: float, drift: float = 0.0) -> None:
        self.clock, self.gain_s, self.drift, self.late_s = VirtualClock(100.0), gain_s, drift, 0.0
        self.plan: Plan | None = None
        self.rehearsed = False
        self.rehearsals = Rehearsals(self.clock, self.rehearse, self.later)

    def rehearse(self, observation: Observation) -> None:
        self.rehearsed = True

    def later(self, delay_s: float, call: Callable[[], None]) -> Plan:
        assert 0.0 <= delay_s <= TICK_S - LEAD_S
        self.plan = Plan(call)
        return self.plan

    async def answer(self, count: int, period_s: float = TICK_S) -> int:
        """So many packets and their answers; how many of them were rehearsed."""
        total = 0
        for _ in range(count):
            received_s = self.clock.now_s()
            captured_s = (received_s - 100.0) * (1.0 + self.drift)
            response_s = 0.0005 - (self.gain_s if self.rehearsed else 0.0)
            total += self.rehearsed
            self.rehearsed = False
            await self.clock.advance(response_s)
            self.rehearsals.answered(seen(captured_s, received_s), self.clock.now_s(), period_s)
            await self.clock.advance(period_s - response_s - LEAD_S + self.late_s)
            if self.plan is not None and self.plan.call is not None:
                self.plan.call()
            self.plan = None
            await self.clock.advance(LEAD_S - self.late_s)
        return total


DRIFT = 1e-4
"""Ten times what two clocks of one machine drift apart; over one window of blocks it exceeds the gain."""


def test_what_makes_answers_sooner_goes_on_and_is_checked_now_and_then() -> None:
    async def body() -> None:
        for drift in (0.0, DRIFT, -DRIFT):
            game = Game(1e-4, drift)
            assert 0.4 * DECIDING < await game.answer(DECIDING) < 0.6 * DECIDING
            shown = game.rehearsals.status()
            assert shown["chosen"] and abs(shown["gain_us"] - 100) < 30 and shown["too_late"] == 0
            cycle = SELDOM * BLOCK_ANSWERS
            assert await game.answer(cycle) == cycle - BLOCK_ANSWERS

    asyncio.run(body())


def test_what_gains_nothing_or_delays_answers_ends_but_for_a_block_now_and_then() -> None:
    async def body() -> None:
        for gain_s in (0.0, -1e-4):
            game = Game(gain_s)
            await game.answer(DECIDING)
            assert not game.rehearsals.is_chosen
            assert await game.answer(SELDOM * BLOCK_ANSWERS) == BLOCK_ANSWERS

    asyncio.run(body())


def test_a_machine_that_becomes_busy_or_quiet_is_noticed_and_said() -> None:
    async def body() -> None:
        game = Game(1e-4)
        await game.answer(DECIDING)
        turn = SELDOM * BLOCK_ANSWERS * PAIRS
        with structlog.testing.capture_logs() as logs:
            for gain_s, chosen in ((-1e-4, False), (1e-4, True)):
                game.gain_s = gain_s
                await game.answer(turn)
                assert game.rehearsals.is_chosen == chosen
        assert [(entry["event"], entry["chosen"]) for entry in logs] == [("rehearsals", False), ("rehearsals", True)]

    asyncio.run(body())


def test_a_rehearsal_that_would_meet_the_packet_is_left_out_and_counted() -> None:
    async def body() -> None:
        game = Game(1e-4)
        game.late_s = 0.9 * LEAD_S
        assert await game.answer(2 * BLOCK_ANSWERS) == 0
        assert game.rehearsals.status()["too_late"] >= BLOCK_ANSWERS - 1

    asyncio.run(body())


def test_packets_that_come_fast_are_not_rehearsed() -> None:
    async def body() -> None:
        game = Game(1e-4)
        assert await game.answer(DECIDING, period_s=0.9 * MIN_PERIOD_S) == 0
        assert await game.answer(DECIDING, period_s=1.1 * MIN_PERIOD_S) > 0

    asyncio.run(body())


def test_an_answer_that_comes_first_replaces_the_rehearsal() -> None:
    game = Game(1e-4)
    plans = []
    for answer in range(2 * BLOCK_ANSWERS):
        game.rehearsals.answered(seen(answer * TICK_S, 100.0), 100.0, TICK_S)
        if game.plan is not None:
            plans.append(game.plan)
    assert len(plans) > 2
    assert [plan for plan in plans[:-1] if plan is not plans[-1] and plan.call is not None] == []


def test_a_rehearsal_that_raises_is_said_once_and_play_goes_on_without() -> None:
    def broken(observation: Observation) -> None:
        raise RuntimeError("no answer to this")

    async def body() -> None:
        game = Game(1e-4)
        game.rehearsals = Rehearsals(game.clock, broken, game.later)
        with structlog.testing.capture_logs() as logs:
            await game.answer(DECIDING)
        assert [(entry["event"], entry["reason"]) for entry in logs] == [
            ("rehearsal_failed", "RuntimeError: no answer to this")
        ]
        assert game.rehearsals.status()["done"] == 1

    asyncio.run(body())


class Rehearsed(Echo):
    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(rehearsing=self, never_waits=True)

    def rehearse(self, carry: int, observation: Observation) -> Action:
        return Action(move=(0.5, 0.0), answers=observation.sequence)


@pytest.mark.parametrize("steps_on", ["lane", "loop"])
def test_the_last_answer_is_rehearsed_up_to_the_sink_where_steps_run_on_the_loop(
    steps_on: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Table, "on_loop", steps_on == "loop")
    monkeypatch.setattr(Table, "player", Rehearsed)

    async def main() -> None:
        table = Table()
        async with table.running():
            for sequence in range(1, 2 * BLOCK_ANSWERS + 1):
                table.packet(sequence)
                await table.settle()
                async with asyncio.timeout(60):
                    while steps_on == "loop" and table.actor.rehearsals.is_planned:
                        await asyncio.sleep(0.001)
                await table.clock.advance(PERIOD_S)
        sink, ledger = table.sinks[0], table.feeds[0].ledger
        assert [a.answers for a in sink.actions] == list(range(1, 2 * BLOCK_ANSWERS + 1))
        assert ledger.acted == ledger.received == 2 * BLOCK_ANSWERS and len(table.policy.seen) == 2 * BLOCK_ANSWERS
        assert (len(sink.rehearsed) >= BLOCK_ANSWERS - 1) == (steps_on == "loop")
        assert set(a.answers for a in sink.rehearsed) <= set(range(BLOCK_ANSWERS, 2 * BLOCK_ANSWERS + 1))

    asyncio.run(main())


@pytest.mark.parametrize("gain_s", [1e-4, 0.0])
@pytest.mark.parametrize("ahead_s", [5.0, -5.0])
def test_games_with_clocks_of_their_own_are_not_mixed(gain_s: float, ahead_s: float) -> None:
    """Of two blocks of answers one has more of the first game, the other more of the second."""

    def play() -> bool:
        rehearsals = Rehearsals(VirtualClock(), lambda observation: None, lambda delay_s, call: Plan(call))
        for answer in range(4 * DECIDING):
            more, less = (0, 1) if answer // BLOCK_ANSWERS % 2 == 0 else (1, 0)
            game = more if answer % BLOCK_ANSWERS % 2 == 0 or answer % BLOCK_ANSWERS == 1 else less
            captured_s = answer * TICK_S + game * ahead_s
            response_s = 0.0005 - gain_s * rehearsals.is_planned
            observation = msgspec.structs.replace(seen(captured_s, answer * TICK_S), game=game)
            rehearsals.answered(observation, answer * TICK_S + response_s, TICK_S)
        return rehearsals.is_chosen

    assert play() == (gain_s > 0)
