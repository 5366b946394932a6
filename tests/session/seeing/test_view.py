"""What was decided is shown with its owner, reason and what was weighed, and a minute of it is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.control.policy import Candidate, Capabilities, Offer, Thought
from agent.core.clock import VirtualClock
from agent.core.types import Action
from agent.session.planning.owners import Owners
from agent.session.seeing.view import KEPT, SAMPLE_S, DecisionSampler, View, WhoActed
from tests.session.test_walk import PERIOD_S, Echo, Table, steps_on  # noqa: F401


class Thinker(Echo):
    """Says what it weighed."""

    capabilities = property(lambda self: Capabilities(thinking=self))
    weighed: Thought | None = None

    def thought(self, carry: Any, game: int) -> Thought | None:
        return self.weighed


class Shown(Table):
    player = Thinker


def played(work: Any) -> Shown:
    async def main() -> Shown:
        table = Shown(2)
        owners = Owners(("a", "b"), lambda kind, message, payload: None)
        table.actor._on_owner = owners.changed
        table.owners = owners  # type: ignore[attr-defined]
        view = View(table.actor, table.latency, owners, table.clock)
        async with table.running():
            await work(table, view)
        return table

    return asyncio.run(main())


def test_a_decision_has_its_owner_what_was_sent_instead_and_what_was_weighed() -> None:
    async def work(table: Shown, view: View) -> None:
        assert view.decision(0) is None and view.of_game(1)[0] is None
        table.policy.answer = Action((0.5, 0.0))
        table.packet(1)
        await table.settle()
        one = view.decision(0)
        assert one is not None and one["owner"] == "motor" and one["instead_of"] is None and one["weighed"] is None
        assert one["action"]["move"] == [0.5, 0.0] and one["sequence"] == 1 and view.decision(1) is None
        seen = (Candidate((1.0, 0.0), (0.0, 0.0), 2.5, 0.25), Candidate((0.0, 1.0), (0.0, 0.0), 3.5, 0.5))
        table.policy.weighed = Thought(4.5, seen, 1, 1.0, Offer(("bow", "tome"), (0.75, 0.25), 0))  # type: ignore[attr-defined]
        table.feeds[0].human.press(Action((0.0, -1.0), click=(3, 4)), table.clock.now_s())
        await table.clock.advance(PERIOD_S)
        table.packet(2)
        await table.settle()
        two = view.decision(0)
        assert two is not None and two["owner"] == "human" and two["action"]["move"] == [0.0, -1.0]
        assert two["instead_of"]["owner"] == "motor" and two["instead_of"]["action"]["move"] == [0.5, 0.0]
        assert two["clicked"]["at_px"] == [3, 4] and two["weighed"]["candidates"][1]["bound"] == 3.5
        assert two["weighed"]["offer"]["chances"] == [0.75, 0.25] or two["weighed"]["offer"]["chances"] == (0.75, 0.25)
        await table.clock.advance(3.0)
        seconds = view.of_game(0)[2]
        assert seconds["motor"] == pytest.approx(PERIOD_S, abs=0.06) and seconds["human"] == pytest.approx(
            3.0, abs=0.06
        )
        who = WhoActed(table.owners, 2, table.clock).status()["seconds"]  # type: ignore[attr-defined]
        assert who["human"] == pytest.approx(3.0, abs=0.01)

    played(work)


def test_a_late_answer_is_shown_with_its_cause_and_its_stages() -> None:
    async def work(table: Shown, view: View) -> None:
        table.packet(1)
        await table.settle()
        assert view.misses() == []
        table.actor._budget_s = -1.0
        await table.clock.advance(PERIOD_S)
        table.packet(2)
        await table.settle()
        (miss,) = view.misses()
        assert miss["late_ms"] >= 1000 and miss["cause"] in miss["stages_ms"] or miss["cause"] == "loop lag"

    played(work)


def test_a_minute_of_decisions_is_kept_four_a_second_each_once() -> None:
    clock, made = VirtualClock(0.0), [0]

    def decision(game: int) -> dict[str, Any] | None:
        return {"time_ns": made[0], "game": game} if game == 0 else None

    async def main() -> DecisionSampler:
        sampler = DecisionSampler(clock, 2, decision)
        running = asyncio.ensure_future(sampler.run())
        for k in range(KEPT + 20):
            made[0] = k // 2
            await asyncio.sleep(0)
            await clock.advance(SAMPLE_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return sampler

    sampler = asyncio.run(main())
    times = [each["time_ns"] for each in sampler.newest(0, KEPT)]
    assert times == sorted(set(times)) and len(times) > KEPT // 2 - 3 and sampler.newest(1, 9) == []
    assert [each["time_ns"] for each in sampler.newest(0, 2)] == times[-2:] and not sampler.newest(7, 9)
