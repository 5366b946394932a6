"""Cards chosen in play: through the arbiter, written down for PPO, and the versions of the model that chooses them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load

from agent.concurrency.lane import Lane
from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import CardChooser
from agent.control.motor import Motor, pilot_tensors
from agent.control.policies import SHIPPED as PILOT
from agent.control.untrained import default_sizes, untrained_tensors
from agent.core.choices import EDGES, LIKING, WANTED, WINDOW, ChoiceLayout
from agent.core.clock import VirtualClock
from agent.core.latency import Latency
from agent.core.rollout import Rollout
from agent.core.settings import Settings
from agent.core.types import Action, Menu, Observation, Packet
from agent.games.arena.game import ArenaGame
from agent.learner.messages import OfferOutcomes, Open, Outcomes, ServeOutcomes
from agent.learner.outcomes import SHIPPED, OutcomeWeights, reason_not_to_choose, shipped_for
from agent.learner.process import LearnerProcess
from agent.learning.active_inference.choices import choices_of
from agent.learning.active_inference.outcome_trial import Tried
from agent.learning.configs import MIN_HELD, Budget, PolicySpec, preferences
from agent.models.heads import forbid, log_prob
from agent.models.outcome_model import OutcomeModel
from agent.models.policies import PilotPolicy
from agent.models.sealed import load_sealed, save_sealed
from agent.session.act import ActLoop, Seat
from agent.session.sense import Feed
from agent.session.step_runner import StepRunner
from agent.store.store import WeightsStore
from agent.training.arena.choices import SIZES, PilotRuns, gather
from tests.link.game_side import state

GOOD = {"efe_held_choices": 500.0, "efe_held_loss": 0.9, "efe_held_any_option": 1.0, "efe_held_frequencies": 1.6}


def tensors(seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    return {name: t.numpy() for name, t in OutcomeModel(SIZES).state_dict().items()}


def chooser(seed: int = 0, why: str = "") -> CardChooser:
    made = CardChooser(WANTED)
    made.load(made.prepare(tensors(seed), "test"), 1, why)
    return made


class ArenaSeat:
    """The arena in lock-step behind a feed: an action makes the next tick's packet."""

    def __init__(self, motor: Motor, arbiter: Arbiter) -> None:
        self.game, self.clock, self.owners = ArenaGame(), VirtualClock(100.0), dict[str, int]()
        self.game.reset(5, start="run")
        ready = asyncio.Event()
        self.feed = Feed(0, "arena", self.clock, Latency(), ready.set, real_time=False)
        self.lane = Lane("test")
        self.ticks = 0
        self.actor = ActLoop(
            [Seat(self.feed, self)],
            motor,
            StepRunner(self.lane),
            self.clock,
            Latency(),
            ready,
            budget_s=1.0,
            arbiter=arbiter,
            judge=self,
        )

    def packet(self) -> None:
        self.feed.on_packet(Packet(self.game.state(), b""), self.clock.now_s())

    def rehearse(self, action: Action) -> None: ...

    def send(self, action: Action) -> bool:
        self.game.tick(action)
        self.ticks += 1
        asyncio.get_running_loop().call_soon(self.packet)
        return True

    def stepped(self, version: int, observation: Observation, verdict: Any, missed: bool) -> None:
        self.owners[verdict.owner] = self.owners.get(verdict.owner, 0) + 1

    def failed(self, failure: Any) -> bool:
        return False

    async def play(self, ticks: int) -> None:
        imaging = Lane("pictures")
        stages = [self.actor.act(), self.feed.sense(lambda data, top_down: np.zeros((2, 2, 3), np.uint8), imaging)]
        tasks = [asyncio.ensure_future(stage) for stage in stages]
        self.feed.on_up()
        self.packet()
        while self.ticks < ticks:
            await asyncio.sleep(0.001)
            for task in tasks:
                if task.done():
                    task.result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.lane.close()
        imaging.close()


@pytest.mark.parametrize(("why", "owner"), [("", "active_inference"), ("not good enough yet", "motor")])
def test_play_in_the_arena_names_who_chose_the_cards(why: str, owner: str) -> None:
    motor, arbiter, mind = Motor(untrained_tensors(3), seed=1), Arbiter(), chooser(why=why)
    motor.choose_by(mind, arbiter)
    seat = ArenaSeat(motor, arbiter)
    asyncio.run(seat.play(1800))
    assert arbiter.cards_by.keys() == {owner} and arbiter.cards_by[owner] >= 1
    assert (seat.owners.get("active_inference", 0) > 0) == (why == "")
    assert seat.owners["motor"] > seat.owners.get("active_inference", 0)
    status = mind.status(arbiter)
    assert status["last"]["by"] == owner and status["why"] == why and len(status["last"]["G"]) == 3
    assert arbiter.refused == {}


def recorded(ticks: int, mind: CardChooser | None) -> tuple[list[Rollout], Motor]:
    """A learning pilot in the arena in lock-step, and what it wrote down."""
    game, rollouts, motor = ArenaGame(), list[Rollout](), Motor(untrained_tensors(3), seed=1)
    motor.learn(("arena",), rollouts.append, steps=64)
    if mind is not None:
        motor.choose_by(mind, Arbiter())
    carry = motor.initial(1)
    game.reset(5, start="run")
    first = True
    for tick in range(ticks):
        shown = game.state()
        ended = shown.run is not None and shown.run.run_ended
        elapsed_s = 0.0 if first else game.tick_s
        carry, actions = motor.step(
            carry, [Observation(0, shown, None, tick, elapsed_s, 0.0, 0.0, first, ended, ended)]
        )
        assert actions[0] is not None
        first = ended
        if ended:
            game.reset(5 + tick, start="run")
        else:
            game.tick(actions[0])
    return rollouts, motor


def test_a_card_that_another_chose_is_no_deed_of_the_policy_but_is_still_a_choice() -> None:
    torch.set_num_threads(1)
    rollouts, motor = recorded(4000, chooser())
    policy = PilotPolicy(default_sizes())
    policy.load_state_dict({f"pilot.{name}": torch.from_numpy(t) for name, t in motor.tensors.items()})
    taken, free_differs = 0, 0.0
    for r in rollouts:
        assert r.action_masks is not None and r.carry is not None and r.log_probs is not None
        cards = r.obs[:, -3 * 64 :].reshape(len(r), 3, 64).any(-1).sum(1) > 1
        alone = cards & (r.action_masks[:, 6:].sum(1) == 1)
        taken += int(alone.sum())
        assert (r.log_probs[alone] == 0.0).all()
        assert (np.argmax(r.action_masks[alone, 6:], 1) == r.actions_disc[alone, 3]).all()
        rows = (torch.from_numpy(x)[None] for x in (r.carry[None][0], r.is_first, r.elapsed_s))
        carry, is_first, elapsed_s = rows
        axes, choices = torch.from_numpy(r.actions_cont)[None], torch.from_numpy(r.actions_disc)[None]
        allowed = torch.from_numpy(r.action_masks)[None]
        with torch.no_grad():
            heads, _ = policy(torch.from_numpy(r.obs)[None], carry, is_first, elapsed_s)
            chances = log_prob(forbid(heads, allowed), axes, choices)[0].numpy()
            free = log_prob(heads, axes, choices)[0].numpy()
        assert np.abs(chances - r.log_probs).max() < 5e-3, "PPO's ratio would not begin at one"
        free_differs = max(free_differs, float(np.abs(free - r.log_probs).max()))
    assert taken >= 3 and free_differs > 0.5, "without the mask the ratio would be wrong: the control"
    layout = ChoiceLayout(3, 3, rollouts[0].obs.shape[1] - 192, 64, (0, 36), 16, EDGES)
    assert sum(len(e.picks) for r in rollouts for e in choices_of(r, policy.spec.branches, layout)) >= taken // 2


@pytest.mark.parametrize(("learns", "low", "high"), [(True, 12, 50), (False, 0, 0)])
def test_a_share_of_the_cards_stays_the_motors_only_where_it_learns(learns: bool, low: int, high: int) -> None:
    arbiter, motor = Arbiter(), Motor(untrained_tensors(3), seed=1)
    if learns:
        motor.learn(("game",), [].append, steps=64)
    motor.choose_by(chooser(), arbiter)
    carry = motor.initial(1)
    for k in range(300):
        options = ("Bow", "Axe", f"Tome{'x' * (k % 7)}")
        shown = msgspec.structs.replace(state(k), current_menu=Menu.LEVEL_UP, level_up_options=options)
        carry, _ = motor.step(carry, [Observation(0, shown, None, k, 0.1, 0.0, 0.0, k == 0, False, False)])
        assert motor.owner(carry, 0) in ("motor", "active_inference")
    assert sum(arbiter.cards_by.values()) == 300 and low <= arbiter.cards_by.get("motor", 0) <= high


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"efe_held_choices": MIN_HELD - 1.0}, "are needed"),
        ({"efe_held_loss": 1.7, "efe_held_any_option": 1.8}, "no better .* than their frequencies"),
        ({"efe_held_loss": 1.1}, "no better for being told the card"),
    ],
)
def test_a_model_chooses_once_its_trial_says_that_it_knows_more_than_frequencies(
    changes: dict[str, float], said: str
) -> None:
    import re

    reason = reason_not_to_choose(GOOD | changes)
    assert (reason == "") == (said == "") and re.search(said, reason)
    assert "128 are needed" in reason_not_to_choose({})


def weights(store: WeightsStore | None, shipped: Path | None) -> tuple[OutcomeWeights, CardChooser, Lane]:
    mind, lane = CardChooser(WANTED), Lane("test")
    return OutcomeWeights(mind, Arbiter(), "pilot", lane, lane, store=store, shipped=shipped), mind, lane


def test_what_was_learned_is_stored_comes_back_after_a_restart_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        first, mind, lane = weights(WeightsStore(tmp_path), None)
        await first.begin()
        assert "no model" in mind.why and first.packed() == b""
        await first.offer(tensors(1), GOOD)
        assert (mind.version, mind.why, first.source) == (1, "", "version 1")
        bad = tensors(2)
        bad["outcome.first"][0, 0, 0] = np.nan
        await first.offer(bad, GOOD)
        assert mind.version == 1 and "not finite" in first.refused
        await first.offer(tensors(3), GOOD | {"efe_held_loss": 9.0})
        assert mind.version == 2 and first.status()["chooser"] == "motor" and "frequencies" in mind.why
        lane.close()
        again, other, lane2 = weights(WeightsStore(tmp_path), SHIPPED)
        await again.begin()
        assert (other.version, again.source) == (2, "version 2") and "frequencies" in other.why
        lane2.close()

    asyncio.run(main())


def test_the_shipped_model_may_choose_and_one_of_another_window_is_refused(tmp_path: Path) -> None:
    manifest, shipped = load_sealed(SHIPPED)
    other = tmp_path / "other.safetensors"
    save_sealed(other, shipped, kind=manifest.kind, layout=manifest.layout | {"window": WINDOW + 1}, sizes={})

    async def main() -> None:
        first, mind, lane = weights(None, SHIPPED)
        await first.begin()
        assert (mind.why, first.source) == ("", "shipped") and len(first.packed()) > 10_000
        await first.offer(tensors(0), GOOD)
        assert first.source == "shipped", "without a store nothing is taken up"
        second, refusing, lane2 = weights(None, other)
        await second.begin()
        assert "refused" in refusing.why and refusing.model is None
        for each in (lane, lane2):
            each.close()

    asyncio.run(main())


def test_the_settings_say_what_is_wanted() -> None:
    assert preferences(Settings()) == WANTED and WANTED.liking == LIKING


@pytest.mark.slow
def test_the_learners_process_goes_on_from_the_model_in_play_and_offers_a_better_one_once() -> None:
    torch.set_num_threads(1)
    process = LearnerProcess()
    process.handle(Open(policy_spec=PolicySpec(name="pilot", kind="pilot"), budget=Budget(use_world=False)))
    ask, none = OfferOutcomes(policy="pilot"), (Outcomes(), b"")
    assert process.handle(ask) == none, "nothing is known yet"
    process.handle(ServeOutcomes(policy="pilot"), SHIPPED.read_bytes())
    mind = process._policies["pilot"].chooser
    assert mind is not None and all(
        np.array_equal(t.numpy(), load_sealed(SHIPPED)[1][n]) for n, t in mind.model.state_dict().items()
    )
    episodes = gather(PilotRuns(12, 77_000_000, pilot_tensors(PILOT)), 1200, lambda s: s.motor)
    mind.config = msgspec.structs.replace(mind.config, min_held=10)
    mind.pool.put({("a", 5 * k): e for k, e in enumerate(episodes)})
    mind.pool.put({("a", 5 * k + 1): e for k, e in enumerate(episodes)})
    assert process.handle(ask) == none, "the model in play is not better than itself"
    mind._served = OutcomeModel(SIZES)
    mind.tried = lambda: Tried(40, 12, 0.5, 0.6, 1.6)  # type: ignore[method-assign]
    answer, payload = process.handle(ask)
    assert answer.trial["efe_held_loss"] == 0.5 and load(payload).keys() == load_sealed(SHIPPED)[1].keys()


def test_the_shipped_model_chooses_only_where_it_learned() -> None:
    assert shipped_for("arena", None, 1) == shipped_for("arena", "pilot", 1) == SHIPPED
    others = (("arena", None, 2), ("arena", "pilot", 3), ("arena", "untrained-pilot", 1), ("gym:CartPole-v1", None, 1))
    assert [shipped_for(*other) for other in others] == [None] * 4
