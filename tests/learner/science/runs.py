"""Runs with menus whose truth is known, for tests of the book, the study and the part."""

from __future__ import annotations

import numpy as np

from agent.core.cards.menu import COVARIATES, CardMenu, JudgedMenu, RunRecord, Situation

CARDS = ("bow", "axe", "sword", "aura")


def run_of(number: int, *, effect: float = 0.0, menus: int = 20) -> RunRecord:
    """Run `number`: a bow gives `effect` seconds more score."""
    rng = np.random.default_rng(number)
    found = []
    for _ in range(menus):
        names = tuple(rng.permutation(CARDS)[:3].tolist())
        picked = int(rng.integers(3))
        x = tuple(rng.normal(0, 1, len(COVARIATES)).tolist())
        menu = CardMenu(
            kind="LevelUp", cards=names, actions=names, propensities=(1 / 3,) * 3, picked=picked, covariates=x, at_s=5.0
        )
        score_s = 300.0 + (effect if names[picked] == "bow" else 0.0) + float(rng.normal(0, 5.0))
        found.append(JudgedMenu(menu=menu, lived_s=float(rng.exponential(80.0)), died=True, score_s=score_s))
    lived_s = float(rng.uniform(40.0, 700.0))
    seen = tuple(
        Situation(float(at_s), (float(rng.random()), *(0.0,) * (len(COVARIATES) - 1)))
        for at_s in range(0, int(lived_s), 10)
    )
    return RunRecord(
        run=f"run {number}", ended_utc_ns=number, game="arena", menus=tuple(found), situations=seen, lived_s=lived_s,
        died=True,
    )  # fmt: skip
