"""The router: ways around enemies, goals that are kept, reach that is learned, and a boss that is called and left."""

from __future__ import annotations

import copy
import math

import msgspec
import numpy as np
import pytest

from agent.control.arrays import STILL, read_only, surroundings
from agent.control.policies import build_policy
from agent.control.policy import capabilities_of
from agent.control.scripted.cards import worth
from agent.control.scripted.goals import ROAM, Pursuit, chest_price, noticed, pursue
from agent.control.scripted.router import MAX_REACH_M, MIN_REACH_M, Router, _learn_reach, _Reach
from agent.control.scripted.routes import danger_grid, waypoint
from agent.control.scripted.steering import heading
from agent.core.clock import VirtualClock
from agent.core.types import ByteArray, FloatArray, GameState, ObjectKind, Observation, RunInfo, SceneInfo
from agent.games.arena.game import ArenaGame
from agent.games.arena.stats import chest_price as price_of_the_rules
from agent.training.evaluate import evaluate

RUN = RunInfo(0, 0, (320, 180), (320, 180), True, False, False, 20, 0.0, 0, 0, 0.0, 0.0, 1, 0.0)


def shown(
    objects: list[tuple[ObjectKind, float, float]] = [],  # noqa: B006 - not changed
    enemies: list[tuple[float, float, float]] = [],  # noqa: B006 - not changed
    *,
    strong: bool = False,
    time_s: float = 100.0,
    gold: int = 0,
    dealt: float = 0.0,
) -> GameState:
    """A state at the map's middle: objects and enemies by x and z, enemies with health."""
    foes = np.array([[x, 0.0, z, hp] for x, z, hp in enemies], np.float32).reshape(-1, 4)
    places = np.array([[x, 0.0, z] for _, x, z in objects], np.float32).reshape(-1, 3)
    kinds = np.array([kind for kind, _, _ in objects], np.uint8)
    scene = SceneInfo(0.0, 0.0, np.full(len(foes), 128 if strong else 0, np.uint8), kinds, places)
    run = msgspec.structs.replace(RUN, gold=gold, damage_dealt=dealt)
    return msgspec.structs.replace(
        STILL, enemies=foes, scene=scene, run=run, game_time_s=time_s, health=100.0, max_health=100.0
    )


def followed(pursuit: Pursuit, state: GameState, elapsed_s: float = 0.2) -> str:
    noticed(pursuit, state, surroundings(state))
    return pursue(pursuit, state, surroundings(state), 8.0, elapsed_s).name


def grid(enemies: list[tuple[float, float]]) -> FloatArray:
    rows: FloatArray = read_only(np.array([[x, 0.0, z, 9.0] for x, z in enemies], np.float32).reshape(-1, 4))
    kinds: ByteArray = read_only(np.zeros(len(rows), np.uint8))
    return danger_grid(0.0, 0.0, rows, kinds)


def test_the_way_leads_straight_where_nothing_is_and_around_a_wall_of_enemies() -> None:
    assert waypoint(grid([]), 0.0, 30.0) == (0.0, 7.5)
    wall = [(x, 7.5) for x in np.arange(-30.0, 7.0, 1.0)]
    x, z = waypoint(grid(wall), 0.0, 30.0)
    assert x > 5.0, "the gap is on the right"
    assert waypoint(grid(wall), 1.0, 2.0) == (1.0, 2.0), "what is near is walked to"
    x, z = waypoint(grid([]), 500.0, -500.0)
    assert x == -z > 0.0, "what lies beyond the grid is walked towards"


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


def test_reach_is_learned_from_damage() -> None:
    reach, near = _Reach(), [(0.0, 6.0, 9.0)]
    for _ in range(40):
        _learn_reach(reach, shown(enemies=near), surroundings(shown(enemies=near)), 0.5)
    assert MIN_REACH_M <= reach.reach_m < 6.0, "at six metres nothing was hit"
    hit = shown(enemies=[(0.0, 8.0, 9.0)], dealt=5.0)
    _learn_reach(reach, hit, surroundings(hit), 0.1)
    assert reach.reach_m == pytest.approx(8.0) and reach.reach_m < MAX_REACH_M


def test_short_weapons_go_near_and_long_ones_keep_away() -> None:
    around = surroundings(shown(enemies=[(0.0, 6.0, 5.0)]))

    def toward(keep_m: float) -> float:
        still = (0.0, 0.0, 0.0)
        return math.cos(heading(math.pi / 2, 0.0, 0.0, *around, still, keep_m, 100.0, 0.0, 0.0))

    assert toward(2.3) > 0.5 > 0.0 > toward(8.6)


def test_cards_are_worth_what_they_change() -> None:
    cards = [
        "Cursed Tome (Legendary): Difficulty 0% > 8%",
        "Velocity Tome (Common): Projectile Speed 100% > 115%",
        "Damage Tome (Common): Damage 100% > 108%",
        "Damage Tome (Legendary): Damage 100% > 116%",
        "Quantity Tome (Common): Projectiles 0 > 1",
    ]
    assert sorted(cards, key=worth) == cards
    assert worth("Bow (Common): Damage 9 > 10.8") > worth("Bow (Common): Damage 90 > 91.8") > 0.0
    assert worth("Bow (New): Arrows that pierce.") > 0.0


def test_a_rehearsal_answers_the_same_and_remembers_nothing() -> None:
    router = Router()
    assert capabilities_of(router).rehearsing is router
    state = shown([(ObjectKind.CHEST, 0.0, 20.0)], [(3.0, 3.0, 9.0)], gold=99)
    seen = Observation(0, state, None, 5, 1 / 60, 0.0, 0.0, False, False, False)
    carry = router.initial(1)
    before = copy.deepcopy(carry)
    rehearsed = router.rehearse(carry, seen)
    assert carry == before and rehearsed is not None and rehearsed.answers == 5
    _, (action,) = router.step(carry, [seen])
    assert action == rehearsed and carry != before


def test_the_router_wins_runs_and_says_what_it_pursues() -> None:
    router = build_policy("router")
    report = evaluate(ArenaGame(), router, VirtualClock(), episodes=1, seed=930_001)
    assert report["statistics"]["wins"] == 1
    assert isinstance(router, Router)
    (said,) = router.served()["goals"]
    assert said["game"] == 0 and said["goal"] == "exit" and "m away" in said["reason"]
