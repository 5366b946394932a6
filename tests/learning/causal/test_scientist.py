"""The scientist on menus whose truth is known: effects, what may be said of them, and what it must not look at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agent.core.cards.menu import COVARIATES, CardMenu, JudgedMenu
from agent.learning.causal.scientist import BURN_IN, Batch, Scientist
from tools.bench.learning.cards import simulated

CARDS = ("bow", "axe", "sword", "aura")


def menu(rng: np.random.Generator, effect: float, *, chances: tuple[float, ...] = (0.5, 0.3, 0.2)) -> JudgedMenu:
    """A menu of three of four cards; a bow gives `effect` more score, in a situation that matters more."""
    names = tuple(rng.permutation(CARDS)[:3].tolist())
    picked = int(rng.choice(3, p=chances)) if min(chances) > 0 else int(np.argmax(chances))
    x = rng.normal(0, 1, len(COVARIATES))
    score = 100.0 + 20.0 * x[0] + (effect if names[picked] == "bow" else 0.0) + rng.normal(0, 5.0)
    return JudgedMenu(
        menu=CardMenu(
            kind="LevelUp", cards=names, actions=names, propensities=chances, picked=picked,
            covariates=tuple(x.tolist()), build=("axe",) if rng.random() < 0.5 else (),
        ),
        lived_s=float(rng.exponential(80.0)), died=True, score_s=score,
    )  # fmt: skip


def learned(effect: float, runs: int, seed: int = 0) -> tuple[Scientist, list[Any]]:
    rng, scientist = np.random.default_rng(seed), Scientist(("score_s", "rmst_30_s"))
    told = []
    for _ in range(runs):
        told += scientist.add_run([menu(rng, effect) for _ in range(20)])
    return scientist, told


def test_a_true_effect_is_found_announced_once_and_the_others_are_not() -> None:
    scientist, told = learned(9.0, 60)
    by_name = {e.name: e for e in scientist.effects("score_s")}
    assert by_name["bow"].low < 9.0 < by_name["bow"].high and by_name["bow"].effect == pytest.approx(9.0, abs=1.5)
    assert by_name["axe"].effect == pytest.approx(-3.0, abs=1.5), "against others among which the bow often is"
    bows = [e for e in told if e.name == "bow"]
    assert len(bows) == 1 and bows[0].outcome == "score_s" and bows[0].is_announced and bows[0].menus_needed == 0
    assert by_name["bow"].is_announced and {e.outcome for e in told} == {"score_s"}
    assert scientist.menus == 1200 and scientist.runs == 60 and by_name["bow"].believed < by_name["bow"].effect


def test_where_nothing_is_true_nothing_is_announced_and_it_says_how_many_menus_are_needed() -> None:
    scientist, told = learned(0.0, 60)
    assert not told
    small, _ = learned(2.0, 12)
    bow = {e.name: e for e in small.effects("score_s")}["bow"]
    assert not bow.is_announced and bow.menus_needed is not None and 50 < bow.menus_needed < 20_000


def test_a_run_is_scored_by_what_ended_before_it_alone() -> None:
    """Another outcome of a run moves its own scores by the weight of what was taken, and no expectation of it."""
    rng = np.random.default_rng(3)
    runs = []
    for _ in range(4):
        cards = np.stack([rng.permutation(4)[:3] for _ in range(20)])
        y = rng.normal(10, 1, (20, 1))
        runs.append(
            Batch(
                cards,
                np.ones((20, 3), np.bool_),
                np.full((20, 3), 1 / 3),
                rng.integers(0, 3, 20),
                rng.normal(0, 1, (20, 2)),
                y,
            )
        )

    def scores(shift: float) -> list[Any]:
        scientist = Scientist(("score_s",), covariates=2)
        for name in CARDS:
            scientist.index(name)
        return [scientist.add(b if k != 2 else b._replace(outcomes=b.outcomes + shift))[0] for k, b in enumerate(runs)]

    plain, moved = scores(0.0), scores(6.0)
    assert np.isnan(plain[0]).all(), "before any run nothing is expected"
    assert np.array_equal(plain[1], moved[1], equal_nan=True)
    taken = plain[2][np.arange(20), runs[2].picked]
    assert moved[2][np.arange(20), runs[2].picked] - taken == pytest.approx(np.full(20, 6.0 * 3.0))
    assert not np.allclose(plain[3], moved[3]), "and the next run's expectations know of it"
    assert sum(len(b.picked) for b in runs[:2]) > BURN_IN > len(runs[0].picked)


def test_menus_in_which_nothing_was_left_to_chance_are_passed_over_and_what_does_not_fit_is_refused() -> None:
    rng, scientist = np.random.default_rng(0), Scientist(("score_s",))
    assert scientist.add_run([menu(rng, 0.0, chances=(0.0, 1.0, 0.0))]) == [] and scientist.menus == 0
    bad = menu(rng, 0.0)
    with pytest.raises(ValueError, match="picked 7"):
        scientist.add_run([JudgedMenu(menu=_changed(bad.menu, picked=7), lived_s=1.0, died=True)])


def _changed(menu: CardMenu, **values: Any) -> CardMenu:
    return CardMenu(**{**{name: getattr(menu, name) for name in menu.__struct_fields__}, **values})


def test_a_chest_is_held_against_leaving_it_and_a_reroll_against_the_cards() -> None:
    rng, scientist = np.random.default_rng(0), Scientist(("score_s",))
    for _ in range(80):
        run = []
        for _ in range(10):
            chest = rng.random() < 0.5
            actions = ("beer", "leave") if chest else ("bow", "axe", "reroll")
            picked = int(rng.integers(len(actions)))
            score = {"beer": 4.0, "reroll": 2.0}.get(actions[picked], 0.0) + rng.normal(0, 1)
            made = CardMenu(
                kind="Chest" if chest else "LevelUp", cards=actions[:1] if chest else actions[:2], actions=actions,
                propensities=(1 / len(actions),) * len(actions), picked=picked, covariates=(0.0,) * len(COVARIATES),
            )  # fmt: skip
            run.append(JudgedMenu(menu=made, lived_s=10.0, died=True, score_s=score))
        scientist.add_run(run)
    found = {e.name: e.effect for e in scientist.effects("score_s")}
    assert found["beer"] == pytest.approx(4.0, abs=0.5) and found["leave"] == pytest.approx(-4.0, abs=0.5)
    assert found["reroll"] == pytest.approx(2.0, abs=0.5) and found["bow"] == pytest.approx(0.0, abs=0.5)


def test_a_card_that_works_only_beside_another_is_seen_after_thirty_joint_offers() -> None:
    rng, scientist = np.random.default_rng(5), Scientist(("score_s",))
    assert scientist.interactions() == []
    for _ in range(60):
        run = []
        for _ in range(20):
            judged = menu(rng, 0.0)
            helps = judged.menu.build and judged.menu.actions[judged.menu.picked] == "sword"
            run.append(
                JudgedMenu(
                    menu=judged.menu, lived_s=1.0, died=True, score_s=(judged.score_s or 0.0) + 25.0 * bool(helps)
                )
            )
        scientist.add_run(run)
    first = scientist.interactions()[0]
    assert (first.name, first.other) == ("sword", "axe") and first.low < 25.0 < first.high and first.low > 5.0
    assert min(first.offers_with, first.offers_without) >= 30


ECONML = (1.0605761680552885, -0.2375799131709655, -0.9714956094684337, 0.13314133815548912)
"""Of econml 0.17.0 on the menus below: `LinearDRLearner` with the known chances, ridge regression and five folds, each
card against the mean of its effect over the other two."""


def test_effects_are_those_of_econml_within_a_standard_error() -> None:
    rng, many = np.random.default_rng(11), 3000
    x = rng.normal(0, 1, (many, 3))
    cards = np.stack([rng.permutation(4)[:3] for _ in range(many)])
    logits = np.take_along_axis(x[:, :1] * np.array([[0.8, 0.0, -0.8, 0.4]]), cards, 1)
    chances = 0.7 * np.exp(logits) / np.exp(logits).sum(1, keepdims=True) + 0.1
    picked = np.minimum((rng.random(many)[:, None] > chances.cumsum(1)).sum(1), 2)
    true = np.array([1.0, 0.0, -0.5, 0.25])
    y = x @ np.array([1.5, -1.0, 0.5]) + true[cards[np.arange(many), picked]] + rng.normal(0, 1, many)
    scientist = Scientist(("score_s",), covariates=3)
    for name in CARDS:
        scientist.index(name)
    for k in range(0, many, 20):
        part = slice(k, k + 20)
        scientist.add(
            Batch(cards[part], np.ones((20, 3), np.bool_), chances[part], picked[part], x[part], y[part, None])
        )
    for effect, theirs, truth in zip(scientist.effects("score_s"), ECONML, true, strict=True):
        assert abs(effect.effect - theirs) <= effect.error, effect.name
        assert abs(effect.effect - (truth - (true.sum() - truth) / 3)) < 3 * effect.error and 0.03 < effect.error < 0.08


def test_the_bench_watches_the_scientist_itself_and_its_figures_are_as_committed() -> None:
    """Three short simulations: errors within their size, and scores as the scientist gave them."""
    rows = [{"schedule": simulated.one_arm(seed, "schedule", True)} for seed in range(3)]
    values = simulated.summarise(rows, True)
    assert 0.05 < values["rmse_1000"] < 0.35 and values["coverage_1000"] > 0.8
    assert values["rmse_of_others_1000"]["difference in means"] > 1.3 * values["rmse_1000"]
