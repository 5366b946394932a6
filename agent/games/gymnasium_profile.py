"""How BonkLink actions become an environment's actions: a table in TOML, or a sensible one by the action space.

A profile names keys (`left`, `right`, `up`, `down`, `look_left`, `look_right`, `fire`, `ability`, `interact`) and what
each stands for: an index (Discrete), pairs of dimension and value (MultiDiscrete), a bit (MultiBinary), or a dimension
and value (Box).
"""

from __future__ import annotations

import fnmatch
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.core.clock import TICK_HZ
from agent.core.errors import SettingsError
from agent.core.files import read_text
from agent.core.suggest import did_you_mean
from agent.core.types import Action

KEYS: Final = ("left", "right", "up", "down", "look_left", "look_right", "fire", "ability", "interact")
_PRESSED: Final = 0.5
_FIELDS: Final = ("match", "tick_hz", "frame_skip", "idle", "keys")


class Profile(msgspec.Struct, frozen=True):
    """One environment's pace and keys; `idle` is the action of no key (Discrete only)."""

    tick_hz: float = float(TICK_HZ)
    frame_skip: int = 1
    idle: int = 0
    keys: dict[str, Any] = msgspec.field(default_factory=dict)


def load_profile(spec: str, path: Path | None, space: Any) -> Profile:
    """The profile of a file, else the shipped one that matches `spec`, else one made for the action space."""
    if path is not None:
        try:
            document = tomllib.loads(read_text(path))
        except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"--profile {path}: {error}") from error
        return _read(document, str(path), space)
    for file in sorted(resources.files("agent.games").joinpath("profiles").iterdir(), key=lambda f: f.name):
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        if fnmatch.fnmatch(spec, str(document["match"])):
            return _read(document, file.name, space)
    return Profile(keys=_default_keys(space))


def _read(document: dict[str, Any], where: str, space: Any) -> Profile:
    _known(document, _FIELDS, where)
    keys = document.get("keys") or _default_keys(space)
    _known(keys, KEYS, f"{where} [keys]")
    profile = Profile(
        float(document.get("tick_hz", TICK_HZ)), int(document.get("frame_skip", 1)), int(document.get("idle", 0)), keys
    )
    if profile.tick_hz <= 0 or profile.frame_skip < 1:
        raise SettingsError(f"{where}: tick_hz must be above 0 and frame_skip at least 1")
    _check_keys(keys, space, where)
    return profile


def _known(table: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in names:
            raise SettingsError(f"{where}: {name} is not known{did_you_mean(name, names)}")


def _check_keys(keys: dict[str, Any], space: Any, where: str) -> None:
    """Every key's value must be an action of the space."""
    for name, value in keys.items():
        if not _fits(value, space):
            raise SettingsError(f"{where}: {name} = {value!r} is no action of {space}")


def _fits(value: Any, space: Any) -> bool:
    kind = type(space).__name__
    if kind == "Discrete":
        return isinstance(value, int) and 0 <= value < space.n
    if kind == "MultiBinary":
        return isinstance(value, int) and 0 <= value < int(np.prod(space.shape))
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], int):
        return False
    if kind == "MultiDiscrete":
        return 0 <= value[0] < len(space.nvec) and 0 <= value[1] < space.nvec[value[0]]
    return kind == "Box" and 0 <= value[0] < int(np.prod(space.shape))


def _default_keys(space: Any) -> dict[str, Any]:
    """Keys in their order on the actions in theirs; the first action of a Discrete space is idle."""
    kind = type(space).__name__
    order = ("left", "right", "up", "down", "fire", "ability", "interact", "look_left", "look_right")
    if kind == "Discrete":
        return {key: i + 1 for i, key in enumerate(order[: max(0, int(space.n) - 1)])}
    if kind == "MultiBinary":
        return {key: i for i, key in enumerate(order[: int(np.prod(space.shape))])}
    if kind == "MultiDiscrete":
        pairs = [(d, v) for d, n in enumerate(space.nvec) for v in range(1, int(n))]
        return {key: list(pair) for key, pair in zip(order, pairs, strict=False)}
    if kind == "Box":
        low, high = space.low.reshape(-1), space.high.reshape(-1)
        axes = [("left", "right"), ("down", "up"), ("look_left", "look_right")]
        keys: dict[str, Any] = {}
        for dimension, (less, more) in zip(range(len(low)), axes, strict=False):
            keys[less] = [dimension, float(max(low[dimension], -1.0))]
            keys[more] = [dimension, float(min(high[dimension], 1.0))]
        return keys
    raise SettingsError(f"action space {space}: only Discrete, MultiDiscrete, MultiBinary and Box can be played")


def pressed(action: Action) -> dict[str, float]:
    """Keys that an action presses, with how far (1 for buttons)."""
    (x, y), (look, _) = action.move, action.look
    amounts = {
        "left": -x, "right": x, "down": -y, "up": y, "look_left": -look, "look_right": look,
        "fire": float(action.fire), "ability": float(action.ability), "interact": float(action.interact),
    }  # fmt: skip
    return {key: amount for key, amount in amounts.items() if amount > 0}


def to_action(action: Action, profile: Profile, space: Any) -> Any:
    """The environment's action. Of several keys for a Discrete space the last pressed in table order counts."""
    amounts = pressed(action)
    kind = type(space).__name__
    if kind == "Box":
        values = np.zeros(int(np.prod(space.shape)), np.float64)
        for key, (dimension, value) in profile.keys.items():
            values[dimension] += float(value) * amounts.get(key, 0.0)
        low, high = space.low.reshape(-1), space.high.reshape(-1)
        return np.clip(values, low, high).reshape(space.shape).astype(space.dtype)
    held = [value for key, value in profile.keys.items() if amounts.get(key, 0.0) >= _PRESSED]
    if kind == "Discrete":
        return int(held[-1] if held else profile.idle) + int(space.start)
    if kind == "MultiBinary":
        bits = np.zeros(int(np.prod(space.shape)), np.int8)
        bits[held] = 1
        return bits.reshape(space.shape)
    chosen = np.zeros(len(space.nvec), np.int64)
    for dimension, value in held:
        chosen[dimension] = value
    return chosen
