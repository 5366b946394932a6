"""Weights of an environment in play: the same sights, the exact actions, written down as they were, and what fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from msgspec.structs import replace

from agent.control.arrays import STILL
from agent.control.environment.policy import KINDS, EnvPolicy, EnvWeights, env_weights, policy_name
from agent.control.policies import build_policy
from agent.core.errors import GameError, SettingsError, WeightsError
from agent.core.rollout import Rollout, check_rollout
from agent.core.types import NEUTRAL, EnvObservation, FloatArray, Observation, RunInfo, Shown
from agent.learning.configs import Budget, spec_of
from agent.learning.learner import PolicyLearner
from agent.link.env_wire import MAX_ACTION_PARTS
from agent.models.policies import FlatPolicy, FramePolicy
from agent.models.sealed import save_sealed
from agent.models.sizes import FLAT_KIND, FRAME_KIND, FlatSizes, FrameSizes
from agent.session.episodes import SeesTheGame
from agent.store.store import NAME

FLAT = FlatSizes(3, 2, (4, 2))
FRAME = FrameSizes(10, 12, (3,), channels=4, numbers=2, continuous=1)


def weights(kind: str = FLAT_KIND, **changes: Any) -> EnvWeights:
    torch.manual_seed(3)
    network = FlatPolicy(FLAT) if kind == FLAT_KIND else FramePolicy(FRAME)
    for parameter in network.actor.parameters():
        torch.nn.init.normal_(parameter)
    tensors = {name: t.numpy() for name, t in network.state_dict().items()}
    sizes = FLAT if kind == FLAT_KIND else FRAME
    return EnvWeights(kind, sizes, {"game": "gym:Mine-v0", "features": network.features}, tensors | changes)


def sight(numbers: FloatArray, picture: Any = None, *, tick: int = 1, last: bool = False, game: int = 0) -> Observation:
    run = RunInfo(tick, 0, (0, 0), (0, 0), True, last, False, 0, 0.0, 0, 0, 0.0, 0.0, 0, 1.0)
    state = replace(STILL, env=EnvObservation(picture, numbers), run=run, game_time_s=tick / 60)
    return Observation(game, state, None, tick, 1 / 60, 0.0, 1.0, tick == 0, last, last)


def numbers(seed: int, n: int = 3) -> FloatArray:
    return np.random.default_rng(seed).normal(size=n).astype(np.float32)


@pytest.mark.parametrize("kind", [FLAT_KIND, FRAME_KIND])
def test_it_acts_as_the_network_that_was_trained(kind: str) -> None:
    given = weights(kind)
    network = FlatPolicy(FLAT) if kind == FLAT_KIND else FramePolicy(FRAME)
    network.load_state_dict({name: torch.from_numpy(t) for name, t in given.tensors.items()})
    policy = EnvPolicy(given)
    picture = None if kind == FLAT_KIND else np.random.default_rng(0).integers(0, 256, (10, 12, 4), np.uint8)
    seen = [sight(numbers(i, 3 if kind == FLAT_KIND else 2), picture, game=i) for i in range(3)]
    _, actions = policy.step(policy.initial(3), [seen[0], None, seen[2]])
    assert actions[1] is None
    for i in (0, 2):
        env, done = seen[i].state.env, actions[i]
        assert env is not None and done is not None and done.env is not None and done.answers == 1
        row = torch.from_numpy(env.row())[None, None]
        heads, _ = network(row, network.initial(1), torch.tensor([[False]]), torch.zeros(1, 1))
        assert done.env.choices == tuple(int(logits[0, 0].argmax()) for logits in heads.logits)
        assert np.allclose(done.env.axes, torch.tanh(heads.mean)[0, 0].detach().numpy(), atol=1e-6)


def test_what_it_does_is_written_down_with_the_chances_of_its_own_network() -> None:
    policy, made = EnvPolicy(weights(), seed=1), list[Rollout]()
    policy.learn(("a",), made.append, steps=8)
    carry = policy.initial(1)
    for tick in range(20):
        carry, _ = policy.step(carry, [sight(numbers(tick), tick=tick, last=tick == 5)])
        if tick == 5:
            carry, _ = policy.step(carry, [replace(sight(numbers(99), tick=6), is_first=True)])
    first = made[0]
    assert check_rollout(first, 3, policy.spec) == "" and first.policy == "flat-Mine-v0"
    assert first.terminated.tolist() == [False] * 4 + [True] + [False] * 3
    assert first.is_first.tolist() == [True] + [False] * 4 + [True] + [False] * 2
    assert first.rewards.tolist() == [1.0] * 8
    with torch.no_grad():
        from agent.models.heads import log_prob

        obs, axes, choices = (torch.from_numpy(x) for x in (first.obs, first.actions_cont, first.actions_disc))
        heads, _ = policy.network(obs[:, None], policy.initial(8), torch.ones(8, 1, dtype=torch.bool), torch.ones(8, 1))
        said = log_prob(heads, axes[:, None], choices[:, None])[:, 0]
    assert first.log_probs is not None and np.allclose(first.log_probs, said.numpy(), atol=1e-5)
    assert len(set(map(tuple, first.actions_disc.tolist()))) > 1, "choices are sampled"


def test_every_environment_has_a_name_that_the_store_takes() -> None:
    games = ("gym:CartPole-v1", "gym:minatar.gym:MinAtar/Breakout-v1", "mine:Maze", "gym:" + "x" * 200, "gym:a/B-v1")
    games += ("gym:" + "y" * 49, "gym:" + "y" * 50, "gym:" + "y" * 51)
    names = [policy_name(kind, game) for kind in KINDS for game in games]
    assert all(NAME.fullmatch(name) for name in names) and len(set(names)) == len(names)
    assert names[0] == "flat-CartPole-v1" and policy_name(FRAME_KIND, games[0]) == "frame-CartPole-v1"


def test_files_are_read_back_also_those_of_a_store_and_others_are_refused(tmp_path: Path) -> None:
    given, path = weights(), tmp_path / "policy.safetensors"
    sizes = {"features": 3, "continuous": 2, "branches": [4, 2]}
    save_sealed(path, given.tensors, kind=FLAT_KIND, layout=given.layout, sizes=sizes)
    policy = build_policy(FLAT_KIND, weights=path)
    assert policy.name == "flat-Mine-v0"
    with pytest.raises(SettingsError, match="needs --weights"):
        build_policy(FLAT_KIND)
    save_sealed(path, given.tensors, kind=FLAT_KIND, layout=given.layout, sizes={"features": 3})
    with pytest.raises(WeightsError, match="sizes are not those of a flat-policy"):
        env_weights(path)
    save_sealed(path, given.tensors, kind="outcomes", layout={}, sizes={})
    with pytest.raises(WeightsError, match="holds a outcomes"):
        env_weights(path)


def test_weights_that_do_not_fit_or_are_not_finite_are_refused() -> None:
    with pytest.raises(WeightsError, match="not the tensors of a flat-policy"):
        EnvPolicy(weights(log_std=np.zeros(5, np.float32)))
    policy = EnvPolicy(weights())
    broken = weights().tensors | {"critic.4.bias": np.array([np.nan], np.float32)}
    with pytest.raises(WeightsError, match="not finite"):
        policy.prepare(broken, "here")


def test_a_game_that_shows_something_else_is_refused_before_and_while_it_is_played() -> None:
    policy = EnvPolicy(weights())
    policy.check(Shown((), 3, 2, (4, 2)), "gym:Mine-v0")
    for other in (None, Shown((), 4, 2, (4, 2)), Shown((), 3, 0, (4, 2)), Shown((), 3, 2, (4, 3))):
        with pytest.raises(WeightsError, match="trained on gym:Mine-v0.*gym:Other-v0 has"):
            policy.check(other, "gym:Other-v0")
    with pytest.raises(GameError, match="observes .*3 numbers of gym:Mine-v0; this game shows"):
        policy.step(policy.initial(1), [sight(numbers(0, 4))])
    with pytest.raises(GameError, match="shows nothing"):
        policy.step(policy.initial(1), [replace(sight(numbers(0)), state=STILL)])


def test_weights_with_more_parts_of_an_action_than_the_link_carries_are_refused() -> None:
    sizes = FlatSizes(1, 0, (2,) * (MAX_ACTION_PARTS + 1))
    tensors = {name: t.numpy() for name, t in FlatPolicy(sizes).state_dict().items()}
    with pytest.raises(WeightsError, match="actions have 201 parts, and the link carries 200"):
        EnvPolicy(EnvWeights(FLAT_KIND, sizes, {"game": "gym:Mine-v0"}, tensors))


def test_weights_play_with_the_frame_skip_that_they_were_trained_with() -> None:
    shown, given = Shown((), 3, 2, (4, 2)), weights()
    EnvPolicy(given).check(shown, "gym:Mine-v0")
    skipping = EnvPolicy(replace(given, layout=given.layout | {"frame_skip": 4}))
    skipping.check(replace(shown, frame_skip=4), "gym:Mine-v0")
    for policy, other in ((skipping, shown), (EnvPolicy(given), replace(shown, frame_skip=4))):
        with pytest.raises(WeightsError, match="4 steps for each action.*same --profile"):
            policy.check(other, "gym:Mine-v0")


def test_a_session_ends_where_a_pilot_meets_an_environment_on_the_link() -> None:
    check = SeesTheGame(build_policy("untrained-pilot"))
    with pytest.raises(GameError, match="sees the state of a run.*--policy dreamer"):
        check.on_step(sight(numbers(0)), NEUTRAL, 0)
    check.on_step(replace(sight(numbers(0)), state=STILL), NEUTRAL, 0)
    SeesTheGame(EnvPolicy(weights())).on_step(sight(numbers(0)), NEUTRAL, 0)
    SeesTheGame(build_policy("random")).on_step(sight(numbers(0)), NEUTRAL, 0)


@pytest.mark.parametrize("kind", [FLAT_KIND, FRAME_KIND])
def test_what_it_wrote_down_is_learned_from_and_the_learners_weights_act(kind: str) -> None:
    given, made = weights(kind), list[Rollout]()
    policy = EnvPolicy(given)
    recorder = policy.learn(("a",), made.append, steps=16)
    outline = spec_of(policy.name, policy.kind, recorder.features, policy.spec, policy.sizes, 0)
    learner = PolicyLearner(outline, Budget(use_world=False, use_active_inference=False))
    learner.take_weights(given.tensors)
    carry, picture = policy.initial(1), None if kind == FLAT_KIND else np.full((10, 12, 4), 9, np.uint8)
    for tick in range(17):
        carry, _ = policy.step(carry, [sight(numbers(tick, 3 if kind == FLAT_KIND else 2), picture, tick=tick)])
    assert [part.name for part in learner.parts] == ["ppo"]
    assert np.isfinite(list(learner.parts[0].update(made[0]).values())).all()
    after = learner.weights()
    assert after.keys() == given.tensors.keys()
    assert any(not np.array_equal(after[name], given.tensors[name]) for name in after)
    policy.load(policy.prepare(after, "the learner"), 2)
    assert policy.version == 2 and policy.tensors is after


def test_the_exact_action_reaches_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space that no key reaches all of: what the policy says is what the environment is told."""
    import gymnasium

    from agent.core.types import Action, EnvAction
    from agent.games.gymnasium_host import GymnasiumGame

    told: list[Any] = []

    class Env(gymnasium.Env[Any, Any]):
        observation_space = spaces.Box(-1.0, 1.0, (2, 2))
        action_space = spaces.Dict(go=spaces.Discrete(100, start=-50), pull=spaces.Box(-9.0, 3.0, (1,)))

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return np.full((2, 2), 0.5, np.float32), {}

        def step(self, action: Any) -> Any:
            told.append(action)
            return np.full((2, 2), 0.25, np.float32), 0.0, False, False, {}

    monkeypatch.setattr("agent.games.gymnasium_host.open_env", lambda game: Env())
    game = GymnasiumGame("gym:mine-v0")
    assert game.shown == Shown((), 4, 1, (100,)) and game.render().shape == (84, 84, 3)
    game.tick(Action(env=EnvAction((1.0,), (99,))))
    game.tick(Action(move=(1.0, 0.0), env=EnvAction((1.0,), (100,))))
    assert told[0] == {"go": 49, "pull": np.array([3.0], np.float32)}
    assert told[1]["go"] in (-50, -49), "a choice that is none: the keys count"
    env = game.state().env
    assert env is not None and env.numbers.tolist() == [0.25] * 4
