"""A policy of the user's: both forms, its seeds, and every way in which it can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.control.policies import build_policy
from agent.core.errors import SettingsError, UserCodeError
from agent.core.types import Action, GameState, Observation

HEAD = "import numpy as np\nfrom agent.core.types import Action\n"
Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Write:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"up_{abs(hash(request.node.name))}"

    def put(text: str) -> str:
        (tmp_path / f"{name}.py").write_text(HEAD + text, encoding="utf-8")
        return name

    return put


def observation(game: int = 0, sequence: int = 7) -> Observation:
    state = GameState(
        (0.0,) * 3, (0.0,) * 3, 100.0, 100.0, 1.0, True, False, np.zeros((0, 4), np.float32), "", ()
    )  # fmt: skip
    return Observation(game, state, None, sequence, 1 / 60, 0.0, 0.0, False, False, False)


def test_the_short_form_plays_each_game_with_an_object_of_its_own(write: Write) -> None:
    module = write(
        "class Counter:\n"
        "    def __init__(self, seed): self.seed, self.calls = seed, 0\n"
        "    def act(self, observation):\n"
        "        self.calls += 1\n"
        "        return Action(move=(np.float32(self.calls / 10), self.seed / 10), fire=np.bool_(True))\n"
    )
    policy = build_policy(f"{module}:Counter", seed=3)
    assert policy.name == f"{module}:Counter"
    policy.warm_up()
    carry = policy.initial(2)
    carry, _ = policy.step(carry, [observation(0), None])
    carry, actions = policy.step(carry, [observation(0, 8), observation(1, 9)])
    assert actions[0] == Action(move=(float(np.float32(0.2)), 0.3), fire=True, answers=8)
    assert actions[1] == Action(move=(float(np.float32(0.1)), 0.4), fire=True, answers=9)
    assert type(actions[0].move[0]) is float
    _, again = policy.step(policy.initial(1), [observation()])
    assert again[0] is not None and again[0].move[0] == pytest.approx(0.1), "a new episode, a new object"


def test_the_long_form_plays_all_games_at_once(write: Write) -> None:
    module = write(
        "class Both:\n"
        "    def initial(self, games): return games\n"
        "    def step(self, carry, seen): return carry + 1, [s and Action(move=(0.1 * carry, 0)) for s in seen]\n"
    )
    policy = build_policy(f"{module}:Both", seed=3)
    carry, actions = policy.step(policy.initial(2), [observation(), None])
    assert carry == 3 and actions == [Action(move=(0.2, 0.0), answers=7), None]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("def F(): return 3", "made a int, which has neither act"),
        ("def F(): raise ValueError('no luck')", r"F raised ValueError: no luck \(.*\.py:3\)"),
        ("def F(other): return 3", "F raised TypeError: .*'other'"),
        ("class F:\n def act(self): return Action()", "act raised TypeError"),
        ("class F:\n def act(self, o): pass", "act returned None; an agent.core.types.Action is needed"),
        ("class F:\n def act(self, o): return Action(move=(float('nan'), 0))", "must be finite"),
        ("class F:\n def act(self, o): return Action(move=3)", "pairs of numbers"),
        ("class F:\n def act(self, o): return Action(move=('left', 0))", "pairs of numbers"),
        ("class F:\n def act(self, o): return Action(click=(-1, 3))", "inside the picture"),
        ("class F:\n def act(self, o):\n  return o.stat", r"act raised AttributeError: .*'stat'.*\.py:5\)"),
        ("class F:\n def step(self, c, o): return [Action()]", "a carry and a list of actions"),
        ("class F:\n def step(self, c, o): return c, []", "0 actions for 1 games"),
        ("class F:\n def step(self, c, o): return c, [None]", "step returned None"),
        ("class F:\n def initial(self, n): return {}[n]\n def step(self, c, o): pass", "initial raised KeyError"),
        ("class F:\n def warm_up(self): 1 / 0\n def step(self, c, o): pass", "warm_up raised ZeroDivisionError"),
    ],
)
def test_a_policy_that_is_wrong_says_so_in_one_line(write: Write, text: str, named: str) -> None:
    spec = f"{write(text)}:F"

    def play() -> Any:
        policy = build_policy(spec)
        policy.warm_up()
        return policy.step(policy.initial(1), [observation()])

    with pytest.raises(UserCodeError, match=named) as caught:
        play()
    assert str(caught.value).startswith(f"--policy {spec}: ") and "\n" not in str(caught.value)


def test_weights_are_not_for_a_policy_of_the_users(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="loads its weights itself"):
        build_policy("mine:Walker", weights=tmp_path / "w.safetensors")
