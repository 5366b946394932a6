"""Any Gymnasium environment as a game: pictures, action tables, profiles, and third-party games that are played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from agent.control.policies import build_policy
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.core.types import NEUTRAL, Action
from agent.games.action_space import ActionSpace
from agent.games.gymnasium_host import GymnasiumGame, make_env
from agent.games.gymnasium_profile import Keys, load_profile
from agent.link.env_wire import MAX_ACTION_PARTS
from agent.training.evaluate import evaluate

LEFT, RIGHT, UP = Action(move=(-1.0, 0.0)), Action(move=(1.0, 0.0)), Action(move=(0.0, 1.0))


def table(space: Any, tmp_path: Path | None = None, text: str = "") -> Keys:
    path = None
    if tmp_path is not None:
        path = tmp_path / "profile.toml"
        path.write_text(text, encoding="utf-8")
    actions = ActionSpace(space)
    return Keys(load_profile("no-such-profile", path, actions), actions)


def test_each_kind_of_action_space_has_a_table_of_its_own() -> None:
    discrete = table(spaces.Discrete(5, start=10))
    assert [discrete.action(a) for a in (NEUTRAL, LEFT, RIGHT, UP)] == [10, 11, 12, 13]
    assert table(spaces.MultiBinary(4)).action(Action(move=(1.0, 1.0))).tolist() == [0, 1, 1, 0]
    several = table(spaces.MultiDiscrete([3, 2]))
    assert several.action(RIGHT).tolist() == [2, 0]
    assert several.action(Action(move=(-1.0, 1.0))).tolist() == [1, 1]


def test_keys_reach_both_bounds_of_a_box_and_rest_nearest_to_zero() -> None:
    """The right value for each of an axis around zero, one that begins there, one far from it, and one of bytes."""
    low, high = np.array([-2.0, 0.0, 5.0, -8.0], np.float32), np.array([2.0, 0.5, 10.0, -4.0], np.float32)
    keys = table(spaces.Box(low, high))
    assert keys.action(NEUTRAL).tolist() == [0.0, 0.0, 5.0, -4.0]
    assert keys.action(Action(move=(1.0, 1.0), look=(1.0, -1.0))).tolist() == [2.0, 0.5, 10.0, -8.0]
    assert keys.action(Action(move=(-0.5, 0.5), look=(0.5, -0.5))).tolist() == [-1.0, 0.25, 7.5, -6.0]
    whole = table(spaces.Box(0, 255, (1,), np.uint8))
    assert [whole.action(Action(move=(x, 0.0))).tolist() for x in (1.0, 0.5, 0.999, -1.0)] == [[255], [128], [255], [0]]
    buttons = table(spaces.Box(-1.0, 1.0, (6,)))
    assert buttons.action(Action(fire=True, ability=True)).tolist() == [0, 0, 0, 0, 1, 1] and not buttons.unreached()


def test_more_actions_than_keys_are_several_keys_at_once_and_what_none_reaches_is_named() -> None:
    keys = table(spaces.Discrete(18))
    assert not keys.unreached()
    assert keys.action(Action(look=(0.0, -1.0))) == 11 and keys.action(Action(move=(-1.0, 1.0))) == 12, "left and up"
    assert table(spaces.MultiDiscrete([9, 9])).unreached() == [f"action[1]={v}" for v in range(4, 9)]
    assert table(spaces.Box(-1.0, 1.0, (8,))).unreached() == ["action[7]"]
    assert table(spaces.Dict(a=spaces.Discrete(3), b=spaces.Box(0.0, 1.0, (1,)))).action(Action(move=(1.0, 1.0))) == {
        "a": 1, "b": np.array([1.0], np.float32)
    }  # fmt: skip


def test_a_table_in_toml_goes_before_the_sensible_one(tmp_path: Path) -> None:
    text = 'tick_hz = 20\nframe_skip = 2\nidle = 3\n[keys]\nright = 1\nfire = 2\n"right+fire" = 0\n'
    keys = table(spaces.Discrete(4), tmp_path, text)
    profile = load_profile("any", tmp_path / "profile.toml", ActionSpace(spaces.Discrete(4)))
    assert (profile.tick_hz, profile.frame_skip) == (20.0, 2)
    both = Action(move=(1.0, 0.0), fire=True)
    assert [keys.action(a) for a in (NEUTRAL, LEFT, RIGHT, Action(fire=True), both)] == [3, 3, 1, 2, 0]


@pytest.mark.parametrize(
    ("text", "named"),
    [("[keys]\nrihgt = 1", "right"), ("tik_hz = 3", "tick_hz"), ("[keys]\nright = 9", "no action"),
     ("tick_hz = 0", "tick_hz"), ("[keys", "profile.toml"), ("frame_skip = 0", "frame_skip"),
     ("tick_hz = 'fast'", "a number"), ("frame_skip = 1.5", "whole number"), ("idle = 4", "idle = 4"),
     ("keys = 3", "a table"), ("picture = 3", "picture = 3"), ("[keys]\n'up+fier' = 1", "fire")],
)  # fmt: skip
def test_a_bad_table_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        table(spaces.Discrete(4), tmp_path, text)


@pytest.mark.parametrize("value", ["[0, 3.0]", "[0, nan]", "[0, inf]", "[2, 0.0]", "[0, 'x']", "[0, true]", "0"])
def test_a_key_of_a_box_within_its_bounds_and_dimensions_is_needed(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="left = .* is no action"):
        table(spaces.Box(-2.0, 2.0, (2,)), tmp_path, f"[keys]\nleft = {value}")


def test_a_space_that_cannot_be_played_and_an_unknown_environment_are_refused() -> None:
    with pytest.raises(SettingsError, match="only Discrete"):
        table(spaces.Text(5))
    with pytest.raises(SettingsError, match="CartPole"):
        make_env("CartPol-v1")
    with pytest.raises(SettingsError, match="gym:minatar.gym:MinAtar/Breakout-v1"):
        make_env("Breakuot-v1")
    with pytest.raises(SettingsError, match="no_such_module"):
        make_env("no_such_module:Thing-v0")


def test_a_game_with_more_parts_of_an_action_than_the_link_carries_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Buttons(gymnasium.Env[Any, Any]):
        observation_space = spaces.Box(-1.0, 1.0, (2,))

        def __init__(self, buttons: int) -> None:
            self.action_space = spaces.MultiBinary(buttons)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            return np.zeros(2, np.float32), {}

    monkeypatch.setattr("agent.games.gymnasium_host.open_env", lambda game: Buttons(int(game)))
    fits, more = GymnasiumGame(str(MAX_ACTION_PARTS)), GymnasiumGame(str(MAX_ACTION_PARTS + 1))
    assert fits.shown is not None and not any("link" in note for note in fits.notes())
    assert more.shown is None
    assert any("201 parts, and the link carries 200; only keys play it" in note for note in more.notes())


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
