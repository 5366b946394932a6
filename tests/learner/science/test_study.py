"""What is learned of a game, as it is shown and as the chooser gets it."""

from __future__ import annotations

import json

import pytest

from agent.core.cards.menu import COVARIATES, OUTCOMES, CardMenu
from agent.learner.science.study import Study, in_words
from tests.learner.science.runs import run_of


@pytest.fixture(scope="module")
def study() -> Study:
    found = Study()
    told = [effect for number in range(40) for effect in found.learn(run_of(number, effect=12.0))]
    assert [in_words(e).partition(":")[0] for e in told if e.outcome == "score_s"][0] == "bow"
    return found


def test_the_chooser_gets_beliefs_about_the_score(study: Study) -> None:
    beliefs = study.beliefs()
    assert beliefs.of("bow")[0] > 6.0 > 1.0 > beliefs.of("axe")[0] and beliefs.menus == 800
    assert beliefs.of("never seen") == (0.0, beliefs.spread)


def test_all_that_is_shown_is_plain_and_says_what_is_announced(study: Study) -> None:
    shown = study.known().shown
    assert json.loads(json.dumps(shown)) == shown
    assert set(shown["effects"]) == set(OUTCOMES) and shown["runs"] == 40 and shown["menus"] == 800
    first = shown["effects"]["score_s"][0]
    assert first["name"] == "bow" and first["is_announced"] and first["low"] < 12.0 < first["high"]
    assert any(text.startswith("bow: 1") and "s more score than the other cards" in text for text in shown["eurekas"])
    assert shown["survival"]["runs"] == 40 and shown["survival"]["calibration"]["next_60_s"]["count"] > 100


def test_at_an_offer_it_says_the_chance_to_survive_and_what_each_card_changes(study: Study) -> None:
    menu = CardMenu(
        kind="LevelUp", cards=("bow", "axe"), actions=("bow", "axe", "unknown"), propensities=(0.4, 0.4, 0.2), picked=0,
        covariates=(0.5, *(0.0,) * (len(COVARIATES) - 1)), at_s=30.0,
    )  # fmt: skip
    found = study.at_offer(menu, study.known())
    assert 0.0 < found["next_60_s"] < 1.0 and 0.0 < found["to_the_boss"] < 1.0
    assert set(found["by_card_60_s"]) == {"bow", "axe"} and set(found["by_card_60_s"]["bow"]) == {"change", "deviation"}
    assert Study().chances(None) == {}
