"""Goals that are kept, paid, left alone; the boss that is called, and the exit."""

from __future__ import annotations

import msgspec

from agent.control.arrays import surroundings
from agent.control.scripted.goals import ROAM, Pursuit, chest_price, noticed, pursue
from agent.core.types import GameState, ObjectKind
from agent.games.arena.stats import chest_price as price_of_the_rules
from tests.control.scripted.states import shown


def followed(pursuit: Pursuit, state: GameState, elapsed_s: float = 0.2) -> str:
    noticed(pursuit, state, surroundings(state))
    return pursue(pursuit, state, surroundings(state), 8.0, elapsed_s).name


def test_a_goal_is_kept_unless_a_rival_is_much_better_or_the_time_is_over() -> None:
    chest, shrine = (ObjectKind.CHEST, 0.0, 20.0), (ObjectKind.SHRINE, 0.0, -20.0)
    pursuit = Pursuit(useless=[])
    assert followed(pursuit, shown([shrine], gold=500)) == "shrine"
    assert followed(pursuit, shown([shrine, chest], gold=500)) == "shrine", "a chest is better, but not 1.6 times"
    assert followed(pursuit, shown([shrine, (ObjectKind.CHEST, 0.0, 4.0)], gold=500)) == "chest"
    pursuit = Pursuit(useless=[])
    followed(pursuit, shown([shrine], gold=500))
    names = [followed(pursuit, shown([shrine, chest], gold=500)) for _ in range(14)]
    assert names[:10] == ["shrine"] * 10 and names[-1] == "chest", "commitment ends after 2.5 s"


def test_a_chest_is_a_goal_only_where_it_can_be_paid() -> None:
    assert [chest_price(n) for n in range(24)] == [price_of_the_rules(n) for n in range(24)]
    chest = [(ObjectKind.CHEST, 0.0, 10.0)]
    assert followed(Pursuit(useless=[]), shown(chest, gold=29)) == ROAM.name
    assert followed(Pursuit(useless=[]), shown(chest, gold=30)) == "chest"
    assert followed(Pursuit(useless=[], chests=1), shown(chest, gold=71)) == ROAM.name


def test_a_shrine_that_gives_nothing_is_left_alone() -> None:
    pursuit, state = Pursuit(useless=[]), shown([(ObjectKind.SHRINE, 0.0, 1.0)])
    names = [followed(pursuit, state) for _ in range(60)]
    assert names[0] == "shrine" and names[-1] == ROAM.name


def test_the_boss_is_called_when_strong_then_fought_and_the_exit_taken() -> None:
    portal, pursuit = (ObjectKind.PORTAL, 0.0, 2.0), Pursuit(useless=[])
    assert followed(pursuit, shown([portal], time_s=50.0)) == ROAM.name
    assert followed(pursuit, shown([portal], time_s=95.0)) == "portal"
    boss = [(4.0, 4.0, 9000.0)]
    assert followed(pursuit, shown([], boss, strong=True, time_s=171.0)) == "boss" and pursuit.called
    assert "9000 health" in pursuit.goal.reason
    assert followed(pursuit, shown([(ObjectKind.PORTAL, 6.0, 0.0)], time_s=200.0), 3.0) == "exit"
    at_exit = msgspec.structs.replace(shown([(ObjectKind.PORTAL, 6.0, 0.0)], time_s=201.0), position=(5.0, 0.0, 0.0))
    assert followed(pursuit, at_exit) == "exit"
    followed(pursuit, shown([(ObjectKind.PORTAL, 50.0, 0.0)], time_s=202.0))
    assert not pursuit.called, "the next stage has a boss of its own"
