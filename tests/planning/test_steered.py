"""A person holds on to a subgoal, lets go of it, or skips it, whatever is planned meanwhile."""

from __future__ import annotations

from agent.core.goals.vocabulary import Subgoal, SubgoalKind
from tests.core.goals.states import state
from tests.planning.test_planner import Played


def pursued(played: Played) -> Subgoal | None:
    pursuit = played.planner.minds[0].pursuit
    return pursuit.subgoal if pursuit is not None else None


def test_a_pinned_subgoal_is_pursued_through_new_plans_and_its_time_until_it_is_let_go_of() -> None:
    played = Played("kill 500 enemies")

    async def script() -> None:
        planner = played.planner
        assert planner.pin(0, True) is None and planner.skip(0) is None, "nothing is pursued yet"
        await played.play(state(), 1.0)
        held = pursued(played)
        assert held is not None and planner.pin(0, True) == held.describe() and planner.games()[0]["pinned"]
        for one in (state(), state(health=20.0), state(health=90.0)):
            await played.play(one, 20.0)
            assert pursued(played) == held, "plans changed, and time went by"
        assert len(played.kinds("plan")) >= 4
        assert planner.pin(0, False) == held.describe() and not planner.games()[0]["pinned"]
        assert planner.pin(0, False) is None
        planner.pin(0, True)
        played.show(state(), is_last=True)
        await played.play(state(), 2.0)
        assert not planner.games()[0]["pinned"], "its run is over"

    played.run(script)
    assert [text for _, text in played.kinds("subgoal_pinned")][0].startswith("a person pinned kill(")
    assert len(played.kinds("subgoal_unpinned")) == 1


def test_a_skipped_subgoal_counts_as_failed_and_another_is_pursued() -> None:
    played = Played("kill 500 enemies")
    found: list[Subgoal | None] = []

    async def script() -> None:
        for _ in range(2):
            await played.play(state(), 3.0)
            found.append(pursued(played))
            played.planner.skip(0)
        await played.play(state(), 1.0)
        found.append(pursued(played))

    played.run(script)
    assert all(found) and found[0] != found[-1] and found[0] is not None and found[0].kind is SubgoalKind.KILL
    assert [text.startswith("a person skipped") for _, text in played.kinds("subgoal_skipped")] == [True, True]
    assert any("a person skipped" in text for _, text in played.kinds("plan")), "the plan says why it is new"
