"""Training on environments by what they show: boards as their flat twins, mixed parts, and stacks of frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from agent.control.environment.policy import EnvPolicy, EnvWeights
from agent.core.errors import SettingsError, WeightsError
from agent.games.gymnasium_host import GymnasiumGame
from agent.learning.configs import Budget
from agent.models.policies import FlatPolicy, FramePolicy
from agent.training.command import build_training
from agent.training.dream import DreamTraining
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions, TrainOptions
from tools.bench import observations as bench
from tools.bench.observations import TWINS, Board, Game, Matrix, twins

torch.set_num_threads(1)


def trained(monkeypatch: pytest.MonkeyPatch, make: Any, steps: int) -> GymTraining:
    monkeypatch.setattr("agent.training.gym.open_env", lambda game: make())
    training = GymTraining("gym:mine", seed=0, total_steps=steps, options=EnvironmentOptions(copies=2))
    while training.steps < steps:
        training.advance()
    return training


@pytest.mark.parametrize("kind", sorted(TWINS))
def test_a_board_and_a_matrix_are_learned_from_as_their_flat_twins_to_the_bit(kind: str) -> None:
    """As a picture, which it is not, every -1 was dark: the return stayed that of a guess."""
    assert isinstance(bench.trained(kind, 256, 1)[0].policy, FlatPolicy)
    assert twins(kind, 512, 2)["same_weights"]


def test_the_bench_sees_twins_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "flat_board", lambda: Matrix((64,)))
    assert not twins("board", 256, 2)["same_weights"]


def test_pictures_beside_numbers_and_continuous_beside_chosen_actions_have_a_policy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Mixed(Game):
        observation_space = spaces.Dict(eye=spaces.Box(0, 255, (3, 10, 10), np.uint8), at=spaces.Box(-1.0, 1.0, (2,)))
        action_space = spaces.Dict(go=spaces.MultiDiscrete([[2], [3]], start=[[5], [0]]),
                                   pull=spaces.Box(-9, 3, (2,), np.int16))  # fmt: skip
        right = 0

        def look(self) -> Any:
            return self.observation_space.sample()

        def step(self, action: Any) -> Any:
            assert action in self.action_space
            return super().step(0)

    training = trained(monkeypatch, Mixed, 512)
    assert isinstance(training.policy, FramePolicy) and training.policy.features == 302
    assert (training.policy.spec.continuous, training.policy.spec.branches) == (2, (2, 3))
    assert float(training.policy.norm.count) > 0, "numbers beside the picture are normalised"
    sealed = training.sealed()
    assert sealed["kind"] == "frame-policy" and sealed["sizes"]["numbers"] == 2 and sealed["sizes"]["continuous"] == 2


def test_what_shows_nothing_that_can_be_observed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Talks(Board):
        def __init__(self) -> None:
            self.observation_space = spaces.Text(9)

    with pytest.raises(SettingsError, match="nothing can be observed of Text"):
        trained(monkeypatch, Talks, 10)


def test_a_profiles_frame_skip_repeats_the_action_up_to_the_end_and_adds_the_rewards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[int] = []

    class Counts(Game):
        observation_space = spaces.Box(-1.0, 1.0, (1,))
        right = 0

        def look(self) -> Any:
            return np.array([self.t / 20], np.float32)

        def step(self, action: Any) -> Any:
            told.append(int(action))
            look, _, ended, truncated, info = super().step(action)
            return look, 1.0, ended, truncated, info

    profile = tmp_path / "profile.toml"
    profile.write_text("frame_skip = 3\n", encoding="utf-8")
    monkeypatch.setattr("agent.training.gym.open_env", lambda game: Counts())
    training = GymTraining("gym:mine", seed=0, total_steps=1, options=EnvironmentOptions(copies=1), profile=profile)
    (rollout,) = training._play()
    assert rollout.rewards[:7].tolist() == [3.0] * 6 + [2.0] and rollout.terminated[:7].tolist() == [False] * 6 + [True]
    assert np.allclose(rollout.obs[:7, 0], np.arange(7) * 0.15)
    chosen = rollout.actions_disc[:7, 0].tolist()
    assert told[:20] == [choice for choice in chosen for _ in range(3)][:20]
    assert training.sealed()["layout"]["frame_skip"] == 3
    monkeypatch.setattr("agent.games.gymnasium_host.open_env", lambda game: Counts())
    game, sealed = GymnasiumGame("gym:mine", profile), training.sealed()
    policy = EnvPolicy(EnvWeights(sealed["kind"], training.policy.sizes, sealed["layout"], sealed["tensors"]))
    policy.check(game.shown, "gym:mine")
    with pytest.raises(WeightsError, match="3 steps for each action"):
        policy.check(GymnasiumGame("gym:mine").shown, "gym:mine")


@pytest.mark.parametrize(("observed", "buttons", "said"), [(70_000, 2, "280000 bytes"), (2, 201, "201 parts")])
def test_a_training_says_at_its_start_what_play_will_refuse(
    monkeypatch: pytest.MonkeyPatch, observed: int, buttons: int, said: str
) -> None:
    class Large(Game):
        observation_space = spaces.Box(-1.0, 1.0, (observed,))
        action_space = spaces.MultiBinary(buttons)

        def look(self) -> Any:
            return np.zeros(observed, np.float32)

    monkeypatch.setattr("agent.training.gym.open_env", lambda game: Large())
    about = GymTraining("gym:mine", seed=0, total_steps=1, options=EnvironmentOptions(copies=1)).about
    assert any("neither play nor evaluate" in line and said in line for line in about)


def test_a_dreamers_training_uses_the_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("agent.games.gymnasium_host.open_env", lambda game: Board((8, 8)))
    profile = tmp_path / "profile.toml"
    profile.write_text("picture = true\ntick_hz = 20\n", encoding="utf-8")
    options = TrainOptions(game="gym:mine", steps=1, copies=1, out=tmp_path, profile=profile)
    training = build_training(options, Budget())
    assert isinstance(training, DreamTraining)
    assert training.seats[0].game.tick_s == 1 / 20 and any("a picture of 8 x 8" in line for line in training.about)


class Cue(gymnasium.Env[Any, Any]):
    """The first of eight observations says which action the last one pays for."""

    observation_space = spaces.Box(-1.0, 1.0, (3,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t, self.cue = 0, int(self.np_random.integers(2))
        return self.look(), {}

    def look(self) -> Any:
        told = 2 * self.cue - 1 if self.t == 0 else 0
        return np.array([told, self.t == 7, self.np_random.uniform(-1, 1)], np.float32)

    def step(self, action: Any) -> Any:
        last = self.t == 7
        self.t += 1
        return self.look(), float(last and action == self.cue), last, False, {}


@pytest.mark.campaign
def test_what_must_be_remembered_is_learned_with_the_preset_of_memory_and_not_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {}
    for preset in ("memory", "vectors"):
        monkeypatch.setattr("agent.training.gym.open_env", lambda game: Cue())
        options = EnvironmentOptions(preset=preset)
        training = GymTraining("gym:mine", seed=0, total_steps=24_576, options=options)
        while training.steps < 24_576:
            training.advance()
        found[preset] = float(np.mean(training.evaluate(range(9_000, 9_050))))
    print(found)
    assert found["memory"] > 0.9 and found["vectors"] < 0.75
