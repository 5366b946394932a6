"""Actions as plain values, for people to see. Pure."""

from __future__ import annotations

from typing import Any

from agent.core.types import Action


def action_values(action: Action) -> dict[str, Any]:
    """An action as plain values: move, look, buttons, click; of an environment what it takes instead."""
    shown: dict[str, Any] = {
        "move": [round(v, 4) for v in action.move], "look": [round(v, 4) for v in action.look], "fire": action.fire,
        "ability": action.ability, "interact": action.interact,
        "click": list(action.click) if action.click is not None else None,
    }  # fmt: skip
    if action.env is not None:
        shown["env"] = {"axes": list(action.env.axes), "choices": list(action.env.choices)}
    return shown
