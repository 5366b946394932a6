"""A planner's card is picked by the policy, through the arbiter, or by presses in place of one that asks nobody."""

from __future__ import annotations

import numpy as np

from agent.control import menus
from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import CardChooser, CardSeat
from agent.control.cards.planned import PLANNER, PlannedCards
from agent.control.encode import CARD_FEATURES, CARDS, SELF_FEATURES, caption_features
from agent.core.choices import WANTED
from agent.core.types import GameState, Observation
from tests.core.goals.states import state

OFFER = ("Axe (New): x", "Luck Tome (Common): y", "Bow (New): z")


class Wished:
    """Wishes for the card whose caption begins with a word; `taken` are the games in which one was taken."""

    def __init__(self, word: str) -> None:
        self.word, self.taken = word, list[int]()

    def wish(self, game: int, captions: tuple[str, ...]) -> int | None:
        return next((at for at, c in enumerate(captions) if c.startswith(self.word)), None)

    def picked(self, game: int) -> None:
        self.taken.append(game)


def _observation(one: GameState, game: int = 0, *, by_human: bool = False) -> Observation:
    return Observation(game, one, None, 7, 0.016, 0.0, 0.0, False, False, False, by_human=by_human)


def _menu(options: tuple[str, ...] = OFFER) -> GameState:
    return state(current_menu="LevelUp", level_up_options=options)


def test_presses_go_down_to_the_wished_card_and_take_it() -> None:
    wishes = Wished("Bow")
    planned = PlannedCards(wishes, 2)
    assert planned.propose(_observation(state(), 1)) is None
    actions = [planned.propose(_observation(_menu(), 1)) for _ in range(3 * menus.PRESS_EVERY)]
    assert all(a is not None and a.answers == 7 for a in actions)
    pressed = [(a.move[1], a.fire) for a in actions if a is not None and (a.fire or a.move[1])]
    assert pressed == [(-1.0, False), (-1.0, False), (0.0, True)] and wishes.taken == []
    assert planned.propose(_observation(state(), 1)) is None and wishes.taken == [1]
    assert planned.propose(_observation(state(), 1)) is None and wishes.taken == [1]


def test_a_menu_that_a_person_ends_is_no_card_of_the_plan() -> None:
    wishes = Wished("Bow")
    planned = PlannedCards(wishes, 1)
    planned.propose(_observation(_menu()))
    planned.propose(_observation(state(), by_human=True))
    seat, arbiter, wished = _seat("Bow")
    _card(seat)
    seat.closed(by_human=True)
    assert wishes.taken == wished.taken == [] and arbiter.cards_by == {"human": 1}


def test_the_policy_acts_itself_where_nothing_is_wished_or_another_menu_is_open() -> None:
    planned = PlannedCards(Wished("Sword"), 1)
    assert [planned.propose(_observation(_menu())) for _ in range(20)] == [None] * 20
    planned = PlannedCards(Wished("Bow"), 1)
    for other in ("Pause", "MainMenu", "Death", "Chest"):
        assert planned.propose(_observation(state(current_menu=other, level_up_options=OFFER))) is None
    assert planned.propose(_observation(_menu(()))) is None


def test_the_wish_is_asked_again_for_each_offer() -> None:
    wishes = Wished("Bow")
    planned = PlannedCards(wishes, 1)
    planned.propose(_observation(_menu()))
    assert planned.propose(_observation(_menu(OFFER[:2]))) is None
    assert planned.propose(_observation(_menu(OFFER[1:]))) is not None and wishes.taken == [0]
    assert planned.propose(_observation(state())) is None and wishes.taken == [0, 0]


def _seat(word: str | None) -> tuple[CardSeat, Arbiter, Wished]:
    wishes, arbiter = Wished(word or ""), Arbiter()
    return CardSeat(CardChooser(WANTED, wishes=wishes if word is not None else None), arbiter), arbiter, wishes


def _card(seat: CardSeat, captions: tuple[str, ...] = OFFER, *, leave: bool = False) -> int:
    options = np.zeros((CARDS, CARD_FEATURES), np.float32)
    for at, caption in enumerate(captions):
        options[at] = caption_features(caption)
    context = np.zeros(SELF_FEATURES, np.float32)
    return seat.card(0, options, context, leave=leave, game=3, captions=captions)


def test_a_policy_takes_the_planners_card_before_its_own_and_any_choosers() -> None:
    for leave in (False, True):
        seat, arbiter, wishes = _seat("Bow")
        assert _card(seat, leave=leave) == 2 and seat.owner == PLANNER
        assert arbiter.cards_by == {PLANNER: 1} and wishes.taken == []
        seat.closed(by_human=False)
        seat.closed(by_human=False)
        assert wishes.taken == [3] and arbiter.cards_by == {PLANNER: 1}


def test_without_a_wish_the_card_is_the_motors_as_before() -> None:
    for word in (None, "Sword"):
        seat, arbiter, wishes = _seat(word)
        assert _card(seat) == 0 and seat.owner == "motor" and arbiter.cards_by == {"motor": 1} and not wishes.taken


def test_a_wish_for_what_is_not_on_offer_is_refused_and_counted() -> None:
    seat, arbiter, wishes = _seat("Bow")
    wishes.wish = lambda game, captions: 2  # type: ignore[method-assign]
    assert _card(seat, OFFER[:2]) == 0 and arbiter.refused == {"card_not_offered": 1} and not wishes.taken
