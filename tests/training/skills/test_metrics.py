"""Metrics of skills: what each counts in a world's record, and which names there are."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.errors import SettingsError
from agent.games.arena import state as layout
from agent.games.arena.stats import chest_price
from agent.games.arena.world import Worlds
from agent.training.skills.metrics import METRICS, character_id, metric_of, weapon_id


def test_each_metric_counts_its_own_field() -> None:
    worlds = Worlds(2)
    worlds.reset(0, 1, character=0, tier=0)
    worlds.reset(1, 2, character=0, tier=0)
    r = worlds.records
    before = {name: metric.count(r) for name, metric in METRICS.items()}
    world = r[1]
    world["gold"], world["chests_bought"], world["elites"], world["kills"], world["taken"] = 7.0, 2, 3, 9, 40.0
    world["stage"], world["level"], world["time_s"] = 1, 4, 33.0
    shrine = int(np.flatnonzero(world["thing_kind"][: world["things"]] == layout.THING_SHRINE)[0])
    world["thing_used"][shrine] = 1
    gained = {name: metric.growth(before[name], metric.count(r)) for name, metric in METRICS.items()}
    spent = float(chest_price(0)) + float(chest_price(1))
    assert gained["gold"].tolist() == [0.0, 7.0 + spent]
    wanted = {"chests": 2, "elites": 3, "kills": 9, "unhurt": -40, "bosses": 1, "levels": 3, "shrines": 1, "score": 33}
    assert {name: gained[name][1] for name in wanted} == pytest.approx(wanted) and not any(
        g[0] for g in gained.values()
    )


def test_a_weapons_level_counts_where_it_is_carried() -> None:
    worlds = Worlds(1)
    worlds.reset(0, 1, character=0, tier=0)
    bow, staff = metric_of("weapon:bow"), metric_of("weapon:FireStaff")
    assert bow.name == "weapon:Bow" and bow.count(worlds.records)[0] == 0.0
    begun = staff.count(worlds.records)[0]
    worlds.records[0]["weapon"][2], worlds.records[0]["weapon_level"][2] = weapon_id("Bow"), 5
    assert bow.count(worlds.records)[0] == 5.0 and staff.count(worlds.records)[0] == begun >= 1


def test_growth_counts_upwards_but_for_what_falls() -> None:
    down, up = np.array([5.0]), np.array([2.0])
    assert METRICS["chests"].growth(down, up)[0] == 0.0 and METRICS["unhurt"].growth(down, up)[0] == -3.0


def test_unknown_names_are_refused_with_the_nearest() -> None:
    for name, said in (("chest", "did you mean chests"), ("weapon:Baw", "did you mean Bow")):
        with pytest.raises(SettingsError, match=said):
            metric_of(name)
    with pytest.raises(SettingsError, match="did you mean Robinette"):
        character_id("Robinete")
