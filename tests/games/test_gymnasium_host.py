"""Any Gymnasium environment as a game: pictures, action tables, profiles, and third-party games that are played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from agent.control.policies import build_policy
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.core.types import NEUTRAL, Action
from agent.games.gymnasium_host import GymnasiumGame, first_image, make_env, to_rgb
from agent.games.gymnasium_profile import Profile, load_profile, to_action
from agent.training.evaluate import evaluate

LEFT, RIGHT, UP = Action(move=(-1.0, 0.0)), Action(move=(1.0, 0.0)), Action(move=(0.0, 1.0))


def table(space: Any, tmp_path: Path | None = None, text: str = "") -> Profile:
    if tmp_path is None:
        return load_profile("no-such-profile", None, space)
    path = tmp_path / "profile.toml"
    path.write_text(text, encoding="utf-8")
    return load_profile("any", path, space)


def test_each_kind_of_action_space_has_a_table_of_its_own() -> None:
    discrete = spaces.Discrete(5, start=10)
    assert [to_action(a, table(discrete), discrete) for a in (NEUTRAL, LEFT, RIGHT, UP)] == [10, 11, 12, 13]
    bits = spaces.MultiBinary(4)
    assert to_action(Action(move=(1.0, 1.0)), table(bits), bits).tolist() == [0, 1, 1, 0]
    several = spaces.MultiDiscrete([3, 2])
    assert to_action(RIGHT, table(several), several).tolist() == [2, 0]
    assert to_action(Action(move=(-1.0, 1.0)), table(several), several).tolist() == [1, 1]
    box = spaces.Box(-2.0, 2.0, (2,), np.float32)
    assert to_action(Action(move=(0.5, -0.25)), table(box), box).tolist() == [0.5, -0.25]
    narrow = spaces.Box(np.array([0.0], np.float32), np.array([0.5], np.float32))
    assert to_action(RIGHT, table(narrow), narrow).tolist() == [0.5]


@pytest.mark.parametrize("space", [spaces.Discrete(7), spaces.MultiBinary(5), spaces.MultiDiscrete([3, 4, 2]),
                                   spaces.Box(-1.0, 1.0, (3,), np.float32)])  # fmt: skip
def test_whatever_is_pressed_is_an_action_of_the_space(space: Any) -> None:
    rng, profile = np.random.default_rng(0), table(space)
    for _ in range(200):
        mx, my, lx, ly = rng.uniform(-1, 1, 4)
        fire, ability, interact = rng.random(3) < 0.5
        assert to_action(Action((mx, my), (lx, ly), fire, ability, interact), profile, space) in space


def test_a_table_in_toml_goes_before_the_sensible_one(tmp_path: Path) -> None:
    space = spaces.Discrete(4)
    profile = table(space, tmp_path, "tick_hz = 20\nframe_skip = 2\nidle = 3\n[keys]\nright = 1\nfire = 2\n")
    assert (profile.tick_hz, profile.frame_skip) == (20.0, 2)
    pressed = [to_action(a, profile, space) for a in (NEUTRAL, LEFT, RIGHT, Action(fire=True))]
    assert pressed == [3, 3, 1, 2]


@pytest.mark.parametrize(
    ("text", "named"),
    [("[keys]\nrihgt = 1", "right"), ("tik_hz = 3", "tick_hz"), ("[keys]\nright = 9", "no action"),
     ("tick_hz = 0", "tick_hz"), ("[keys", "profile.toml"), ("frame_skip = 0", "frame_skip")],
)  # fmt: skip
def test_a_bad_table_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        table(spaces.Discrete(4), tmp_path, text)


def test_a_space_that_cannot_be_played_and_an_unknown_environment_are_refused() -> None:
    with pytest.raises(SettingsError, match="only Discrete"):
        table(spaces.Text(5))
    with pytest.raises(SettingsError, match="CartPole"):
        make_env("CartPol-v1")
    with pytest.raises(SettingsError, match="gym:minatar.gym:MinAtar/Breakout-v1"):
        make_env("Breakuot-v1")
    with pytest.raises(SettingsError, match="no_such_module"):
        make_env("no_such_module:Thing-v0")


def test_any_picture_becomes_rgb_of_a_useful_size() -> None:
    channels_first = np.zeros((3, 100, 120), np.uint8)
    channels_first[0] = 200
    assert to_rgb(channels_first).shape == (100, 120, 3) and to_rgb(channels_first)[0, 0].tolist() == [200, 0, 0]
    grey = to_rgb(np.full((100, 100), 0.5, np.float32))
    assert grey.shape == (100, 100, 3) and grey[0, 0].tolist() == [127, 127, 127]
    flags = np.zeros((10, 10, 6), bool)
    flags[2, 3, 1], flags[2, 3, 4] = True, True
    small = to_rgb(flags)
    assert small.shape == (90, 90, 3) and small[0, 0].tolist() == [0, 0, 0]
    assert small[18, 27].tolist() == small[26, 35].tolist() != [0, 0, 0]
    assert to_rgb(np.zeros((84, 84, 4), np.uint8)).shape == (84, 84, 3)


def test_the_first_picture_of_a_dictionary_is_the_one_that_is_shown() -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    assert first_image({"gamevariables": np.zeros(3), "screen": picture}) is picture
    assert first_image(np.zeros(4)) is None and first_image({"a": np.zeros(2)}) is None


def test_the_end_of_an_episode_is_told_once_and_the_next_one_begins() -> None:
    game = GymnasiumGame("gym:CartPole-v1")
    game.reset(3)
    ends, rewards = 0, 0.0
    for _ in range(200):
        game.tick(RIGHT)
        run = game.state().run
        assert run is not None
        ends += run.run_ended
        rewards += run.reward
    assert 5 < ends < 30 and rewards == 200 - ends
    game.close()


@pytest.mark.parametrize("spec", ["minatar.gym:MinAtar/Breakout-v1", "minatar.gym:MinAtar/Asterix-v1"])
def test_minatar_is_played_from_its_pictures_and_the_same_seed_gives_the_same_play(spec: str) -> None:
    reports = []
    for _ in range(2):
        game = GymnasiumGame(f"gym:{spec}")
        assert game.render().shape == (90, 90, 3) and game.tick_s == pytest.approx(1 / 15)
        reports.append(evaluate(game, build_policy("random", seed=2), SystemClock(), episodes=4, seed=5, frames=True))
        game.close()
    assert reports[0]["action_hash"] == reports[1]["action_hash"]
    assert reports[0]["statistics"]["count"] == 4
    assert reports[0]["results"] == reports[1]["results"]


@pytest.mark.slow
def test_vizdoom_is_played_and_its_reward_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    game = GymnasiumGame("gym:vizdoom.gymnasium_wrapper:VizdoomHealthGathering-v1")
    assert game.render().ndim == 3 and game.render().std() > 5
    report = evaluate(game, build_policy("random", seed=2), SystemClock(), episodes=2, seed=5, frames=True)
    game.close()
    assert report["statistics"]["episode_return"]["mean"] > 0
