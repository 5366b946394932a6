"""What of a plan reaches the actions depends on the policy, and what does not is said."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agent.app import build_session
from agent.control.kiter import Kiter
from agent.control.motor import Motor
from agent.control.policy import Capabilities, capabilities_of
from agent.control.untrained import untrained_tensors
from agent.core.clock import SystemClock
from agent.games.arena.terrain import EDGE_M
from agent.link.endpoint import Endpoint
from agent.planning.backend import LlmConfig
from agent.planning.goal import parse_goal
from agent.planning.part import SystemTwo
from agent.session.options import Planning, SessionOptions
from agent.session.planning.building import build_planning, choose_cards, effects_of
from tests.core.goals.states import state
from tests.planning.test_planner import Played

OPTIONS = SessionOptions(
    endpoints=(Endpoint("127.0.0.1", 9),), names=("game",), http_port=None,
    planning=Planning(goal=parse_goal("take the bow"), llm=LlmConfig("builtin")),
)  # fmt: skip


class Pursuing(Kiter):
    """A policy that takes subgoals."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.capabilities = Capabilities(subgoals=self)

    def pursue(self, game: int, pursuit: Any, judged: Any) -> None:
        self.told.append((game, pursuit.subgoal.describe() if pursuit is not None else None))


def _session_part(policy: Any, **changes: Any) -> tuple[SystemTwo | None, Any]:
    async def main() -> tuple[SystemTwo | None, Any]:
        made = build_session(replace(OPTIONS, **changes), policy, SystemClock())
        for closed in (*made.parts, *made.lanes):
            closed.close()
        found = next((p for p in made.parts if isinstance(p, SystemTwo)), None)
        return found, made.actor

    return asyncio.run(main())


def test_the_planner_is_a_part_that_is_on_or_off_and_shown() -> None:
    part, actor = _session_part(Kiter())
    assert part is not None and actor._navigator is not None and part.planner in actor._watchers
    assert "presses" in part.effects["cards"] and part.effects["subgoals"].startswith("none: kiter takes no subgoals")
    part, actor = _session_part(Kiter(), planning=None)
    assert part is None and actor._navigator is None


@pytest.mark.parametrize("wanted", [True, False])
def test_a_pilot_asks_the_planner_with_and_without_a_chooser_of_cards(wanted: bool) -> None:
    from agent.core.choices import WANTED

    pilot = Motor(untrained_tensors(0))
    part, actor = _session_part(pilot, wanted=WANTED if wanted else None)
    assert part is not None and actor._navigator is None and pilot._cards is not None
    assert pilot._cards[0].wishes is part.planner and pilot._cards[1] is actor._arbiter
    assert "before any chooser" in part.effects["cards"]


def test_a_policy_that_learns_from_its_own_cards_is_left_alone_and_that_is_said() -> None:
    effects = effects_of("dreamer", Capabilities(learnable=object()))  # type: ignore[arg-type]
    assert effects["cards"].startswith("none: dreamer learns")


def test_a_policy_that_takes_subgoals_is_told_each_of_them() -> None:
    policy, played = Pursuing(), Played("kill 50 enemies")

    async def main() -> None:
        planning = build_planning(OPTIONS, policy, played.clock, lambda kind, text, payload: None)
        assert planning is not None and planning.part.effects["subgoals"] == "the policy pursues them"
        choose_cards(policy, None, None, planning, None)  # type: ignore[arg-type]
        played.planner = planning.planner
        task = asyncio.ensure_future(planning.part.run())
        await asyncio.sleep(0)
        await played.play(state(), 1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert policy.told and all(game == 0 for game, _ in policy.told) and policy.told[-1][1] is not None
    assert capabilities_of(policy).subgoals is policy


def test_safety_is_a_part_where_it_is_on_and_knows_only_the_arenas_edge() -> None:
    async def main(**changes: Any) -> tuple[Any, Any]:
        made = build_session(replace(OPTIONS, **changes), Kiter(), SystemClock())
        for closed in (*made.parts, *made.lanes):
            closed.close()
        status = next((p.status() for p in made.parts if p.name == "safety"), None)
        return status, made.actor._safety

    assert asyncio.run(main()) == (None, None)
    status, rules = asyncio.run(main(safety=True, game="arena"))
    assert rules.half_m == EDGE_M and status["overrides"] == {"edge": 0, "boss": 0, "spam": 0, "mouse": 0}
    status, rules = asyncio.run(main(safety=True, game="bonklink://127.0.0.1:5560"))
    assert rules.half_m is None and "no edge is known" in status["edge"]
