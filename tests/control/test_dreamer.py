"""The dreaming policy in play: its step is the model's, memory belongs to a game and a run, weights go in and out."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.numpy import save_file

from agent.commands.evaluate import EvaluateOptions
from agent.commands.evaluate import evaluate as evaluate_command
from agent.commands.weights import SealOptions, seal_file
from agent.control.dreamer import (
    DECISION_TICKS,
    FEATURES,
    SPEC,
    DreamPilot,
    describe,
    dreamer_tensors,
    seen_by,
    untrained_tensors,
)
from agent.control.policies import build_policy
from agent.control.policy import capabilities_of
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError, WeightsError
from agent.core.rollout import Rollout, check_rollout
from agent.core.types import Frame, Menu, Observation
from agent.games.arena.game import ArenaGame
from agent.learning.configs import Budget, DreamConfig
from agent.models.dreamer import Dreamer, act, decide, initial_carry, log_prob, world_sizes
from agent.models.sealed import save_sealed
from agent.training.command import train
from agent.training.dream import DreamTraining
from agent.training.evaluate import observe
from agent.training.options import TrainOptions
from tests.control.cue_game import CueGame
from tests.link.game_side import state

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tensors() -> dict[str, Any]:
    """Fresh weights whose actor is not flat: its last layer is drawn anew, so that what it sees matters."""
    found = untrained_tensors(3)
    last = max(name for name in found if name.startswith("policy.actor.net.") and name.endswith("weight"))
    found[last] = np.random.default_rng(0).normal(0.0, 0.3, found[last].shape).astype(np.float32)
    return found


def network(tensors: dict[str, Any]) -> Dreamer:
    made = Dreamer(world_sizes(FEATURES, SPEC), SPEC).requires_grad_(False)
    made.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
    return made


def seen(sequence: int, game: int = 0, *, first: bool = False, **changes: Any) -> Observation:
    """Every decision's time has passed with each observation."""
    at = msgspec.structs.replace(state(sequence), position=(0.3 * sequence, 0.0, float(game)), **changes)
    elapsed_s = 0.0 if first else DECISION_TICKS / 60
    return Observation(game, at, None, sequence, elapsed_s, 0.0, 0.0, first, False, False)


def test_a_step_of_play_is_a_step_of_the_models_policy(tensors: dict[str, Any]) -> None:
    policy, model = DreamPilot(tensors, seed=5, explore=True), network(tensors)
    carry, reference = policy.initial(1), initial_carry(model.model, 1)
    torch.manual_seed(5)
    for sequence in range(12):
        observation = seen(sequence, first=sequence in (0, 7))
        before = msgspec.structs.replace(carry.games[0])
        if observation.is_first:
            before.last = type(before.last)()
        before.waited_s = observation.elapsed_s
        row = torch.from_numpy(seen_by(before, observation))[None]
        allowed = torch.ones(1, sum(SPEC.branches), dtype=torch.bool)
        allowed[0, -2:] = False
        reference, choice = act(
            model.model, model.policy.actor, reference, row, torch.tensor([observation.is_first]), allowed
        )
        carry, (action,) = policy.step(carry, [observation])
        axes, picks = torch.tanh(choice.u)[0].tolist(), choice.picks[0].tolist()
        assert action is not None and action.answers == sequence
        assert [*action.move, *action.look] == axes
        assert [action.fire, action.ability, action.interact, 0] == picks
        assert torch.equal(carry.dream.latent.deter, reference.latent.deter)
        assert torch.equal(carry.dream.latent.stoch, reference.latent.stoch)
        assert torch.equal(carry.dream.action, reference.action)


def test_each_game_has_a_memory_of_its_own_which_a_new_run_begins_without(tensors: dict[str, Any]) -> None:
    policy, model = DreamPilot(tensors), network(tensors)
    carry = policy.initial(3)
    for sequence in range(4):
        carry, actions = policy.step(
            carry, [seen(sequence, g, first=sequence == 0) if g != 1 else None for g in (0, 1, 2)]
        )
        assert actions[1] is None
    assert not carry.dream.latent.deter[1].any() and carry.dream.latent.deter[0].any()
    kept = carry.dream.latent.deter.clone()
    rng_state = policy.rng.get_state()
    carry, _ = policy.step(carry, [seen(9, first=True), None, None])
    assert torch.equal(carry.dream.latent.deter[1:], kept[1:])

    def alone(*, first: bool) -> torch.Tensor:
        """The memory after the same observation, with nothing before it or with what was before."""
        start = initial_carry(model.model, 1)
        if not first:
            start = start._replace(latent=type(start.latent)(kept[:1], start.latent.stoch))
        blank = policy.initial(1).games[0]
        row = torch.from_numpy(seen_by(blank, seen(9, first=True)))[None]
        rng = torch.Generator().manual_seed(0)
        rng.set_state(rng_state)
        after, _, _ = decide(model.model, model.policy.actor, start, row, torch.tensor([first]), explore=False, rng=rng)
        return after.latent.deter[0]

    assert torch.equal(carry.dream.latent.deter[0], alone(first=True))
    assert not torch.equal(carry.dream.latent.deter[0], alone(first=False))


def test_it_decides_every_few_ticks_and_holds_its_action_between(tensors: dict[str, Any]) -> None:
    policy = DreamPilot(tensors, explore=True)
    carry, actions = policy.initial(1), []
    for tick in range(4 * DECISION_TICKS):
        observation = msgspec.structs.replace(seen(tick, first=tick == 0), elapsed_s=1 / 60 if tick else 0.0)
        carry, (action,) = policy.step(carry, [observation])
        assert action is not None and action.answers == tick
        actions.append((action.move, action.look, action.fire))
    groups = [actions[i : i + DECISION_TICKS] for i in range(0, len(actions), DECISION_TICKS)]
    assert all(len(set(group)) == 1 for group in groups) and len({g[0] for g in groups}) == 4


def test_new_weights_act_from_the_next_step_on_memory_lives_on_and_bad_ones_are_refused(
    tensors: dict[str, Any],
) -> None:
    policy = DreamPilot(tensors)
    rollouts: list[Rollout] = []
    policy.learn(("game",), rollouts.append, steps=4)
    carry = policy.initial(1)
    for sequence in range(4):
        carry, _ = policy.step(carry, [seen(sequence, first=sequence == 0)])
    kept = carry.dream.latent.deter.clone()
    last = max(name for name in tensors if name.startswith("policy.actor.net.") and name.endswith("bias"))
    other = {**tensors, last: tensors[last].copy()}
    other[last][:4] = 50.0
    policy.load(policy.prepare(other, "test"), 2)
    assert policy.version == 2 and torch.equal(carry.dream.latent.deter, kept)
    for sequence in range(4, 13):
        carry, (action,) = policy.step(carry, [seen(sequence)])
        assert action is not None and min(*action.move, *action.look) > 0.99
    assert [r.policy_version for r in rollouts] == [0, 2, 2]
    for bad, reason in (({**tensors, "more": kept.numpy()}, "more"), ({last: tensors[last]}, "Missing")):
        with pytest.raises(WeightsError, match=reason):
            policy.prepare(bad, "test")
    with pytest.raises(WeightsError, match="not finite"):
        policy.prepare({**tensors, last: np.full_like(tensors[last], np.nan)}, "test")
    can = capabilities_of(policy)
    assert can.reloadable is can.learnable is can.serving is policy and can.chooses_cards is None


def test_rollouts_of_play_have_the_chances_that_the_model_gives_and_every_menus_choice(
    tensors: dict[str, Any],
) -> None:
    game, rollouts = ArenaGame(), []
    policy, model = DreamPilot(tensors, seed=2), network(tensors)
    policy.learn(("arena",), rollouts.append, steps=32)
    carry, cards = policy.initial(1), 0
    for seed in (5, 6):
        game.reset(seed, start="run")
        for tick in range(400):
            observation = observe(game, 0, game.state(), None, tick)
            if tick == 399:
                observation = msgspec.structs.replace(observation, is_last=True, is_terminal=True)
            carry, (action,) = policy.step(carry, [observation])
            assert action is not None
            cards += observation.state.current_menu == Menu.LEVEL_UP
            game.tick(action)
    assert len(rollouts) >= 5 and any(r.terminated.any() for r in rollouts)
    chosen = sum(int((r.action_masks[:, -3:].sum(1) > 1).sum()) for r in rollouts if r.action_masks is not None)
    assert cards == 0 or chosen > 0
    rng, now = torch.Generator().manual_seed(2), initial_carry(model.model, 1)
    for rollout in rollouts:
        assert check_rollout(rollout, FEATURES, SPEC) == ""
        assert rollout.log_probs is not None and rollout.values is None and rollout.carry is None
        assert rollout.action_masks is not None
        for t in range(len(rollout)):
            row, first = torch.from_numpy(rollout.obs[t : t + 1]), torch.from_numpy(rollout.is_first[t : t + 1])
            allowed = torch.from_numpy(rollout.action_masks[t : t + 1])
            now, choice, out = decide(model.model, model.policy.actor, now, row, first, allowed, rng=rng)
            if not np.array_equal(torch.tanh(choice.u)[0].numpy(), rollout.actions_cont[t]):
                return_at = t
                break
            assert float(log_prob(out, choice)) == pytest.approx(float(rollout.log_probs[t]), abs=1e-4)
            assert choice.picks[0].tolist() == rollout.actions_disc[t].tolist()
        else:
            continue
        # A run's last observation may be decided on without being written down: there the dice go apart.
        assert return_at > 0 and rollout.is_first[return_at]
        break


def test_a_picture_is_seen_where_the_state_tells_of_no_scene(tensors: dict[str, Any]) -> None:
    frame = Frame(np.full((90, 160, 3), 255, np.uint8), 0.0, 0.0)
    blank = DreamPilot(tensors).initial(1).games[0]
    pictured = msgspec.structs.replace(seen(1), frame=frame)
    start, stop = 196, 196 + 1200
    assert (seen_by(blank, pictured)[start:stop] == 1.0).all()
    arena = ArenaGame()
    arena.reset(0, start="run")
    scene = arena.state()
    assert scene.scene is not None
    row = seen_by(DreamPilot(tensors).initial(1).games[0], msgspec.structs.replace(pictured, state=scene))
    assert not row[start:stop].any() and row[:196].any()


def test_a_file_of_another_kind_or_layout_is_refused_and_the_policy_has_its_name(
    tensors: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    for kind, layout, reason in (("pilot", describe(), "holds a pilot"), ("dreamer", {"x": 1}, "observes")):
        save_sealed(path, tensors, kind=kind, layout=layout, sizes={})
        with pytest.raises(WeightsError, match=reason):
            dreamer_tensors(path)
    save_sealed(path, tensors, kind="dreamer", layout=describe(), sizes={})
    made = build_policy("dreamer", weights=path)
    assert isinstance(made, DreamPilot) and made.name == "dreamer" and made.served()["dream_steps"] == 0
    assert "learned nothing" in build_policy("dreamer").served()["acts"]  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match="dreamer"):
        build_policy("dreamy")


def test_a_dreamers_file_is_sealed_as_one_and_as_no_pilot(tensors: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(tensors, path)
    with pytest.raises(WeightsError, match="pilot"):
        seal_file(SealOptions(path, kind="pilot"))
    assert seal_file(SealOptions(path, kind="dreamer")) == 0 and dreamer_tensors(path).keys() == tensors.keys()


def test_the_cue_game_pays_for_the_cue_alone() -> None:
    from agent.core.types import Action

    game, rewards, asked = CueGame(1), {}, []
    for seed in range(20):
        for fire in (False, True):
            game.reset(seed)
            cue = game.state().run.gold > 0  # type: ignore[union-attr]
            game.tick(Action())
            assert game.state().run.gold == 0 and not game.ended  # type: ignore[union-attr]
            game.tick(Action(fire=fire))
            assert game.ended
            rewards[cue, fire] = game.reward
            asked.append((cue, fire))
    assert rewards == {(True, True): 3.0, (False, True): -1.0, (True, False): 1.0, (False, False): 1.0}
    assert game.right == [(seed_cue == fire) for seed_cue, fire in asked]


BUDGET = Budget(
    dreamer_steps=8, world_batch=32, world_length=4, world_lr=3e-3, use_active_inference=False,
    dream=DreamConfig(horizon=2, starts=64, lr=1e-3, warm_up=20, units=128, layers=2, entropy=1e-2, gamma=0.95),
)  # fmt: skip


def training(seed: int = 0, budget: Budget = BUDGET) -> tuple[DreamTraining, list[CueGame]]:
    games = [CueGame(1) for _ in range(4)]
    return DreamTraining("cue", seed=seed, budget=budget, rollout_steps=32, games=list(games)), games


def share_right(games: list[CueGame]) -> float:
    """Of the last hundred runs."""
    return float(np.mean([right for game in games for right in game.right[-25:]]))


@pytest.mark.campaign
def test_what_plays_learns_from_its_own_rollouts_to_remember_a_cue_and_frozen_weights_do_not() -> None:
    """The cue is gone when it matters: whoever sees the moment alone is right half of the time."""
    (learning, games), (frozen, others) = training(), training()
    for part in frozen.learner.parts:
        part.update = lambda rollout: {}  # type: ignore[method-assign]
    for _ in range(8):
        frozen.advance()
    for stretch in range(40):
        report = learning.advance()
        if stretch > 8 and share_right(games) > 0.9:
            break
    assert share_right(games) > 0.9 and 0.3 < share_right(others) < 0.7
    assert frozen.policy.served()["dream_steps"] == 0 < learning.policy.served()["dream_steps"]
    assert report["wm_kl"] >= 0 and {"wm_recon", "wm_reward", "dream_return"} <= report.keys()
    # The same weights in another session, without sampling: nothing but the weights went over.
    greedy, game = DreamPilot(learning.learner.weights(), seed=9), CueGame(1)
    carry = greedy.initial(1)
    for seed in range(40):
        game.reset(seed)
        for tick in range(2):
            carry, (action,) = greedy.step(carry, [observe(game, 0, game.state(), None, tick)])
            assert action is not None
            game.tick(action)
    assert len(game.right) == 40 and np.mean(game.right) > 0.9


@pytest.mark.slow
def test_a_resumed_training_goes_on_with_its_learners_and_replay() -> None:
    small = msgspec.structs.replace(BUDGET, dreamer_steps=2, world_batch=4)
    one, _ = training(budget=small)
    for _ in range(3):
        one.advance()
    kept = {name: t.clone() for name, t in one.tensors().items()}
    two, _ = training(seed=1, budget=small)
    two.load_tensors(kept)
    again = two.tensors()
    assert kept.keys() == again.keys() and all(torch.equal(kept[name], again[name]) for name in kept)
    assert two.steps == one.steps > 300 and two.policy.served() == one.policy.served()
    assert np.isfinite(list(two.advance().values())).all()
    with pytest.raises(WeightsError, match="missing"):
        two.load_tensors({name: t for name, t in kept.items() if name != "dice"})


@pytest.mark.slow
def test_train_and_evaluate_take_the_dreamer_by_its_setting(tmp_path: Path) -> None:
    budget = Budget(dreamer_steps=1, world_batch=2, world_length=4, use_active_inference=False)
    options = TrainOptions(game="gym:CartPole-v1", steps=100, out=tmp_path / "run", copies=1)
    console = Console(file=io.StringIO())
    assert train(options, budget, SystemClock(), console) == 0
    assert train(dataclasses.replace(options, steps=200, resume=True), budget, SystemClock(), console) == 0
    with pytest.raises(SettingsError, match="asked for"):
        train(dataclasses.replace(options, resume=True), None, SystemClock(), console)
    with pytest.raises(SettingsError, match="no lessons"):
        train(TrainOptions(steps=200, out=tmp_path / "other", lesson_steps=10), budget, SystemClock(), console)
    weights, report = tmp_path / "run" / "dreamer.safetensors", tmp_path / "report.json"
    asked = EvaluateOptions(policy="dreamer", game="gym:CartPole-v1", episodes=2, weights=weights, report=report)
    hashes = []
    for _ in range(2):
        assert evaluate_command(asked) == 0
        hashes.append(json.loads(report.read_text())["action_hash"])
    assert hashes[0] == hashes[1]
