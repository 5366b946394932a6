"""A time limit is not a death: from `step()` to the targets of every learner, with known answers."""

from __future__ import annotations

from typing import Any

import gymnasium
import msgspec
import numpy as np
import pytest
import torch
from gymnasium import spaces

from agent.control.dreamer import DreamPilot, seen_by
from agent.control.dreamer import untrained_tensors as dreamer_tensors
from agent.control.encode import Encoded, encode_state
from agent.control.environment.policy import EnvPolicy, EnvWeights
from agent.control.experience import flat
from agent.control.motor import Motor
from agent.control.policy import Policy
from agent.control.random_policy import RandomPolicy
from agent.control.reward import COUNTERS, RewardTable
from agent.control.score import EpisodeTracker
from agent.control.untrained import untrained_tensors
from agent.core.choices import ChoiceLayout, outcomes_of
from agent.core.errors import RequestError
from agent.core.rollout import ActionSpec, Rollout, check_rollout
from agent.core.types import NEUTRAL, Observation
from agent.games.gymnasium_host import GymnasiumGame
from agent.learner.bodies import PushRollout, rollout_of
from agent.learning.configs import DreamConfig, PPOConfig, WorldModelConfig
from agent.learning.dreamer.dream import DreamLearner
from agent.learning.dreamer.world_model import WorldModelLearner
from agent.learning.ppo.learner import PPOLearner
from agent.models.policies import FlatPolicy
from agent.models.sizes import FLAT_KIND, FlatSizes, WorldSizes
from agent.training.dream import DreamTraining
from agent.training.evaluate import observe
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions

LIMIT = 12
GAMMA = 0.9


class Clockwork(gymnasium.Env[Any, Any]):
    """One point a step; shows how many steps there were. `deadly` says after which step it dies."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Box(0.0, 1000.0, (4,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, deadly: int = 0, render_mode: str | None = None) -> None:
        self.deadly, self.steps = deadly, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self._seen(), 1.0, self.steps == self.deadly, False, {}

    def _seen(self) -> Any:
        return np.full(4, self.steps, np.float32)

    def render(self) -> Any:
        return np.full((84, 84, 3), 5 * self.steps, np.uint8)


@pytest.fixture(autouse=True)
def limited() -> Any:
    """`Limited-v0` is cut after LIMIT steps; `Mixed-v0` dies at the very step of its limit."""
    for name, deadly in (("Limited-v0", 0), ("Mixed-v0", LIMIT)):
        gymnasium.register(name, entry_point=Clockwork, max_episode_steps=LIMIT, kwargs={"deadly": deadly})
    yield
    for name in ("Limited-v0", "Mixed-v0"):
        gymnasium.registry.pop(name)


def test_a_hosted_game_tells_a_limit_from_a_death() -> None:
    for name, truncated, health in (("Limited-v0", True, 100.0), ("Mixed-v0", False, 0.0)):
        game = GymnasiumGame(f"gym:{name}")
        for _ in range(LIMIT):
            run = game.state().run
            assert run is not None and not run.run_ended and not run.run_truncated
            game.tick(NEUTRAL)
        end, run = game.state(), game.state().run
        assert run is not None and run.run_ended and run.run_truncated == truncated and end.health == health
        seen = observe(game, 0, end, None, LIMIT)
        assert seen.is_last and seen.is_terminal != truncated
        game.tick(NEUTRAL)
        run = game.state().run
        assert run is not None and not run.run_ended and not run.run_truncated


def shown(game: GymnasiumGame, tick: int, *, bare: bool) -> Observation:
    """bare: without what the environment observes, as of a game that has a state: a pilot plays nothing else."""
    state = game.state()
    return observe(game, 0, msgspec.structs.replace(state, env=None) if bare else state, None, tick)


def played(policy: Policy, episodes: int) -> list[Observation]:
    """Whole episodes of the limited game in lock-step; the last observation of each."""
    game, carry, ends = GymnasiumGame("gym:Limited-v0"), policy.initial(1), []
    for seed in range(episodes):
        game.reset(seed, start="run")
        for tick in range(LIMIT + 1):
            observation = shown(game, tick, bare=isinstance(policy, Motor))
            carry, (action,) = policy.step(carry, [observation])
            if observation.is_last:
                ends.append(observation)
            elif action is not None:
                game.tick(action)
    return ends


def test_what_play_records_at_a_limit_is_truncated_and_holds_what_was_seen_last() -> None:
    torch.set_num_threads(1)
    motor, dreamer = Motor(untrained_tensors(3), seed=1), DreamPilot(dreamer_tensors(0), seed=1)
    found: list[Rollout] = []
    for policy in (motor, dreamer):
        rollouts: list[Rollout] = []
        recorder = policy.learn(("game",), rollouts.append, steps=8)
        ends = played(policy, 6)
        rollout = rollouts[0]
        assert check_rollout(rollout, recorder.features, ActionSpec(4, (2, 2, 2, 3))) == ""
        assert not rollout.terminated.any() and rollout.truncated.sum() >= 2
        if policy is motor:
            batch = Encoded.empty(1)
            encode_state(ends[0].state, 4 / 60, motor.initial(1)[0].last, batch, 0)
            wanted = flat(batch)
        else:
            wanted = seen_by(dreamer.initial(1).games[0], ends[0])
        last = rollout.final_obs[rollout.truncated[rollout.is_cut]][0]
        at = int(np.flatnonzero(rollout.truncated)[0])
        assert last[:9] == pytest.approx(wanted[:9]) and (last != rollout.obs[at]).any()
        found.append(rollout)
    assert len(found) == 2


def test_weights_trained_on_an_environment_record_its_limits_in_play() -> None:
    sizes, rollouts = FlatSizes(4, 0, (2,)), []
    tensors = {name: t.numpy() for name, t in FlatPolicy(sizes).state_dict().items()}
    policy = EnvPolicy(EnvWeights(FLAT_KIND, sizes, {"game": "gym:Limited-v0"}, tensors))
    policy.learn(("game",), rollouts.append, steps=32)
    played(policy, 4)
    (rollout,) = rollouts
    assert check_rollout(rollout, 4, policy.spec) == "" and not rollout.terminated.any()
    assert np.flatnonzero(rollout.truncated).tolist() == [LIMIT - 1, 2 * LIMIT - 1]
    assert set(rollout.final_obs[rollout.truncated[rollout.is_cut]][:, 0]) == {LIMIT}, "what was seen last"


def test_a_limit_that_is_told_late_is_bootstrapped_from_the_row_itself() -> None:
    """A packet that tells of the end and shows the next episode already is no last sight of the old one."""
    motor, rollouts = Motor(untrained_tensors(3), seed=1), []
    motor.learn(("game",), rollouts.append, steps=4)
    game, carry = GymnasiumGame("gym:Limited-v0"), motor.initial(1)
    game.reset(0, start="run")
    for tick in range(LIMIT):
        carry, _ = motor.step(carry, [shown(game, tick, bare=True)])
        game.tick(NEUTRAL)
    game.tick(NEUTRAL)
    late = shown(game, 1, bare=True)
    late = msgspec.structs.replace(late, is_last=True, is_terminal=False)
    carry, _ = motor.step(carry, [late])
    for tick in range(LIMIT):
        carry, _ = motor.step(carry, [shown(game, tick, bare=True)])
        game.tick(NEUTRAL)
    rollout = rollouts[0]
    (at,) = np.flatnonzero(rollout.truncated)
    assert (rollout.final_obs[rollout.truncated[rollout.is_cut]][0] == rollout.obs[at]).all()


def test_every_training_gets_its_limits_as_limits() -> None:
    torch.set_num_threads(1)
    (flat_rollout,) = GymTraining(
        "gym:Limited-v0", seed=0, total_steps=1000, options=EnvironmentOptions(copies=1)
    )._play()
    assert (flat_rollout.terminated.sum(), flat_rollout.truncated.sum()) == (0, 128 // LIMIT)
    assert set(flat_rollout.final_obs[flat_rollout.truncated[flat_rollout.is_cut]][:, 0]) == {LIMIT}
    training = DreamTraining("gym:Limited-v0", seed=0, copies=1, rollout_steps=16)
    while not training._rollouts:
        training._tick()
    assert not training._rollouts[0].terminated.any() and training._rollouts[0].truncated.sum() >= 3


def limited_rollout(*, truncated: bool, steps: int = 40) -> Rollout:
    """One point a step; every LIMIT-th ends the episode, by the limit or for good."""
    age = np.arange(steps) % LIMIT
    ends, none = age == LIMIT - 1, np.zeros(steps, np.bool_)
    obs = np.stack([age / LIMIT, np.ones(steps)], 1).astype(np.float32)
    cut = ends | np.append(np.zeros(steps - 1, np.bool_), True)
    final = np.stack([(age[cut] + 1) / LIMIT, np.ones(cut.sum())], 1).astype(np.float32)
    return Rollout(
        instance="w", policy="p", policy_version=0, obs=obs, actions_cont=np.zeros((steps, 0), np.float32),
        actions_disc=np.zeros((steps, 1), np.int64), rewards=np.ones(steps, np.float32),
        terminated=none if truncated else ends, truncated=ends if truncated else none, is_first=age == 0,
        elapsed_s=np.zeros(steps, np.float32), final_obs=final,
    )  # fmt: skip


def test_ppo_bootstraps_the_value_at_a_limit_and_not_at_a_death() -> None:
    """The value is 10 = 1 / (1 − γ) everywhere: with one point a step each return is 10, but those before a death."""
    learner = PPOLearner(FlatPolicy(FlatSizes(2, 0, (2,))), PPOConfig(gamma=GAMMA, lam=1.0), scale_rewards=False)
    ten = 1.0 / (1.0 - GAMMA)
    policy = learner.policy
    real = policy.forward

    def valued(*args: Any) -> Any:
        heads, carry = real(*args)
        return msgspec.structs.replace(heads, value=torch.full_like(heads.value, ten)), carry

    policy.forward = valued  # type: ignore[method-assign]
    cut = learner.sequences(limited_rollout(truncated=True)).returns.flatten()[:40]
    assert torch.allclose(cut, torch.full((40,), ten), atol=1e-4)
    died = learner.sequences(limited_rollout(truncated=False)).returns.flatten()[:LIMIT]
    wanted = [(1 - GAMMA ** (LIMIT - t)) / (1 - GAMMA) for t in range(LIMIT)]
    assert torch.allclose(died, torch.tensor(wanted), atol=1e-4)


def test_a_dreamer_bootstraps_its_critic_at_a_limit_and_learns_no_end_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, Any] = {"deter": 16, "blocks": 1, "hidden": 16, "stoch": 2, "classes": 4, "units": 16, "bins": 41}
    spec, ten = ActionSpec(0, (2,)), 1.0 / (1.0 - GAMMA)
    for truncated in (True, False):
        world = WorldModelLearner(
            WorldSizes(obs=2, action=spec.width, masks=0, **sizes), spec, WorldModelConfig(batch=4, length=LIMIT + 8)
        )
        dream = DreamLearner(world, DreamConfig(starts=4, horizon=2, gamma=GAMMA, lam=1.0, units=16, layers=1))
        world.push(limited_rollout(truncated=truncated))
        ends = world.replay._rows
        assert ends.is_last[:43].sum() == 3 and ends.is_terminal[:43].sum() == (0 if truncated else 3)
        told: list[tuple[torch.Tensor, torch.Tensor]] = []

        def critic(logits: Any, returns: torch.Tensor, slow: Any, told: Any = told) -> torch.Tensor:
            told.append((returns, logits))
            return logits.sum(-1)

        monkeypatch.setattr(dream, "_critic_loss", critic)
        monkeypatch.setattr(dream, "_values", lambda f: (torch.full(f.shape[:-1], ten), torch.full(f.shape[:-1], ten)))
        world.train_step()
        seen = world.posteriors[-1]
        dream._replay_loss(seen)
        returns = told[-1][0]
        counts = ~seen.is_first[:, 1:]
        if truncated:
            assert torch.allclose(returns[counts], torch.full_like(returns[counts], ten), atol=1e-3)
        else:
            dying = seen.is_terminal[:, 1:]
            assert dying.any() and torch.allclose(returns[dying], torch.ones(()), atol=1e-3)


def test_the_outcome_of_a_choice_that_a_limit_cut_short_is_never_known() -> None:
    layout = ChoiceLayout(0, 2, window=10, edges=(0.5, 5.5))
    rewards, at = np.ones(20, np.float32), [2, 8, 15]
    whole, outcomes, ended, _ = outcomes_of(rewards, at, layout, over=True, terminated=True)
    assert whole.tolist() == [0, 1, 2] and outcomes.tolist() == [2, 2, 1] and ended.tolist() == [False, False, True]
    whole, outcomes, ended, _ = outcomes_of(rewards, at, layout, over=True, terminated=False)
    assert whole.tolist() == [0, 1] and outcomes.tolist() == [2, 2] and not ended.any()


def test_a_pushed_rollouts_limit_is_one_whether_or_not_it_is_called_done_too() -> None:
    for dones in ([0, 0, 1, 0], [0, 0, 0, 0]):
        _, rollout = rollout_of(PushRollout(
            instance_id="i", policy_name="p", obs=[[float(t)] for t in range(4)], actions_disc=[[0], [1], [0], [1]],
            rewards=[1.0] * 4, dones=dones, truncated=[0, 0, 1, 0],
        ))  # fmt: skip
        assert not rollout.terminated.any() and rollout.truncated.tolist() == [False, False, True, False]
        assert rollout.is_first.tolist() == [True, False, False, True]


def test_a_pushed_rollouts_limit_is_bootstrapped_from_what_was_seen_last() -> None:
    """The value is the observation: 7 after the limit and 9 after the last row, so returns are 1 + γ·7 and 1 + γ·9."""
    learner = PPOLearner(FlatPolicy(FlatSizes(1, 0, (2,))), PPOConfig(gamma=GAMMA, lam=0.0), scale_rewards=False)
    real = learner.policy.forward

    def valued(obs: Any, *more: Any) -> Any:
        heads, carry = real(obs, *more)
        return msgspec.structs.replace(heads, value=obs[..., 0].reshape(heads.value.shape)), carry

    learner.policy.forward = valued  # type: ignore[method-assign]
    push = PushRollout(
        instance_id="i", policy_name="p", obs=[[float(t)] for t in range(4)], actions_disc=[[0], [1], [0], [1]],
        rewards=[1.0] * 4, dones=[0, 0, 0, 0], truncated=[0, 1, 0, 0], final_obs=[[7.0], [9.0]],
    )  # fmt: skip
    returns = learner.sequences(rollout_of(push)[1]).returns.flatten()[:4]
    assert torch.allclose(
        returns, torch.tensor([1 + GAMMA * 1, 1 + GAMMA * 7, 1 + GAMMA * 3, 1 + GAMMA * 9]), atol=1e-4
    )
    with pytest.raises(RequestError, match=r"final_obs: \[1, 1\]; \[2, 1\] is needed"):
        rollout_of(msgspec.structs.replace(push, final_obs=[[7.0]]))


def test_reports_say_which_episodes_a_limit_cut_and_no_loss_is_counted_there() -> None:
    (end,) = played(RandomPolicy(0), 1)
    silent = msgspec.structs.replace(end, reward=0.0, state=msgspec.structs.replace(end.state, env=None))
    assert RewardTable(COUNTERS).of(silent) == 0.0
    assert RewardTable(COUNTERS).of(msgspec.structs.replace(silent, is_terminal=True)) == -5.0
    results = [EpisodeTracker().add(msgspec.structs.replace(end, is_terminal=t)) for t in (False, True)]
    assert [r.truncated for r in results if r is not None] == [True, False]
    assert "truncated" in msgspec.to_builtins(results[0]) and "truncated" not in msgspec.to_builtins(results[1])
