"""An action as plain values says all that it does."""

from __future__ import annotations

from agent.core.types import Action, EnvAction
from agent.session.seeing.values import action_values


def test_all_of_an_action_is_there() -> None:
    found = action_values(Action((0.123456, -1.0), (0.0, 0.5), True, False, True, (3, 4)))
    assert found == {
        "move": [0.1235, -1.0], "look": [0.0, 0.5], "fire": True, "ability": False, "interact": True, "click": [3, 4],
    }  # fmt: skip
    of_environment = action_values(Action(env=EnvAction((0.5,), (1, 2))))
    assert of_environment["env"] == {"axes": [0.5], "choices": [1, 2]} and of_environment["click"] is None
