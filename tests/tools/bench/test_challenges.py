"""Simulated challenges: what they find, that peeking would be seen, and that the published ones hold."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from agent.core.statistics import ConfidenceSequence
from tools.bench import challenges
from tools.bench._result_file import ROOT

BY_NAME = {case.name: case for case in challenges.CASES}


class Peeked(ConfidenceSequence):
    """The usual 95 % interval of a mean, taken for valid at every look from the fifth value on."""

    @property
    def is_above(self) -> bool:
        values = np.array(self.values)
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) >= 5 else np.inf
        return bool(values.mean() - 1.96 * error > 0) if len(values) else False


def test_a_better_one_is_promoted_a_harmful_one_discarded_with_the_weights_that_act() -> None:
    better = challenges.simulated(BY_NAME["untrained to pilot"], 3, 0, 1 / 3)
    harmful = challenges.simulated(BY_NAME["harmful, pilot to 100 s"], 3, 0, 1 / 3)
    assert better["promoted"] == 3 and harmful["promoted"] == 0 and harmful["lower_shown_share"] == 1.0
    assert better["median_runs"] < 60 and harmful["median_runs"] < 60


def test_a_harmful_learner_costs_little_of_the_late_runs_because_it_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = BY_NAME["harmful, 146 to 60 s"]
    assert challenges.harmful_learner(case, 4, 0, 1 / 3)["within_share"] == 1.0
    monkeypatch.setattr("agent.store.challenge.Challenge.verdict", lambda self: "")  # nobody is discarded
    assert challenges.harmful_learner(case, 4, 0, 1 / 3)["late_ratio"] < 0.88


@pytest.mark.parametrize(("rule", "is_right"), [(ConfidenceSequence, True), (Peeked, False)])
def test_an_interval_for_one_look_promotes_equal_ones_too_often(
    rule: type[ConfidenceSequence], is_right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.store.challenge.ConfidenceSequence", rule)
    found = challenges.simulated(BY_NAME["equal, untrained"], 20, 0, 1 / 3)
    assert (found["promoted_share"] <= 0.05) is is_right, found


def test_the_command_ends_with_1_where_one_that_is_no_better_is_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "challenges.json"
    monkeypatch.setattr(sys, "argv", ["challenges", "--trials", "2", "--out", str(out)])
    monkeypatch.setattr(challenges.structlog, "configure", lambda **settings: None)
    better = BY_NAME["untrained to pilot"]
    for is_better, code in ((True, 0), (False, 1)):
        monkeypatch.setattr(challenges, "CASES", (BY_NAME["equal, pilot"], better._replace(may_promote=is_better)))
        assert challenges.main() == code
        written = json.loads(out.read_text(encoding="utf-8"))
        assert written["passed"] is is_better and written["cases"][better.name]["promoted"] == 2


def test_the_published_figures_are_of_these_cases_and_hold() -> None:
    published = json.loads((ROOT / "docs" / "results" / "challenges.json").read_text(encoding="utf-8"))
    assert [*published["cases"]] == [*BY_NAME] and published["trials"] >= 200
    no_better = [case["promoted_share"] for case in published["cases"].values() if not case["is_better"]]
    assert len(no_better) == 7 and max(no_better) <= published["limit"] == 0.05


def test_the_guide_says_what_the_published_figures_say() -> None:
    published = json.loads((ROOT / "docs" / "results" / "challenges.json").read_text(encoding="utf-8"))
    cases = published["cases"]
    shares = {name: f"{100 * case['promoted_share']:g} %" for name, case in cases.items()}
    runs = {name: f"{case['median_runs_promoted'] or case['median_runs_discarded']:g}" for name, case in cases.items()}
    rows = (
        f"| wins 87 % of its runs, against an untrained champion (146 s) | {shares['untrained to pilot']} | "
        f"{runs['untrained to pilot']} runs |",
        f"(401 s against 124 s) | {shares['124 to 401 s']} | {runs['124 to 401 s']} runs |",
        f"| wins 97 % of its runs, against one that wins 87 % | {shares['wins .87 to .97']} | "
        f"{runs['wins .87 to .97']} runs |",
        f"| equal: both untrained; both win 87 % | {shares['equal, untrained']}; {shares['equal, pilot']} | |",
        f"| slightly worse: 140 s against 146 s; wins 84 % against 87 % | {shares['slightly worse, 146 to 140 s']}; "
        f"{shares['slightly worse, wins .87 to .84']} | |",
        f"| better in four of five runs, but worse in mean | {shares['worse mean, mostly better']} | |",
        f"against one that wins 87 % | {shares['harmful, 146 to 60 s']}; {shares['harmful, pilot to 100 s']} | "
        f"discarded after {runs['harmful, 146 to 60 s']}; {runs['harmful, pilot to 100 s']} |",
        f"{published['trials']} trials of each case",
    )
    guide = (ROOT / "docs" / "guide" / "learning.md").read_text(encoding="utf-8")
    assert [row for row in rows if row not in guide] == []
