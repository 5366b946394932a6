"""A plan says what, by whom, why and until when; a model may only answer with numbers that are there."""

from __future__ import annotations

import msgspec
import pytest

from agent.core.errors import LlmError
from agent.core.goals.progress import Tally
from agent.planning.goal import parse_goal
from agent.planning.messages import Told
from agent.planning.plans import BUILTIN, EXPIRES_S, build_plan, question
from agent.planning.utility import candidates
from tests.core.goals.states import state

TALLY = Tally(time_s=42.0, level=3)


def test_the_builtin_takes_a_card_only_where_the_goal_asks_for_one() -> None:
    for goal, card in (("survive 9 min", None), ("take the bow", "pick_card(bow, 1)")):
        ranked = candidates(parse_goal(goal), state(), TALLY, (), {})
        plan = build_plan(7, ranked, BUILTIN, "a run began", 100.0)
        assert (plan.card.describe() if plan.card is not None else None) == card
        assert 1 <= len(plan.steps) <= 3 and plan.expires_s == 100.0 + EXPIRES_S
        assert plan.reason.startswith(f"a run began; {ranked[0].subgoal.describe()} has the highest utility, ")
        assert msgspec.json.encode(plan.as_builtins(101.0))


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        ('{"plan":[2,1]}', True), ('{"plan":[]}', False), ('{"plan":[1,2,3,4,5]}', False), ('{"plan":[98]}', False),
        ('{"plan":[0]}', False), ('{"plan":[1.5]}', False), ('{"plan":["kill"]}', False), ('[1]', False),
        ('{"plan":[1],"run":"rm"}', False),
    ],
)  # fmt: skip
def test_a_reply_is_numbers_of_the_list_and_nothing_else(reply: str, good: bool) -> None:
    goal = parse_goal("survive 9 min")
    ranked = candidates(goal, state(), TALLY, (), {})
    asked = question(goal, state(), TALLY, ranked, ["kill(20) failed: 3 of 20 kills"])
    allowed = msgspec.json.decode(asked.schema)["properties"]["plan"]["items"]["enum"]
    assert allowed == [c.id for c in ranked] and "failed: 3 of 20" in asked.prompt
    if good:
        assert asked.decode(Told(content=reply)).plan == (2, 1)
    else:
        with pytest.raises(LlmError, match="invalid"):
            asked.decode(Told(content=reply))


def test_a_game_that_stands_still_asks_the_same_question() -> None:
    goal = parse_goal("kill 50 enemies")
    prompts = {
        question(goal, s, TALLY, candidates(goal, s, TALLY, (), {}), ()).prompt
        for s in (state(health=80.4), state(health=79.6))
    }
    assert len(prompts) == 1
