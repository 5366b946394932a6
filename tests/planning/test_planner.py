"""Plans follow events, expire, fail and are replaced; a model's fault costs play nothing but its plans."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import structlog

from agent.core.clock import VirtualClock
from agent.core.goals.progress import Judged, Pursuit
from agent.core.types import GameState, Menu, ObjectKind, Observation
from agent.planning.backend import Backend, LlmConfig
from agent.planning.goal import parse_goal
from agent.planning.llm import LanguageModel
from agent.planning.messages import Server, Told
from agent.planning.planner import Mind, Planner
from tests.core.goals.states import state
from tests.planning.test_llm import Carried

HANGS = Told(fault="slow", error="no whole answer within 10 s")


class Slow(Carried):
    """A courier whose answers take `takes_s` of the clock."""

    def __init__(self, clock: VirtualClock, takes_s: float, *answers: Told | Exception) -> None:
        super().__init__(*answers)
        self._clock, self._takes_s = clock, takes_s

    async def ask(self, ask: Any) -> Told:
        await self._clock.sleep_until(self._clock.now_s() + self._takes_s)
        return await super().ask(ask)


class Once(Slow):
    """A courier that answers once, and never again."""

    async def ask(self, ask: Any) -> Told:
        if self.asked:
            await self._clock.sleep_until(float("inf"))
        return await super().ask(ask)


class Played:
    """A planner and what it said; `play` shows it a state each quarter of a second. The player walks in a circle."""

    def __init__(self, goal: str, courier: Callable[[VirtualClock], Carried] | None = None) -> None:
        self.clock = VirtualClock(100.0)
        self.events: list[tuple[float, str, str]] = []
        self.pursued: list[tuple[str | None, float | None]] = []
        self.courier = courier(self.clock) if courier is not None else None
        backend = Backend(LlmConfig("ollama" if courier is not None else "builtin"), self.clock)
        if self.courier is not None:
            backend.model = LanguageModel(Server("ollama", "http://x", "m"), self.courier, self.clock, timeout_s=10.0)
            backend.model.ready = True
        self.model = backend.model
        self.planner = Planner(parse_goal(goal), 1, self.clock, self._say, backend=backend, pursue=self._pursue)
        self.first = self.walks = True

    def _say(self, kind: str, text: str, payload: dict[str, Any]) -> None:
        self.events.append((self.clock.now_s() - 100.0, kind, text))

    def _pursue(self, game: int, pursuit: Pursuit | None, judged: Judged | None) -> None:
        said = pursuit.subgoal.describe() if pursuit is not None else None
        self.pursued.append((said, judged.share if judged is not None else None))

    def show(self, one: GameState, *, is_last: bool = False) -> None:
        now_s = self.clock.now_s()
        if self.walks:
            one = msgspec.structs.replace(one, position=(math.sin(now_s), 0.0, math.cos(now_s)))
        seen = Observation(0, one, None, 0, 0.25, now_s, 0.0, self.first, is_last, is_last)
        self.first = is_last
        self.planner.on_step(seen, None, 0)  # type: ignore[arg-type]

    async def play(self, one: GameState, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.show(one)
            await self.clock.advance(0.25)

    def kinds(self, kind: str) -> list[tuple[float, str]]:
        return [(at_s, text) for at_s, what, text in self.events if what == kind]

    def run(self, script: Callable[[], Any]) -> None:
        async def main() -> None:
            task = asyncio.ensure_future(self.planner.run())
            await asyncio.sleep(0)
            await script()
            assert not task.done(), task.result()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(main())


def test_plans_come_at_once_on_events_two_seconds_apart_and_at_the_latest_after_fifteen() -> None:
    played = Played("kill 500 enemies")

    async def script() -> None:
        await played.play(state(), 1.0)
        await played.play(state(health=20.0), 3.0)
        await played.play(state(health=20.0), 20.0)

    played.run(script)
    at = [at_s for at_s, _ in played.kinds("plan")]
    assert at[0] <= 0.5 and 2.0 <= at[1] - at[0] <= 2.5 and 14.5 <= at[2] - at[1] <= 15.5
    assert "health 20 of 100" in played.kinds("plan")[1][1] and "is over after 14.5 s" in played.kinds("plan")[2][1]
    assert all(any(c.isdigit() for c in text) for _, _, text in played.events), "a change without a number"


def test_what_failed_is_held_against_a_subgoal_for_a_minute() -> None:
    mind = Mind(failures=[(100.0, "kill(20)"), (130.0, "kill(20)"), (150.0, "boss(1)")])
    planner = Played("survive").planner
    assert planner._failures(mind, 159.0) == {"kill(20)": 2, "boss(1)": 1}
    assert planner._failures(mind, 161.0) == {"kill(20)": 1, "boss(1)": 1}


def test_a_subgoal_that_is_done_gives_way_to_the_next_and_one_that_fails_to_another_plan() -> None:
    played = Played("kill 500 enemies")

    async def script() -> None:
        await played.play(state(), 1.0)
        await played.play(state(kills=20), 0.5)
        await played.play(state(kills=20), 50.0)

    played.run(script)
    done, failed = played.kinds("subgoal_done"), played.kinds("subgoal_failed")
    assert "kill(20) is done: 20 of 20 kills" in done[0][1] and "of 20 kills" in failed[0][1]
    assert played.pursued[0][0] is not None and ("kill(20)", 0.0) in played.pursued
    assert played.planner.counts()["done"] == len(done) and played.planner.counts()["failed"] == len(failed)
    told = played.planner.histories()[0]
    assert [e["kind"] for e in told].count("plan") == played.planner.counts()["plans"] and len(told) <= 20


def test_a_loop_fails_what_is_pursued_and_both_planners_hear_of_it() -> None:
    played = Played("kill 500 enemies", lambda clock: Slow(clock, 0.5, *[Told(content='{"plan":[1]}')] * 9))

    async def script() -> None:
        await played.play(state(), 6.0)
        pursued = played.pursued[-1][0]
        played.planner.loop(0, "the player was 4 times in Shop")
        await played.play(state(), 3.0)
        assert pursued is not None and played.planner._failures(played.planner.minds[0], 109.0)[pursued] == 1

    played.run(script)
    assert played.kinds("plan")[-1][1].startswith("in a loop: the player was 4 times in Shop; ")
    assert played.courier is not None
    prompts = [ask.prompt for ask in played.courier.asked]
    assert "in a loop: the player was 4 times" in prompts[-1] and "in a loop" not in prompts[0]
    assert "failed 1 times in the last minute" in prompts[-1]


def test_who_stands_still_and_gains_nothing_is_stuck_and_who_walks_or_kills_is_not() -> None:
    for walks, kills in ((False, 0), (True, 0), (False, 1)):
        played = Played("survive 20 minutes")
        played.walks = walks

        async def script(played: Played = played, kills: int = kills) -> None:
            for k in range(12):
                await played.play(state(game_time_s=10.0 + k, kills=k * kills), 1.0)

        played.run(script)
        told = [text for _, text in played.kinds("subgoal_failed")]
        assert bool(told) is (not walks and not kills), told
        if told:
            assert "it is stuck within 0.0 m for 10.0 s, with 0 kills and level 1.00" in told[0]
            assert len(played.kinds("plan")) == 2, "nothing was planned in its place"


def test_a_boss_that_appears_is_planned_for() -> None:
    played = Played("survive 20 minutes")

    async def script() -> None:
        await played.play(state(game_time_s=10.0), 4.0)
        await played.play(state(game_time_s=14.0, enemies=((9.0, 0.0, True),)), 4.0)

    played.run(script)
    plans = played.kinds("plan")
    assert len(plans) == 2 and plans[1][1].startswith("an elite or boss appeared, 1 in sight; ")


async def _for(played: Played, seconds: int, **changes: Any) -> None:
    """Play on; the game's time goes on where it stands."""
    for _ in range(seconds * 4):
        await played.play(state(game_time_s=played.clock.now_s() - 100.0, **changes), 0.25)


def test_a_plan_that_is_renewed_keeps_the_step_that_is_pursued_and_what_is_done() -> None:
    played = Played("survive 20 minutes")

    async def script() -> None:
        await _for(played, 29)
        assert len(played.kinds("plan")) >= 2, "the plan was never renewed, so nothing is shown here"
        assert [text.split(")")[0] for _, text in played.kinds("subgoal")] == ["survive_until(30"]
        await _for(played, 4)
        await _for(played, 3, xp=1.2)
        await _for(played, 20, xp=1.2, kills=20)
        await _for(played, 20, xp=1.2, kills=20)

    played.run(script)
    begun = [text.split("(")[0] for _, text in played.kinds("subgoal")]
    assert begun[:4] == ["survive_until", "collect", "kill", "survive_until"], begun
    done = [text for _, text in played.kinds("subgoal_done")]
    assert done[0].startswith("survive_until(30) is done") and len(done) >= 3
    second = next(text for _, text in played.kinds("subgoal") if text.startswith("collect"))
    assert "is step 2 of 3 of plan " in second


@pytest.mark.parametrize(("goal", "more"), [("open chests", {}), ("survive 20 minutes", {"health": 20.0})])
def test_what_the_goal_asks_more_of_and_what_the_state_needs_is_planned_again_once_it_is_done(
    goal: str, more: dict[str, Any]
) -> None:
    played = Played(goal)
    place = (ObjectKind.CHEST if "chest" in goal else ObjectKind.HEALTH, 3.0, 0.0)

    async def script() -> None:
        await _for(played, 3, objects=(place,), **more)
        if "chest" in goal:
            await _for(played, 1, objects=(place,), current_menu=Menu.CHEST)
        else:
            await _for(played, 1, objects=(place,), health=31.0)
        await _for(played, 5, objects=(place,), **more)

    played.run(script)
    begun = [text.split(",")[0] for _, text in played.kinds("subgoal")]
    assert begun[0] == begun[1] == ("open(chest" if "chest" in goal else "collect(health"), begun


def test_the_run_that_ends_fails_its_subgoal_and_the_next_one_begins_anew() -> None:
    played = Played("survive 20 minutes")

    async def script() -> None:
        await played.play(state(), 1.0)
        played.show(state(health=0.0), is_last=True)
        await played.clock.advance(0.25)
        await played.play(state(game_time_s=0.0), 3.0)

    played.run(script)
    assert "the run ended" in played.kinds("subgoal_failed")[0][1]
    assert played.kinds("plan")[-1][1].count("a run began") == 1


def test_a_models_plan_replaces_the_builtins_and_its_numbers_are_the_lists() -> None:
    played = Played("survive 20 minutes", lambda clock: Slow(clock, 1.0, Told(content='{"plan":[3,1]}')))

    async def script() -> None:
        await played.play(state(enemies=((3.0, 3.0, False),)), 3.0)

    played.run(script)
    plans = played.kinds("plan")
    assert plans[0][0] <= 0.5 and "highest utility" in plans[0][1]
    assert 1.0 <= plans[1][0] <= 2.0 and "was chosen by ollama:m" in plans[1][1]
    counts = played.planner.counts()
    assert (counts["by_builtin"], counts["by_model"]) == (1, 1)
    assert played.planner.games()[0]["plan"]["made_by"] == "ollama:m"


def test_a_model_that_hangs_leaves_no_game_without_a_plan_and_the_breaker_spares_it() -> None:
    played = Played("survive 20 minutes", lambda clock: Slow(clock, 10.0, *[HANGS] * 20))
    without: list[float] = []

    async def script() -> None:
        for _ in range(90):
            await played.play(state(), 1.0)
            plan = played.planner.games()[0]["plan"]
            if plan is None or plan["expires_in_s"] <= 0 or plan["made_by"] != "builtin":
                without.append(played.clock.now_s())

    played.run(script)
    assert not without and played.planner.counts()["by_model"] == 0
    faults = played.kinds("planner_fault")
    assert played.courier is not None and played.model is not None
    assert "slow" in faults[0][1] and 3 <= len(faults) <= 5 and len(played.courier.asked) == len(faults)
    status = played.model.status()
    assert status["breaker"]["opened"] >= 1 and status["last_fault"]["fault"] == "slow"


def test_a_model_that_hangs_leaves_no_instant_without_a_valid_plan() -> None:
    played = Played("survive 20 minutes", lambda clock: Once(clock, 1.13, Told(content='{"plan":[2]}')))
    left_s: list[float] = []

    async def script() -> None:
        await played.play(state(), 0.5)
        for k in range(360):
            await played.clock.advance(0.05)
            played.show(state(game_time_s=10.0 + k / 20))
            left_s.append(played.planner.games()[0]["plan"]["expires_in_s"])

    played.run(script)
    assert played.planner.counts()["by_model"] == 1 and 0.0 < min(left_s) < 1.0


def test_the_builtin_plans_for_what_the_model_did_not_answer_and_the_model_is_asked_again() -> None:
    played = Played("survive 20 minutes", lambda clock: Slow(clock, 1.0, Told(content='{"plan":[2]}'), HANGS))

    async def script() -> None:
        await played.play(state(), 4.0)
        await played.play(state(health=20.0), 5.0)

    played.run(script)
    (_, first), (_, by_model), (at_s, builtin), (again_s, again) = played.kinds("plan")
    assert "a run began" in first and "chosen by ollama" in by_model and "chosen by ollama" in again
    assert builtin.startswith("health 20 of 100; ") and "highest utility" in builtin
    assert at_s == played.kinds("planner_fault")[0][0] and 1.0 < again_s - at_s < 3.0


def test_what_happens_while_a_model_thinks_is_planned_for_after_its_answer() -> None:
    played = Played("survive 20 minutes", lambda clock: Slow(clock, 3.0, *[Told(content='{"plan":[2]}')] * 9))

    async def script() -> None:
        await played.play(state(), 1.5)
        await played.play(state(health=20.0), 8.0)

    played.run(script)
    told = [text.partition(";")[0] for _, text in played.kinds("plan")]
    assert told[:3] == ["a run began", "a run began", "health 20 of 100"]


def test_a_card_that_a_model_chooses_is_kept_beside_what_is_best_to_play() -> None:
    played = Played("take the bow", lambda clock: Slow(clock, 1.0, *[Told(content='{"plan":[1]}')] * 9))

    async def script() -> None:
        await played.play(state(), 6.0)

    played.run(script)
    plan = played.planner.games()[0]["plan"]
    assert plan["made_by"] == "ollama:m" and plan["card"] == "pick_card(bow, 1)" and len(plan["steps"]) == 3
    assert "pick_card(bow, 1) was chosen by ollama:m" in plan["reason"] and played.planner.counts()["plans"] == 2


def test_a_game_that_has_much_to_ask_leaves_the_model_to_the_others_too() -> None:
    played = Played("survive 20 minutes", lambda clock: Slow(clock, 4.0, *[Told(content='{"plan":[2]}')] * 99))
    played.planner.minds += [Mind(), Mind()]

    async def script() -> None:
        for k in range(240):
            for game in (0, 1, 2):
                health = 20.0 if game < 2 and k % 2 else 90.0  # a new reason to plan, each half of a second
                seen = Observation(
                    game,
                    state(health=health, game_time_s=k),
                    None,
                    0,
                    0.25,
                    played.clock.now_s(),
                    0.0,
                    False,
                    False,
                    False,
                )
                played.planner.on_step(seen, None, 0)  # type: ignore[arg-type]
            await played.clock.advance(0.25)

    played.run(script)
    by_model = [[e for e in told if "chosen by ollama" in e["text"]] for told in played.planner.histories()]
    assert len(by_model[2]) >= 2


def test_an_answer_for_a_run_that_is_over_is_thrown_away() -> None:
    played = Played("survive 20 minutes", lambda clock: Slow(clock, 4.0, Told(content='{"plan":[2]}'), *[HANGS] * 9))

    async def script() -> None:
        await played.play(state(), 1.0)
        played.show(state(health=0.0), is_last=True)
        await played.play(state(), 4.0)

    played.run(script)
    assert played.planner.counts()["thrown_away"] == 1 and played.planner.counts()["by_model"] == 0


def test_an_answer_for_another_goal_or_one_that_is_too_late_is_thrown_away() -> None:
    for goal, takes_s in (("take the bow", 4.0), (None, 16.0)):
        played = Played("survive 20 minutes", lambda clock, s=takes_s: Slow(clock, s, Told(content='{"plan":[2]}')))

        async def script(played: Played = played, goal: str | None = goal, takes_s: float = takes_s) -> None:
            await played.play(state(), 1.0)
            if goal is not None:
                played.planner.set_goal(parse_goal(goal))
            await played.play(state(game_time_s=11.0), takes_s)

        played.run(script)
        assert played.planner.counts()["thrown_away"] == 1 and played.planner.counts()["by_model"] == 0


def test_a_model_is_asked_again_before_its_plan_is_over() -> None:
    played = Played("survive 20 minutes", lambda clock: Slow(clock, 1.0, *[Told(content='{"plan":[2]}')] * 9))

    async def script() -> None:
        for k in range(120):
            await played.play(state(game_time_s=10.0 + k / 4), 0.25)

    played.run(script)
    assert (played.planner.counts()["by_builtin"], played.planner.counts()["by_model"]) == (1, 3)


def test_a_new_goal_replaces_the_plan_at_once_and_cards_are_wished_by_it() -> None:
    played, offer = Played("survive 20 minutes"), ("Axe (New): x", "Bow (New): y")

    async def script() -> None:
        await played.play(state(), 1.0)
        assert played.planner.wish(0, offer) is None
        played.planner.set_goal(parse_goal("take the bow"))
        await played.play(state(), 0.5)
        assert played.planner.wish(0, offer) == 1 and played.planner.wish(0, offer[:1]) is None
        played.planner.picked(0)
        await played.play(state(), 0.5)

    played.run(script)
    assert "take the bow" in played.kinds("goal")[0][1] and played.planner.counts()["picked"] == 1


@pytest.mark.parametrize("logs", [False, True])
def test_changes_go_to_the_log_too_where_that_is_wanted(logs: bool) -> None:
    played = Played("survive 20 minutes")
    played.planner = Planner(parse_goal("survive"), 1, played.clock, lambda *_: None, logs=logs)

    async def script() -> None:
        await played.play(state(), 1.0)

    with structlog.testing.capture_logs() as entries:
        played.run(script)
    assert [e["event"] for e in entries] == (["plan", "subgoal"] if logs else [])
    assert all("survive_until" in e["reason"] and e["game"] == 0 for e in entries)


def test_a_game_that_shows_nothing_or_is_not_played_is_not_planned_for() -> None:
    played = Played("survive 20 minutes")

    async def script() -> None:
        await played.play(state(is_playing=False), 5.0)
        assert not played.kinds("plan")
        await played.play(state(), 1.0)
        await played.clock.advance(60.0)

    played.run(script)
    assert 5.0 <= max(at_s for at_s, _ in played.kinds("plan")) < 9.0
