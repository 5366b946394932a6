"""Presets: which one is taken, what each option changes, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from agent.commands.cli import run
from agent.core.errors import SettingsError
from agent.games.env_view import EnvView
from agent.games.gymnasium_profile import Profile
from agent.learning.ppo.update import learning_rate
from agent.models.picture_bodies import ResidualBlock
from agent.models.policies import FlatPolicy, FramePolicy
from agent.training.gym import GymTraining
from agent.training.options import EnvironmentOptions
from agent.training.presets import preset as presets

torch.set_num_threads(1)
PICTURE = spaces.Box(0, 255, (100, 90, 3), np.uint8)
FLAGS = spaces.Box(0, 1, (40, 40, 5), np.bool_)
SMALL = spaces.Box(0, 255, (10, 10, 3), np.uint8)
NUMBERS = spaces.Box(-1.0, 1.0, (3,))


class Game(gymnasium.Env[Any, Any]):
    """Ten steps that pay 1 each; numbers tell the step."""

    action_space: Any = spaces.Discrete(2)

    def __init__(self, space: Any) -> None:
        self.observation_space = space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self.look(), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        return self.look(), 1.0, self.t == 10, False, {}

    def look(self) -> Any:
        return np.full(self.observation_space.shape, self.t / 10, self.observation_space.dtype)


def training(
    monkeypatch: pytest.MonkeyPatch, space: Any = NUMBERS, kept: presets.Kept | None = None, **given: Any
) -> GymTraining:
    monkeypatch.setattr("agent.training.gym.open_env", lambda game: Game(space))
    told = Profile(picture=True if space is FLAGS else None)
    monkeypatch.setattr("agent.training.gym.load_profile", lambda *named: told)
    options = EnvironmentOptions(**{"copies": 1, **given})
    return GymTraining("gym:mine", seed=0, total_steps=10_000, options=options, kept=kept)


@pytest.mark.parametrize(("game", "space", "name"), [
    ("gym:mine", NUMBERS, "vectors"), ("gym:mine", PICTURE, "pictures"), ("gym:mine", SMALL, "small-pictures"),
    ("gym:popgym:popgym-RepeatFirstEasy-v0?n=3", NUMBERS, "memory"), ("gym:MiniGrid-MemoryS7-v0", SMALL, "memory"),
])  # fmt: skip
def test_without_a_name_the_preset_fits_the_game(game: str, space: Any, name: str) -> None:
    found, preset = presets.chosen(game, EnvView(space), EnvironmentOptions())
    assert found == name and preset == presets.shipped()[name]
    assert (preset.memory > 0) == (name == "memory") and (preset.frame_stack > 1) == (name == "pictures")


def test_a_preset_is_named_or_a_file_and_options_stand_above_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("width = 24\nscale_rewards = false\n[ppo]\nclip = 0.3\ngamma = 0.5\n", encoding="utf-8")
    view = EnvView(NUMBERS)
    assert presets.chosen("gym:mine", view, EnvironmentOptions(preset="memory"))[1].memory > 0
    preset = presets.chosen("gym:mine", view, EnvironmentOptions(preset=str(file), gamma=0.9, width=32))[1]
    assert (preset.ppo.clip, preset.ppo.gamma, preset.width, preset.scale_rewards) == (0.3, 0.9, 32, False)
    told = training(monkeypatch, preset=str(file)).learner
    assert told.config.clip == 0.3 and told._scale is None and told.policy.actor[0].out_features == 24  # type: ignore[index,union-attr]


def test_copies_skipped_and_stacked_frames_are_what_the_policy_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = training(monkeypatch, copies=3, frame_skip=2, frame_stack=4)
    plays = trained._play()
    assert len(plays) == 3 and trained.policy.features == 12
    assert plays[0].rewards[:5].tolist() == [2.0] * 5 and plays[0].terminated[:5].tolist() == [False] * 4 + [True]
    assert np.allclose(plays[0].obs[:3, ::3], [[0, 0, 0, 0], [0, 0, 0, 0.2], [0, 0, 0.2, 0.4]])
    assert np.allclose(plays[0].final_obs[0][::3], [0.4, 0.6, 0.8, 1.0]) and not plays[0].obs[5].any()
    sealed = trained.sealed()
    assert sealed["layout"]["frame_skip"] == 2 and sealed["sizes"]["frames"] == 4


@pytest.mark.parametrize(("space", "given", "shape"), [
    (PICTURE, {"frame_stack": 1}, (84, 84, 3)), (PICTURE, {"picture_px": 40, "frame_stack": 2}, (40, 40, 6)),
    (FLAGS, {"frame_stack": 1}, (40, 40, 5)), (FLAGS, {"frame_stack": 1, "paint_flags": True}, (40, 40, 3)),
])  # fmt: skip
def test_pictures_are_as_large_and_flags_are_as_asked_for(
    monkeypatch: pytest.MonkeyPatch, space: Any, given: dict[str, Any], shape: tuple[int, ...]
) -> None:
    policy = training(monkeypatch, space, width=16, **given).policy
    assert isinstance(policy, FramePolicy)
    assert (policy.sizes.height, policy.sizes.width, policy.sizes.channels) == shape


@pytest.mark.parametrize("network", ["towers", "shared"])
def test_networks_of_numbers_have_a_kind_a_width_and_a_memory(monkeypatch: pytest.MonkeyPatch, network: Any) -> None:
    trained = training(monkeypatch, network=network, width=20, memory=12)
    policy = trained.policy
    assert isinstance(policy, FlatPolicy) and policy.units == 12
    shared = any(isinstance(part, torch.nn.LayerNorm) for part in policy.modules())
    first = policy.body[0] if shared else policy.critic[0]  # type: ignore[index]
    assert shared == (network == "shared") and (first.in_features, first.out_features) == (15, 20)
    before = _memory(policy)
    trained.advance()
    assert not torch.equal(_memory(policy), before), "the memory learns"


def _memory(policy: FlatPolicy | FramePolicy) -> torch.Tensor:
    assert policy.memory is not None
    return torch.cat([p.detach().reshape(-1).clone() for p in policy.memory.parameters()])


@pytest.mark.parametrize("network", ["small", "nature", "residual"])
def test_networks_of_pictures_have_a_kind_and_a_memory(monkeypatch: pytest.MonkeyPatch, network: Any) -> None:
    trained = training(monkeypatch, PICTURE, network=network, width=16, memory=8, picture_px=36, frame_stack=1)
    policy = trained.policy
    assert isinstance(policy, FramePolicy) and policy.units == 8
    convolutions = [part for part in policy.modules() if isinstance(part, torch.nn.Conv2d)]
    blocks = [part for part in policy.modules() if isinstance(part, ResidualBlock)]
    assert (len(convolutions), len(blocks)) == {"small": (1, 0), "nature": (3, 0), "residual": (15, 6)}[network]
    rows = torch.rand(2, 3, policy.features) * 255
    heads, carry = policy(rows, policy.initial(2), torch.zeros(2, 3, dtype=torch.bool), torch.full((2, 3), 0.1))
    first, _ = policy(rows[:, :2], policy.initial(2), torch.zeros(2, 2, dtype=torch.bool), torch.full((2, 2), 0.1))
    forgot, _ = policy(rows[:, 2:], policy.initial(2), torch.zeros(2, 1, dtype=torch.bool), torch.full((2, 1), 0.1))
    assert carry.abs().max() > 0 and torch.allclose(first.value, heads.value[:, :2], atol=1e-5)
    assert not torch.allclose(forgot.value[:, 0], heads.value[:, 2], atol=1e-6), "it remembers"


def test_discount_and_learning_rate_are_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = training(monkeypatch, gamma=0.5, lr=0.125, lr_schedule="cosine").learner
    updates = learner.config.anneal_updates
    assert learner.config.gamma == 0.5 and updates == 10_000 // 128
    at = [learning_rate(learner.config, n) for n in (0, updates // 4, updates // 2, updates)]
    assert at == pytest.approx([0.125, 0.107, 0.0625, 0.0], abs=2e-3)
    constant = training(monkeypatch, lr=0.125, lr_schedule="constant").learner.config
    linear = training(monkeypatch, lr=0.125, lr_schedule="linear").learner.config
    assert learning_rate(constant, updates) == 0.125 and learning_rate(linear, updates // 2) == pytest.approx(0.0625)


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--copies", "0", "--copies 0: 1 to 256"), ("--frame-skip", "0", "--frame-skip 0: 1 to 64"),
    ("--frame-stack", "17", "--frame-stack 17: 1 to 16"), ("--picture-px", "4", "--picture-px 4: 8 to 256"),
    ("--width", "2", "--width 2: 8 to 4096"), ("--memory", "-1", "--memory -1: 0 to 1024"),
    ("--gamma", "1", "--gamma 1: 0 to 0.99999"), ("--lr", "0", "--lr 0: 1e-08 to 1"),
    ("--eval-every", "0", "--eval-every 0: 1 to"), ("--eval-episodes", "0", "--eval-episodes 0: 1 to"),
    ("--preset", "vector", "did you mean vectors?"), ("--network", "nature", "name towers or shared"),
    ("--network", "large", "large"), ("--lr-schedule", "step", "step"),
])  # fmt: skip
def test_a_bad_value_is_one_clear_line_and_code_2(
    option: str, value: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["train", "--game", "gym:CartPole-v1", "--steps", "9", "--out", str(tmp_path), option, value]) == 2
    err = capsys.readouterr().err
    assert said in " ".join(err.split()) and "Traceback" not in err
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(("text", "said"), [
    ("depth = 3", "unknown field `depth`"), ("copies = 0", "copies = 0: 1 to 256"), ("[ppo]\nlr = 7", "lr = 7"),
    ("width = 'wide'", "Expected `int`"), ("width =", "Invalid value"),
])  # fmt: skip
def test_a_bad_preset_is_said_with_its_file(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="bad.toml") as found:
        presets.named(str(file))
    assert said in str(found.value)


def test_what_would_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="fewer --copies"):
        training(monkeypatch, PICTURE, copies=256, frame_stack=16)


@pytest.mark.parametrize("option", ["--frame-stack", "--eval-every"])
def test_options_of_environments_are_refused_where_they_would_do_nothing(
    option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("agent.core.compiled.is_cold", lambda: False)
    assert run(["train", "--steps", "9", "--out", str(tmp_path), option, "4"]) == 2
    assert f"{option}: is of Gymnasium environments" in " ".join(capsys.readouterr().err.split())


def test_a_training_that_goes_on_keeps_what_its_network_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    first = training(monkeypatch, PICTURE, width=16, frame_stack=2, picture_px=40)
    resumed = training(monkeypatch, PICTURE, kept=first.kept_notes, lr=0.5)
    resumed.load_tensors(first.tensors())
    assert resumed.policy.sizes == first.policy.sizes and resumed.learner.config.lr == 0.5  # type: ignore[union-attr]
    with pytest.raises(SettingsError, match="--width 17: the training in --out has 16"):
        training(monkeypatch, PICTURE, kept=first.kept_notes, width=17)


@pytest.mark.parametrize(("space", "channels", "hidden"), [(FLAGS, 3, 128), (NUMBERS, 0, 64)])
def test_a_checkpoint_of_0_1_0_goes_on_as_it_began(
    monkeypatch: pytest.MonkeyPatch, space: Any, channels: int, hidden: int
) -> None:
    trained = training(monkeypatch, space, kept={"wall_s": 3.0}, copies=2)
    sizes = trained.policy.sizes
    assert sizes.hidden == hidden and getattr(sizes, "channels", 0) == channels  # type: ignore[union-attr]
    assert (trained.learner._scale is None) == bool(channels) and trained.learner.config.clip_value
