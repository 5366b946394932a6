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
from agent.training.options import TrainOptions

torch.set_num_threads(1)


class Game(gymnasium.Env[Any, Any]):
    """Twenty steps; the reward is 1 where the action was right. `look` says what is seen, and what is right."""

    action_space: Any = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t, self.begun = 0, True
        return self.look(), {}

    def step(self, action: Any) -> Any:
        reward, self.t, self.begun = float(action == self.right), self.t + 1, False
        return self.look(), reward, self.t >= 20, False, {}

    def look(self) -> Any:
        raise NotImplementedError


class Board(Game):
    """Their only piece, -1, lies left or right."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.observation_space = spaces.Box(-1, 1, shape, np.int8)

    def look(self) -> Any:
        self.right = int(self.np_random.integers(2))
        board = np.zeros((8, 8), np.int8)
        board[self.np_random.integers(8), self.np_random.integers(4) + 4 * self.right] = -1
        return board.reshape(self.observation_space.shape)


class Drift(Game):
    """A dot on a ring of ten drifts left or right for a whole episode: one frame does not say where to."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.observation_space = spaces.Box(0, 255, (10, 10, frames), np.uint8)

    def look(self) -> Any:
        if self.begun:
            self.at, self.right = int(self.np_random.integers(10)), int(self.np_random.integers(2))
            self.seen: list[Any] = []
        self.at = (self.at + 2 * self.right - 1) % 10
        frame = np.zeros((10, 10, 1), np.uint8)
        frame[5, self.at] = 255
        self.seen = [*([frame] * (self.frames - len(self.seen) - 1)), *self.seen, frame][-self.frames :]
        return np.concatenate(self.seen, 2)


def trained(monkeypatch: pytest.MonkeyPatch, make: Any, steps: int, copies: int = 8) -> tuple[GymTraining, float]:
    monkeypatch.setattr("agent.training.gym.open_env", lambda game: make())
    training = GymTraining("gym:mine", seed=0, total_steps=steps, copies=copies)
    metrics: dict[str, float] = {}
    while training.steps < steps:
        metrics = training.advance()
    return training, metrics["episode_return"]


def test_a_board_is_learned_from_as_its_flat_twin_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a picture, which it is not, every -1 was dark: the return stayed that of a guess."""
    board, _ = trained(monkeypatch, lambda: Board((8, 8)), 1024, 2)
    flat, _ = trained(monkeypatch, lambda: Board((64,)), 1024, 2)
    assert isinstance(board.policy, FlatPolicy)
    ours, theirs = board.policy.state_dict(), flat.policy.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


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

    training, _ = trained(monkeypatch, Mixed, 512, 2)
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
    training = GymTraining("gym:mine", seed=0, total_steps=1, copies=1, profile=profile)
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
    about = GymTraining("gym:mine", seed=0, total_steps=1, copies=1).about
    assert any("neither play nor evaluate" in line and said in line for line in about)


def test_a_dreamers_training_uses_the_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("agent.games.gymnasium_host.open_env", lambda game: Board((8, 8)))
    profile = tmp_path / "profile.toml"
    profile.write_text("picture = true\ntick_hz = 20\n", encoding="utf-8")
    options = TrainOptions(game="gym:mine", steps=1, copies=1, out=tmp_path, profile=profile)
    training = build_training(options, Budget())
    assert isinstance(training, DreamTraining)
    assert training.seats[0].game.tick_s == 1 / 20 and any("a picture of 8 x 8" in line for line in training.about)


@pytest.mark.campaign
def test_a_stack_of_four_frames_beats_one_frame_where_one_does_not_say_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing returns 10, right play 20 but for the first step; 32,768 steps each."""
    _, one = trained(monkeypatch, lambda: Drift(1), 32_768)
    _, four = trained(monkeypatch, lambda: Drift(4), 32_768)
    print(f"return of the last 100 episodes: one frame {one:.2f}, a stack of four {four:.2f}")
    assert one < 12.0 and four > 15.0
