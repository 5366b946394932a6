"""Cards by expected free energy: the maths against torch and by hand, beliefs against the learner's, who chose."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from msgspec.structs import replace

from agent.control import encode
from agent.control.arbiter import Arbiter
from agent.control.arrays import STILL
from agent.control.cards.chooser import CardChooser, CardSeat, Memory
from agent.control.cards.expected_free_energy import build_outcomes, free_energy, step
from agent.control.motor import Motor
from agent.control.untrained import untrained_tensors
from agent.core.choices import EDGES, LIKING, WANTED, WINDOW, ChoiceLayout, Preferences, outcomes_of
from agent.core.errors import WeightsError
from agent.core.types import Menu, Observation
from agent.learning.active_inference.free_energy import free_energy as free_energy_in_torch
from agent.models.outcome_model import OutcomeModel
from agent.models.sizes import OutcomeSizes

ASK, BET, OTHER = 0, 1, 2
TOLD = Preferences((-0.05, -0.05, 1.0, -1.0), gain_weight=1.0, novelty_weight=0.0)
"""Outcomes: told that the bet will be won, or lost; won, lost."""


def random_tensors(seed: int, sizes: OutcomeSizes) -> dict[str, Any]:
    torch.manual_seed(seed)
    return {name: t.numpy() for name, t in OutcomeModel(sizes).state_dict().items()}


def oracle() -> dict[str, Any]:
    """A model by hand: asking moves the belief to ±1, and a bet is won at 1, lost at −1, even at 0."""
    h, a, o, units = 1, 3, 4, 4
    tensors = random_tensors(0, OutcomeSizes(a, o, 0, h, units, 2))
    t = {name: np.zeros_like(x) for name, x in tensors.items()}
    # GRU rows: reset, keep, new; inputs: options, then outcomes. Being told forgets, and writes the side.
    t["memory.weight_ih"][1, a : a + 2] = -40.0
    t["memory.bias_ih"][1] = 20.0
    t["memory.weight_ih"][2, a], t["memory.weight_ih"][2, a + 1] = 5.0, -5.0
    first = t["outcome.first"]
    first[:, 0, 0], first[:, 0, 1] = 20.0, -20.0
    first[:, h + ASK, 2], first[:, h + BET, 3] = 20.0, 20.0
    first[:, h + ASK, :2] = first[:, h + OTHER, :2] = -20.0
    second = t["outcome.second"]
    second[:, 2, 0] = second[:, 2, 1] = 1.0
    second[:, 3, 2] = second[:, 3, 3] = 1.0
    second[:, 0, 2] = 0.5
    second[:, 1, 3] = 0.5
    t["ends.2.bias"][:] = -30.0
    return t


def test_without_torch_it_is_the_same_free_energy() -> None:
    sizes, rng = OutcomeSizes(8, 6, 5, 12, 16), np.random.default_rng(0)
    tensors = random_tensors(3, sizes)
    model = OutcomeModel(sizes)
    model.load_state_dict({n: torch.from_numpy(t.copy()) for n, t in tensors.items()})
    mine = build_outcomes(tensors, "test", option=8, context=5, outcomes=6)
    for wanted in (WANTED, Preferences(LIKING, tau=2.0, entropy_weight=0.3, closed_loop=True), Preferences((1.0,) * 6)):
        belief, options = rng.normal(0, 1, 12).astype(np.float32), rng.normal(0, 1, (3, 8)).astype(np.float32)
        context, allowed = rng.normal(0, 1, 5).astype(np.float32), rng.random(3) < 0.7
        allowed[0] = True
        rows = (torch.from_numpy(x)[None] for x in (belief, options, allowed, context))
        expected = free_energy_in_torch(model, *rows, wanted)
        found = free_energy(mine, belief, options, allowed, context, wanted)
        for theirs, ours in zip(expected, found, strict=True):
            assert ours[allowed] == pytest.approx(theirs[0].numpy()[allowed], abs=2e-5)
        assert np.isinf(found.energy[~allowed]).all()
        row = np.eye(6, dtype=np.float32)[2]
        after = model.step(*(torch.from_numpy(x)[None] for x in (belief, options[1], row, context)))
        assert step(mine, belief, options[1], 2, context) == pytest.approx(after[0].detach().numpy(), abs=1e-5)


@pytest.mark.parametrize(("weight", "chosen"), [(1.0, ASK), (0.0, BET)])
def test_the_option_that_tells_is_taken_for_what_it_tells_and_not_without(weight: float, chosen: int) -> None:
    wanted = msgspec.structs.replace(TOLD, gain_weight=weight)
    model = build_outcomes(oracle(), "test", option=3, context=0, outcomes=4)
    options, none = np.eye(3, dtype=np.float32), np.zeros(0, np.float32)
    plan = free_energy(model, np.zeros(1, np.float32), options, np.array([True, True, False]), none, wanted)
    assert int(plan.energy.argmin()) == chosen
    if weight:
        assert plan.gain[ASK] == pytest.approx(np.log(2), abs=0.01) and plan.gain[BET] < 0.01
        known = step(model, np.zeros(1, np.float32), options[ASK], 0, none)
        after = free_energy(model, known, options, np.array([True, True, False]), none, wanted)
        assert int(after.energy.argmin()) == BET


def test_exchanged_gains_are_the_same_numbers_elsewhere() -> None:
    sizes = OutcomeSizes(8, 6, 5, 12, 16)
    model = build_outcomes(random_tensors(3, sizes), "test", option=8, context=5, outcomes=6)
    rng, mix, moved = np.random.default_rng(1), np.random.default_rng(2), 0
    for _ in range(30):
        belief, options = rng.normal(0, 1, 12).astype(np.float32), rng.normal(0, 1, (3, 8)).astype(np.float32)
        rows = (model, belief, options, np.ones(3, np.bool_), np.zeros(5, np.float32), WANTED)
        plain, mixed = free_energy(*rows), free_energy(*rows, mix)
        assert plain.utility == pytest.approx(mixed.utility)
        moved += not np.allclose(plain.gain, mixed.gain, atol=0.0)
    assert moved > 10


@pytest.mark.parametrize("broken", ["missing", "shape", "finite"])
def test_tensors_that_do_not_fit_are_refused_by_name(broken: str) -> None:
    tensors = random_tensors(0, OutcomeSizes(8, 6, 5, 12, 16))
    if broken == "missing":
        del tensors["outcome.second"]
    elif broken == "shape":
        tensors["outcome.second"] = tensors["outcome.second"][:, :3]
    else:
        tensors["outcome.second"][0, 0, 0] = np.nan
    with pytest.raises(WeightsError, match="outcome.second"):
        build_outcomes(tensors, "test", option=8, context=5, outcomes=6)


def real_chooser(seed: int) -> CardChooser:
    chooser = CardChooser(WANTED)
    sizes = OutcomeSizes(encode.CARD_FEATURES, len(EDGES) + 1, encode.SELF_FEATURES)
    chooser.load(chooser.prepare(random_tensors(seed, sizes), "test"), 1, "")
    return chooser


def remembered(seed: int, steps: int, *, reload_at: int = -1) -> tuple[CardChooser, Memory, list[int], list[int], Any]:
    """Cards at random decisions with random rewards: the memory, when each was taken, how many were known then."""
    rng, chooser = np.random.default_rng(seed), real_chooser(0)
    memory, at, known = chooser.fresh(), [], []
    rewards = rng.normal(0.01, 0.1, steps).astype(np.float32)
    for t in range(steps):
        chooser.begin(memory)
        if t == reload_at:
            fresh = real_chooser(9)
            assert fresh.model is not None
            chooser.load(fresh.model, 2, "")
        if rng.random() < 0.005:
            options = rng.normal(0, 1, (3, encode.CARD_FEATURES)).astype(np.float32)
            context = rng.normal(0, 1, encode.SELF_FEATURES).astype(np.float32)
            chooser.weigh(memory, options, np.ones(3, np.bool_), context)
            at.append(t)
            known.append(len(memory.settled))
            chooser.took(memory, options[0], context)
        memory.total += float(rewards[t])
    return chooser, memory, at, known, rewards


def test_outcomes_become_known_in_play_when_the_learner_says_they_do() -> None:
    _, memory, at, known, rewards = remembered(4, 5000)
    layout = ChoiceLayout(3, 3, 0, encode.CARD_FEATURES, window=WINDOW, edges=EDGES)
    whole, outcomes, _, expected = outcomes_of(rewards, at, layout, over=False, terminated=False)
    assert len(whole) > 8 and known[: len(whole)] == expected.tolist()
    settled = [outcome for _, outcome in memory.settled]
    assert settled == outcomes[: len(settled)].tolist() and len(settled) >= len(whole) - 1
    assert any(k < t for t, k in enumerate(known)), "every outcome was known at once: the order is not tried"


def test_a_new_model_believes_what_it_would_have_believed_from_the_start() -> None:
    exchanged, memory, _, _, _ = remembered(4, 5000, reload_at=3000)
    model = exchanged.model
    assert model is not None and memory.version == 2
    belief = np.zeros(model.hidden, np.float32)
    for taken, outcome in memory.settled:
        belief = step(model, belief, taken.option, outcome, taken.context)
    assert memory.belief == pytest.approx(belief, abs=1e-5) and np.abs(belief).max() > 0.01


def test_a_card_that_is_not_on_offer_is_refused_and_the_motor_chooses() -> None:
    arbiter, there = Arbiter(), np.array([True, True, False])
    assert arbiter.card(0, 1, "active_inference", there).owner == "active_inference"
    verdict = arbiter.card(0, 2, "active_inference", there)
    assert (verdict.card, verdict.owner) == (0, "motor") and arbiter.refused == {"card_not_offered": 1}
    assert arbiter.card(1, None, "active_inference", there).owner == "motor"
    assert arbiter.cards_by == {"active_inference": 1, "motor": 2}


def test_a_card_that_a_person_takes_is_the_persons_and_nothing_is_to_come_of_ours() -> None:
    arbiter, chooser, motor = Arbiter(), real_chooser(0), Motor(untrained_tensors(3))
    chooser.why = ""
    motor.choose_by(chooser, arbiter)
    carry, tick = motor.initial(1), itertools.count()

    def see(menu: str, first: str = "Bow", *, by_human: bool = False) -> int:
        at = next(tick)
        shown = replace(STILL, current_menu=menu, level_up_options=(first, "Axe", "Luck Tome") if menu else ())
        seen = Observation(0, shown, None, at, 0.1, 0.0, 0.0, at == 0, False, False, by_human=by_human)
        motor.step(carry, [seen])
        assert carry[0].cards is not None
        return len(carry[0].cards.memory.waiting)

    assert [see(""), see(Menu.LEVEL_UP), see(Menu.LEVEL_UP), see("")] == [0, 1, 1, 1]
    assert arbiter.cards_by == {"active_inference": 1}
    assert [see(Menu.LEVEL_UP), see("", by_human=True), see("", by_human=True)] == [2, 1, 1]
    assert arbiter.cards_by == {"active_inference": 1, "human": 1}
    assert [see(Menu.LEVEL_UP, by_human=True), see(Menu.LEVEL_UP, "Sword", by_human=True), see("")] == [2, 2, 2]
    assert arbiter.cards_by == {"active_inference": 2, "human": 2}, "the person let go before the second"


def test_who_chooses_is_said_with_the_numbers_of_the_choice() -> None:
    arbiter, chooser = Arbiter(), real_chooser(0)
    seat = CardSeat(chooser, arbiter)
    options, context = np.zeros((3, encode.CARD_FEATURES), np.float32), np.zeros(encode.SELF_FEATURES, np.float32)
    options[0, 3] = options[1, 7] = 1.0
    card = seat.card(0, options, context, leave=False)
    last = chooser.status(arbiter)["last"]
    assert seat.owner == last["by"] == "active_inference" and last["card"] == card in (0, 1)
    assert last["G"][card] == min(last["G"][:2]) and last["G"][2] is None
    assert last.keys() >= {"risk", "ambiguity", "information_gain", "motor_card"}
    assert seat.card(1, options, context, leave=True) == 1 and seat.owner == "motor"
    chooser.why = "not yet"
    assert seat.card(1, options, context, leave=False) == 1 and chooser.status(arbiter)["chooser"] == "motor"
    assert arbiter.cards_by == {"active_inference": 1, "motor": 2}
    with pytest.raises(ValueError, match="2 preferences for 6 outcomes"):
        CardChooser(Preferences((0.0, 1.0)))
