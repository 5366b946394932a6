"""Cards are told apart by their captions, as the arena writes them."""

from __future__ import annotations

import pytest

from agent.planning.cards import kinds_of, name_of, wished

OFFER = (
    "Armor Tome (Common): Armor 0% > 12%", "Bow (Rare): Damage 9 > 11.2, Count 1 > 2", "Bow (Common): Size 1 > 1.1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "kinds"),
    [
        ("Armor Tome (Common): Armor 0% > 12%", {"tome", "defence"}),
        ("Mines (New): Mines that wait under your feet.", {"weapon"}),
        ("Bow (Uncommon): Damage 9 > 11.2, Count 1 > 2", {"weapon", "damage"}),
        ("Luck (Common): Luck 15% > 20%", {"growth"}),
        ("Crit Damage (Common): Crit Damage 200% > 210%", {"damage"}),
        ("Turbo Socks (Common): +15 % movement speed", {"speed"}),
        ("", set()),
    ],
)
def test_a_caption_says_which_kinds_a_card_is_of(caption: str, kinds: set[str]) -> None:
    assert kinds_of(caption) == kinds


def test_the_rarest_card_of_a_kind_or_name_is_wished_for_and_none_where_there_is_none() -> None:
    assert wished("bow", OFFER) == 1 and wished("tome", OFFER) == 0 and wished("weapon", OFFER) == 1
    assert wished("axe", OFFER) is None and wished("speed", OFFER) is None and wished("bow", ()) is None
    assert name_of("Damage Tome (Epic): x") == "damage tome" and name_of("<script>") == ""
