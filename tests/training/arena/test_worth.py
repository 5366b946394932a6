"""The card that makes the player strongest, and how far weapons reach."""

from __future__ import annotations

from typing import Any

import pytest

from agent.games.arena import state as layout
from agent.games.arena import stats as st
from agent.games.arena.catalog import STATS, load_catalog
from agent.games.arena.world import Worlds
from agent.training.arena.worth import WEIGHTS, best_card, reach_m

NAMES = [c["name"] for c in load_catalog().characters]
WEAPONS = [w["name"] for w in load_catalog().weapons]
TOMES = [t["name"] for t in load_catalog().tomes]


def world_of(character: str) -> tuple[Any, Any]:
    """A world at its first tick, and the rules."""
    worlds = Worlds(1)
    worlds.reset(0, 5, character=NAMES.index(character))
    return worlds.records[0], worlds.catalog.rules


def offer(world: Any, *cards: tuple[int, int, str, float]) -> None:
    """Put cards on offer: kind, what, the stat that it changes, and by how much."""
    for card, (kind, what, stat, value) in enumerate(cards):
        world["offer_kind"][card], world["offer_id"][card] = kind, what
        world["offer_stat"][card] = STATS.index(stat) if stat else -1, -1
        world["offer_value"][card] = value, 0.0


def tome(name: str, value: float) -> tuple[int, int, str, float]:
    return layout.OFFER_TOME, TOMES.index(name), str(load_catalog().tomes[TOMES.index(name)]["stat"]), value


def test_the_card_is_taken_that_makes_the_player_strongest() -> None:
    world, rules = world_of("Fox")
    offer(world, tome("Damage Tome", 0.08), tome("Cursed Tome", 0.04), tome("Damage Tome", 0.16))
    assert best_card(world, rules, WEIGHTS) == 2
    offer(world, tome("Velocity Tome", 0.15), tome("Cursed Tome", 0.04), tome("Luck Tome", 0.08))
    assert best_card(world, rules, WEIGHTS) == 2
    weapon = (layout.OFFER_WEAPON_NEW, WEAPONS.index("Bone"), "", 0.0)
    offer(world, tome("Knockback Tome", 0.2), weapon, tome("Golden Tome", 0.12))
    assert best_card(world, rules, WEIGHTS) == 1, "a second weapon doubles the damage"
    assert best_card(world, rules, WEIGHTS._replace(new_power=0.0, new_weapon=-1.0)) != 1


def test_reach_is_that_of_the_weapons_that_do_the_damage() -> None:
    (near, rules), (far, _) = world_of("Megachad"), world_of("CL4NK")
    assert reach_m(near, rules) == pytest.approx(3.2, rel=0.05) and reach_m(far, rules) == pytest.approx(12.0)
    st.give_weapon(near, rules, WEAPONS.index("Revolver"))
    assert 3.5 < reach_m(near, rules) < 12.0
