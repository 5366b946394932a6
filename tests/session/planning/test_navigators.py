"""Of those who may act in a menu the first that wants to does, and each sees every observation."""

from __future__ import annotations

from agent.core.types import Action, Observation
from agent.session.planning.navigators import Navigators
from tests.core.goals.states import state

SEEN = Observation(0, state(), None, 1, 0.0, 0.0, 0.0, False, False, False)


class Wants:
    def __init__(self, action: Action | None) -> None:
        self.action, self.asked = action, 0

    def propose(self, observation: Observation) -> Action | None:
        self.asked += 1
        return self.action


def test_the_first_that_wants_to_acts_under_its_name() -> None:
    none, fire, jump = Wants(None), Wants(Action(fire=True)), Wants(Action(interact=True))
    assert Navigators((none, "a"), (fire, "b"), (jump, "c")).propose(SEEN) == (Action(fire=True), "b")
    assert [w.asked for w in (none, fire, jump)] == [1, 1, 1]
    assert Navigators((none, "a")).propose(SEEN) is None
