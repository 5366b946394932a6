"""What a card is worth, by its caption."""

from __future__ import annotations

from agent.control.scripted.cards import worth


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
