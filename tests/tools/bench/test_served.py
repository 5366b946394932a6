"""Benches of what learns and acts in play: what they count, and when they fail."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.control.policies import SHIPPED, build_policy
from agent.control.untrained import untrained_tensors
from agent.models.sealed import load_sealed, save_sealed
from agent.store.challenging import GIVEN
from agent.store.store import WeightsStore
from tools.bench.learning.served import cards, given, harmful, learners, real_time, update_speed
from tools.bench.learning.served._lockstep import BOTH, CHALLENGER, CHAMPION, LockstepContest, Play, Run


def decision(kind: str, why: str = "its scores are lower") -> dict[str, Any]:
    return {"decision": kind, "why": why, "won_minus_lost": {"mean": -1.0, "low": -1, "high": 0}}


def told(
    runs: list[Run], *, promoted: int = 0, next_share: float = 1 / 6, kind: str = "discarded",
    why: str = "its scores are lower",
) -> dict[str, bool]:  # fmt: skip
    """The checks of an arm of these runs, by the part of their names behind the arm's."""
    challenge = {
        "share": 1 / 3, "next_share": next_share, "promoted": promoted, "discarded": 1,
        "decisions": [decision(kind, why)],
    }  # fmt: skip
    table = harmful.figures(runs, {"challenge": challenge}, 2)
    return {name.partition(": ")[2]: holds for name, holds in harmful._checks("arm", table).items()}


def played(late: float, by: str = CHALLENGER) -> list[Run]:
    return [*(Run(CHAMPION, 1000.0, True, 3) for _ in range(6)), Run(by, late, False, 3)]


def test_a_harmful_learner_is_held_to_what_its_late_runs_score_and_to_each_decision() -> None:
    assert all(told(played(600.0)).values())
    assert all(told(played(600.0, BOTH)).values())
    costly = told(played(400.0))
    assert [name for name, holds in costly.items() if not holds] == [
        "runs 61 to 120 score at least 0.9 of the champion's"
    ]
    for spoilt in ({"promoted": 1}, {"next_share": 1 / 3}, {"kind": "withdrawn"}):
        assert sum(not holds for holds in told(played(600.0), **spoilt).values()) == 1, spoilt


def test_a_share_stays_where_no_challenger_was_found_worse_but_their_runs_must_not_be_worse() -> None:
    equal: dict[str, Any] = {"next_share": 1 / 3, "why": "no difference was shown"}
    assert all(told(played(1000.0), **equal).values())
    assert [name for name, holds in told(played(600.0), **equal).items() if not holds] == [
        "where none was found worse, their runs are not below the champion's"
    ]
    assert not all(told(played(1000.0), **(equal | {"next_share": 1 / 6})).values())


def test_the_harm_is_what_the_learner_is_told() -> None:
    assert harmful.budget_of(harmful.HARMS["lr x 100"]).pilot.lr == pytest.approx(100 * harmful.PILOT_PPO.lr)
    assert harmful.HARMS["reversed reward"].paid_by.change(0, 0.0, 0.0, 1.0, 60.0) == -1.0


def test_runs_name_who_played_them_and_what_was_told_is_kept(tmp_path: Path) -> None:
    waiting = WeightsStore(tmp_path).home("pilot") / GIVEN
    waiting.parent.mkdir(parents=True)
    made = load_sealed(SHIPPED)[0]
    save_sealed(waiting, untrained_tensors(1), kind=made.kind, layout=made.layout, sizes=made.sizes, created_by="it")
    session = LockstepContest(untrained_tensors(0), Play(folder=tmp_path, share=0.5, tier=3, seed=0, games=2))

    tried: list[dict[str, Any]] = []

    async def until_both_played() -> None:
        while session.status()["challenge"]["challenger"] is None:  # what is given is taken up beside play
            await asyncio.sleep(0.01)
        tried.append(session.status()["challenge"]["challenger"])
        while CHALLENGER not in {run.by for run in session.runs} or not session.said:
            await asyncio.sleep(0.01)
        session.said.append({"kind": "both played"})

    session.play(100_000, until=("both played",), also=until_both_played)
    assert tried[0]["source"] == "it" and session.said[0]["kind"] == "challenger_begins"
    by = [run.by for run in session.runs]
    assert BOTH not in by and by[0] == CHAMPION and {run.one_in for run in session.runs} == {2}
    assert sum(tried[0]["runs"].values()) <= by.count(CHALLENGER) * 2
    assert not waiting.with_name(".challenge.claim").exists()


def test_a_better_challenger_must_be_promoted_and_the_worse_one_discarded() -> None:
    def row(better: int, acts: bool, worse: int) -> dict[str, Any]:
        control = {"challenge": {"discarded": 1 - worse}, "challenger_acts": bool(worse)}
        return {"seed": 0, given.BETTER: {"challenge": {"promoted": better}, "challenger_acts": acts},
                given.WORSE: control}  # fmt: skip

    assert given.summarise([row(1, True, 0)], False)["passed"]
    for wrong in (row(0, False, 0), row(1, False, 0), row(1, True, 1)):
        assert not given.summarise([wrong], False)["passed"]


def test_learners_are_compared_after_as_much_processor_time_as_the_quickest_took() -> None:
    def part(seconds: float, *means: float) -> dict[str, Any]:
        step = seconds / (len(means) - 1)
        points = [{"decisions": 100 * k, "cpu_s": step * k, "scores_s": [m, m + 2]} for k, m in enumerate(means)]
        return {"curve": points, "lessons": 0}

    rows = [
        {"seed": 0, **{arm: part(40.0, 100, 110, 120, 130, 140) for arm in learners.ARMS}, "ppo": part(10.0, 90, 95)}
    ]
    found = learners.summarise(rows, False)
    slow = found["arms"]["dreamer"]
    assert found["passed"] and found["quickest_cpu_s"] == 10.0
    assert (slow["after_s"]["mean"], slow["after_equal_time_s"]["mean"], slow["decisions_at_equal_time"]) == (
        141,
        111,
        100,
    )
    assert slow["gain_s"]["mean"] == 40.0
    del rows[0]["ppo"]
    assert not learners.summarise(rows, False)["passed"]


def test_real_time_must_gain_as_lock_step_does_and_not_cost_play() -> None:
    def said(gained: float, p99_on: float) -> list[bool]:
        before = [100.0, 120.0, 140.0]
        blocks = [
            {"learns": learns, "latency": {"p99_ms": p99_on + k if learns else 1.0 + k}}
            for k in range(3) for learns in (True, False)
        ]  # fmt: skip
        row: dict[str, Any] = {
            arm: {"decisions": 8000, "updates": 1000, "before_s": before, "after_s": [b + g for b in before]}
            for arm, g in ((real_time.REAL_TIME, gained), (real_time.LOCK_STEP, 200.0))
        }
        row[real_time.REAL_TIME]["blocks"] = blocks
        found = real_time.summarise([{"seed": 0, **row}], False)
        assert found["passed"] is all(found["checks"].values())
        return list(found["checks"].values())[2:]

    assert build_policy(real_time.POLICY, seed=0).name == real_time.POLICY  # its weights are looked for by this name
    assert real_time.gain([300.0, 301.0], [100.0, 101.0], 1000.0) == {"value": 20.0, "low": 20.0, "high": 20.0}
    assert said(200.0, 1.2) == [True, True, True]
    assert said(200.0, 2.0) == [False, True, True]
    assert said(100.0, 1.2) == [True, True, False]
    assert said(-1.0, 1.2) == [True, False, False]


def test_a_model_of_cards_must_not_lose_where_it_chooses() -> None:
    def row(tier: int, loss: float) -> dict[str, Any]:
        own = {"scores_s": [1000.0, 1100.0] * 4, "won": [True] * 8, "model": {}}
        other = own | {"scores_s": [s - loss for s in own["scores_s"]]}
        return {"seed": 0, f"tier {tier}, {cards.OWN}": own, f"tier {tier}, {cards.SHIPPED_CARDS}": other}

    assert cards.summarise([row(1, 0.0)], False)["passed"] and not cards.summarise([row(1, 200.0)], False)["passed"]
    higher = cards.summarise([row(2, 200.0)], False)
    assert higher["passed"] and not any(higher["checks"].values())
    assert higher["tier 2"][cards.SHIPPED_CARDS]["minus_own_s"]["value"] == -200.0


def test_the_figure_is_the_plain_update_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(update_speed.time, "process_time", lambda: now_s[0])

    def takes(seconds: float) -> Any:
        def update() -> None:
            now_s[0] += seconds

        return update

    found = update_speed.in_turns(takes(0.002), takes(0.006), 5)
    assert (found["ours_ms"], found["plain_ms"], found["plain_over_ours"]) == (2.0, 6.0, 3.0)
