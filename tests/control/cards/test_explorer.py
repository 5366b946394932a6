"""Who decides menus by chances: what it logs is how it chose, in every way that a menu can go."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from agent.control import encode, menus
from agent.control.arbiter import Arbiter
from agent.control.arrays import STILL
from agent.control.cards.chooser import CardChooser, CardSeat
from agent.control.cards.explorer import BANISH_ACTION, MIN_MENUS, REROLL_ACTION, SKIP_ACTION, Explorer, MenuOffer
from agent.control.cards.mixture import Beliefs
from agent.core.cards.menu import CardMenu, checked
from agent.core.choices import WANTED
from agent.core.types import NEUTRAL, Menu
from agent.games.arena.game import ArenaGame

CAPTIONS = ("Bow (Rare): Damage 1 > 2", "Axe (New): cuts", "Luck Tome (Common): Luck 0% > 5%")
OUT = encode.Encoded.empty(1)
encode.encode_state(STILL, 0.0, NEUTRAL, OUT, 0)


def offer(captions: tuple[str, ...] = CAPTIONS, kind: str = Menu.LEVEL_UP, **values: Any) -> MenuOffer:
    known: dict[str, Any] = {
        "game": 0, "kind": kind, "captions": captions, "logits": np.array([2.0, 0.0, -1.0], np.float32), "voice": None,
        "motor": 0, "leave": False, "learns": 0.0, "self_": OUT.self_[0], "rings": OUT.rings[0], "at_s": 12.0,
    }  # fmt: skip
    return MenuOffer(**{**known, **values})


def explorer(told: list[CardMenu], *, is_arena: bool = True, explores: bool = True, seed: int = 0) -> Explorer:
    return Explorer(
        lambda game, menu: told.append(menu), np.random.default_rng(seed), is_arena=is_arena, explores=explores,
        policy="pilot", versions=lambda: ("1", "7"),
    )  # fmt: skip


@pytest.mark.parametrize("learns", [0.0, 0.4])
def test_menus_are_decided_as_often_as_their_logged_chances_say(learns: float) -> None:
    """Over 6,000 menus the picks of every action are as many as the sum of its chances, within four deviations."""
    told: list[CardMenu] = []
    chooser, rng = explorer(told), np.random.default_rng(1)
    for _ in range(6000):
        leave = bool(rng.random() < learns)
        logits = np.array([2.0, 0.0, -1.0], np.float32)
        motor = int((logits + rng.gumbel(size=3)).argmax())
        chooser.began(0)
        chooser.choose(offer(leave=leave, learns=learns, motor=motor, voice=np.array([0.0, 1.5, 0.0], np.float32)))
        chooser.closed(0, by_human=False)
    chances = np.array([checked(menu).propensities for menu in told])
    picks = np.array([menu.picked for menu in told])
    for action in range(chances.shape[1]):
        expected, spread = chances[:, action].sum(), np.sqrt((chances[:, action] * (1 - chances[:, action])).sum())
        assert abs((picks == action).sum() - expected) < 4 * spread, told[0].actions[action]
    assert chances.min() > 0.0 and chances[:, :3].min() >= 0.05 - 1e-9
    assert told[0].versions == ("1", "7") and told[0].at_s == 12.0 and told[0].policy == "pilot"


def test_a_run_remembers_what_was_taken_and_spent_until_the_next_begins() -> None:
    told: list[CardMenu] = []
    chooser = explorer(told, seed=3)
    chooser.began(0)
    for _ in range(300):
        chooser.choose(offer())
        chooser.closed(0, by_human=False)
    assert set(told[0].actions) == {
        "bow",
        "axe (new)",
        "luck tome",
        "reroll",
        "skip",
        *(f"banish {n}" for n in told[0].actions[:3]),
    }
    words = [menu.actions[menu.picked].partition(" ")[0] for menu in told]
    assert [words.count(word) for word in ("reroll", "skip", "banish")] == [2, 2, 2], "an arena's run has two of each"
    assert told[-1].actions == ("bow", "axe (new)", "luck tome") and len(told[-1].build) == 300 - 6 - 1 + (
        told[-1].picked > 2
    )
    chooser.began(0)
    chooser.choose(offer())
    chooser.closed(0, by_human=False)
    assert told[-1].build == () and len(told[-1].actions) == 8


def test_what_a_person_took_is_not_told_and_what_a_plan_took_is_in_the_build() -> None:
    told: list[CardMenu] = []
    chooser = explorer(told, is_arena=False)
    chooser.began(0)
    chooser.choose(offer())
    chooser.closed(0, by_human=True)
    chooser.closed(0, by_human=False)
    assert told == []
    chooser.took(0, CAPTIONS[2])
    chooser.choose(offer())
    chooser.closed(0, by_human=False)
    assert told[0].build == ("luck tome",) and told[0].actions == ("bow", "axe (new)", "luck tome")


def test_without_exploring_the_likeliest_card_is_taken_and_says_nothing_of_effects() -> None:
    told: list[CardMenu] = []
    chooser = explorer(told, explores=False)
    assert {chooser.choose(offer()).action for _ in range(40)} == {0} and chooser.epsilon == 0.0
    chooser.load(Beliefs({"luck tome": 0}, np.array([20.0]), np.array([0.0]), 3.0, 400))
    assert chooser.choose(offer()).action == 2
    chooser.closed(0, by_human=False)
    assert told[0].propensities == (0.0,) * 8


def test_without_exploring_and_with_few_menus_it_is_as_if_it_were_not_there() -> None:
    told: list[CardMenu] = []
    chooser, arbiter = explorer(told, explores=False), Arbiter()
    seat = CardSeat(CardChooser(WANTED, menus=chooser), arbiter)
    options = np.eye(3, encode.CARD_FEATURES, dtype=np.float32)

    def card() -> int:
        found = seat.card(1, options, OUT.self_[0], leave=False, captions=CAPTIONS, offer=offer())
        seat.closed(by_human=False)
        return found

    assert card() == 1 and seat.chest(offer(("Beer: more",), Menu.CHEST)) == 0 and told == []
    assert arbiter.cards_by == {"motor": 1} and seat.chooser.status(arbiter)["chooser"] == "motor"
    few = Beliefs({"luck tome": 0}, np.array([20.0]), np.array([0.0]), 3.0, MIN_MENUS - 1)
    chooser.load(few)
    assert card() == 1
    chooser.load(msgspec.structs.replace(few, menus=MIN_MENUS))
    assert card() == 2 and arbiter.cards_by == {"motor": 2, "scientist": 1}
    assert seat.chooser.status(arbiter)["chooser"] == "scientist"


def test_a_chest_may_be_left_and_the_seat_says_who_decided() -> None:
    told: list[CardMenu] = []
    arbiter, menus_ = Arbiter(), explorer(told, seed=1)
    seat = CardSeat(CardChooser(WANTED, menus=menus_), arbiter)
    found = {seat.chest(offer(("Beer (Common): more",), Menu.CHEST)) for _ in range(400)}
    assert found == {0, SKIP_ACTION} and seat.owner == "scientist" and arbiter.cards_by == {"scientist": 400}
    seat.closed(by_human=False)
    assert told[-1].actions == ("beer", "leave") and sum(told[-1].propensities) == pytest.approx(1.0)
    assert CardSeat(CardChooser(WANTED), arbiter).chest(offer(("Beer: more",), Menu.CHEST)) == 0


@pytest.mark.parametrize(
    ("action", "spent"),
    [(REROLL_ACTION, "refreshes"), (SKIP_ACTION, "skips"), *((BANISH_ACTION + k, "banishes") for k in range(3))],
)
def test_the_presses_for_other_actions_do_them_in_the_arena(action: int, spent: str) -> None:
    game = ArenaGame()
    game.reset(5, start="run")
    game.world["pending"] = 1
    game.tick(NEUTRAL)
    assert game.state().current_menu == Menu.LEVEL_UP
    before, offered = int(game.world[spent]), game.state().level_up_options
    carry, banned = menus.MenuCarry(), game.world["offer_id"].copy()
    for _ in range(200):
        state = game.state()
        if state.current_menu != Menu.LEVEL_UP or state.level_up_options != offered:
            break
        carry, pressed = menus.step(carry, state, action)
        game.tick(pressed)
    assert int(game.world[spent]) == before - 1
    if spent == "banishes":
        lists = [game.world["banned_weapon"], game.world["banned_tome"]]
        assert sum(int(one.sum()) for one in lists) == 1
        assert any(
            one[int(banned[action - BANISH_ACTION])] for one in lists if int(banned[action - BANISH_ACTION]) < len(one)
        )


def test_buttons_that_are_not_there_lead_back_to_a_card() -> None:
    game = ArenaGame()
    game.reset(5, start="run")
    game.world["refreshes"] = game.world["skips"] = game.world["banishes"] = 0
    game.world["pending"] = 1
    game.tick(NEUTRAL)
    carry = menus.MenuCarry()
    for _ in range(300):
        if game.state().current_menu != Menu.LEVEL_UP:
            break
        carry, pressed = menus.step(carry, game.state(), SKIP_ACTION)
        game.tick(pressed)
    assert game.state().current_menu == "", "it hangs in the menu"
