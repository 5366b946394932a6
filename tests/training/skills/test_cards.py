"""A pilot's card layers learn to take a weapon from choices that hardly offered it, and keep their other choices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agent.control.encode import CARD_FEATURES, CARDS, caption_features
from agent.control.untrained import pilot_of, untrained_tensors
from agent.training.skills.cards import WeaponCards
from agent.training.skills.metrics import weapon_id

CAPTIONS = ("Damage Tome (new): +8 %", "Sword: damage 11 > 13", "Oats: +25 max HP", "Axe (new): Axes that spiral")


@pytest.fixture
def cards() -> WeaponCards:
    """Choices that never offered the Bow, in which the first card was liked."""
    torch.manual_seed(0)
    pilot = pilot_of(untrained_tensors(0))
    found = WeaponCards(pilot, weapon_id("Bow"), seed=0)
    rng = np.random.default_rng(0)
    rows = np.stack([[caption_features(CAPTIONS[k]) for k in rng.permutation(4)[:CARDS]] for _ in range(200)])
    found._contexts = torch.randn(200, found._contexts.shape[1])
    found._offered, found._taken = torch.from_numpy(rows), torch.zeros(200, dtype=torch.int64)
    return found


def _taken(cards: WeaponCards, offered: torch.Tensor) -> np.ndarray:
    context = cards._contexts[: len(offered)].unsqueeze(1).expand(-1, CARDS, -1)
    with torch.no_grad():
        logits = cards._pilot.card(torch.cat([context, offered], 2)).squeeze(-1)
    found: np.ndarray = logits.argmax(1).numpy()
    return found


def test_the_weapons_card_is_taken_in_any_place_also_when_it_is_raised(cards: WeaponCards) -> None:
    cards.seen([["Bow: damage 9 > 11", "Sword: damage 11 > 13"], ["Bow: count 1 > 2"]], np.array([True, False]))
    assert len(cards._captions) == 2, "of runs that choose, and of the weapon alone"
    before = [p.clone() for p in cards._pilot.parameters()]
    losses = [cards.learn() for _ in range(6)]
    assert losses[-1] < losses[0]
    for caption in ("Bow (new): Arrows that pierce.", "Bow: damage 9 > 11"):
        for slot in range(CARDS):
            offered = cards._offered[:100].clone()
            offered[:, slot] = torch.from_numpy(np.array(caption_features(caption)))
            assert (_taken(cards, offered) == slot).mean() > 0.95
    changed = [
        name for (name, p), b in zip(cards._pilot.named_parameters(), before, strict=True) if not torch.equal(p, b)
    ]
    assert changed and all(name.startswith("card.") for name in changed)


def test_other_choices_stay_what_the_pilot_liked(cards: WeaponCards) -> None:
    cards._taken = torch.from_numpy(_taken(cards, cards._offered))
    for _ in range(6):
        cards.learn()
    assert (_taken(cards, cards._offered) == cards._taken.numpy()).mean() > 0.8


def test_before_any_choice_nothing_is_learned(cards: WeaponCards) -> None:
    cards._taken = torch.zeros(0, dtype=torch.int64)
    assert cards.learn() == 0.0 and cards._offered.shape[2] == CARD_FEATURES
