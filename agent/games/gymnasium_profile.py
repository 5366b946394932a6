"""How BonkLink actions become an environment's actions: a table in TOML, or a sensible one by the action space.

A profile names keys (`left`, `right`, `up`, `down`, `look_left`, `look_right`, `look_up`, `look_down`, `fire`,
`ability`, `interact`, or several at once as `up+fire`) and what each stands for: an index (Discrete), a bit
(MultiBinary), or a pair of dimension and value (MultiDiscrete, Box, and what Dict and Tuple are made of). Dimensions
are counted over all parts, in their order. The value of a Box is what the key held whole sends; held half it sends
the middle between that and rest, which is 0, or the bound nearest to 0. `picture` says what is a picture where the
space does not: see `games.env_view`.
"""

from __future__ import annotations

import fnmatch
import math
import tomllib
from collections.abc import Iterable
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from gymnasium import spaces

from agent.core.clock import TICK_HZ
from agent.core.errors import SettingsError
from agent.core.files import read_toml
from agent.core.suggest import did_you_mean
from agent.core.types import Action
from agent.games.action_space import ActionSpace, Control

KEYS: Final = (
    "left", "right", "up", "down", "look_left", "look_right", "look_up", "look_down", "fire", "ability", "interact",
)  # fmt: skip
_ORDER: Final = (
    "left", "right", "up", "down", "fire", "ability", "interact", "look_left", "look_right", "look_up", "look_down",
)  # fmt: skip
_AXES: Final = (("left", "right"), ("down", "up"), ("look_left", "look_right"), ("look_down", "look_up"))
_BUTTONS: Final = ("fire", "ability", "interact")
_PRESSED: Final = 0.5
_FIELDS: Final = ("match", "tick_hz", "frame_skip", "idle", "keys", "picture")
_MAX_CHORD: Final = 3
Picture = bool | tuple[str, ...] | None


class Profile(msgspec.Struct, frozen=True):
    """One environment's pace and keys; `idle` is the action of no key (Discrete only).

    picture: all of it is one or nothing is; the names of the parts that are; None: the space says it.
    """

    tick_hz: float = float(TICK_HZ)
    frame_skip: int = 1
    idle: int = 0
    keys: dict[str, Any] = msgspec.field(default_factory=dict)
    picture: Picture = None


def load_profile(spec: str, path: Path | None, actions: ActionSpace) -> Profile:
    """The profile of a file, else the shipped one that matches `spec`, else one made for the action space."""
    if path is not None:
        try:
            document = read_toml(path)
        except (OSError, ValueError) as error:
            raise SettingsError(f"--profile {path}: {error}") from error
        return _read(document, str(path), actions)
    for file in sorted(resources.files("agent.games").joinpath("profiles").iterdir(), key=lambda f: f.name):
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        if fnmatch.fnmatch(spec.partition("?")[0], str(document["match"])):
            return _read(document, file.name, actions)
    return Profile(keys=_default_keys(actions))


def _read(document: dict[str, Any], where: str, actions: ActionSpace) -> Profile:
    _known(document, _FIELDS, where)
    keys = document.get("keys") or _default_keys(actions)
    if not isinstance(keys, dict):
        raise SettingsError(f"{where}: keys is a table, [keys]")
    for name in keys:
        _known(name.split("+"), KEYS, f"{where} [keys]")
    profile = Profile(
        _number(document, "tick_hz", float(TICK_HZ), where), _whole(document, "frame_skip", 1, where),
        _whole(document, "idle", 0, where), keys, _picture(document.get("picture"), where),
    )  # fmt: skip
    if profile.tick_hz <= 0 or profile.frame_skip < 1:
        raise SettingsError(f"{where}: tick_hz must be above 0 and frame_skip at least 1")
    for name, value in keys.items():
        if not _fits(value, actions):
            raise SettingsError(f"{where}: {name} = {value!r} is no action of {actions.space}")
    if isinstance(actions.space, spaces.Discrete) and not 0 <= profile.idle < actions.controls[0].choices:
        raise SettingsError(f"{where}: idle = {profile.idle} is no action of {actions.space}")
    return profile


def _known(names: Iterable[str], known: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in known:
            raise SettingsError(f"{where}: {name} is not known{did_you_mean(name, known)}")


def _number(document: dict[str, Any], name: str, default: float, where: str) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingsError(f"{where}: {name} = {value!r}; a number is needed")
    return float(value)


def _whole(document: dict[str, Any], name: str, default: int, where: str) -> int:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SettingsError(f"{where}: {name} = {value!r}; a whole number is needed")
    return value


def _picture(value: Any, where: str) -> Picture:
    if value is None or isinstance(value, bool):
        return value
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SettingsError(f"{where}: picture = {value!r}; true, false, or the names of parts are needed")
    return tuple(names)


def _target(value: Any, actions: ActionSpace) -> tuple[int, float] | None:
    """Which control a key's value sets, and to what; None where it is not written as one."""
    if isinstance(actions.space, spaces.Discrete | spaces.MultiBinary):
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return (0, value) if isinstance(actions.space, spaces.Discrete) else (value, 1)
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], int):
        return None
    return value[0], value[1]


def _fits(value: Any, actions: ActionSpace) -> bool:
    target = _target(value, actions)
    if target is None or not 0 <= target[0] < len(actions.controls):
        return False
    control, number = actions.controls[target[0]], target[1]
    if isinstance(number, bool) or not isinstance(number, int if control.choices else int | float):
        return False
    return 0 <= number < control.choices if control.choices else control.low <= number <= control.high


def _default_keys(actions: ActionSpace) -> dict[str, Any]:
    """Keys in their order on the actions in theirs; the first action of a Discrete space is idle.

    An axis has both directions of a stick, four of them at most, and buttons after that; several keys at once stand
    for the actions of a Discrete space that has more of them than keys.
    """
    space = actions.space
    if isinstance(space, spaces.Discrete):
        return {key: i + 1 for i, key in zip(range(int(space.n) - 1), _chords(), strict=False)}
    if isinstance(space, spaces.MultiBinary):
        return {key: i for i, key in zip(range(len(actions.controls)), _ORDER, strict=False)}
    keys: dict[str, Any] = {}
    sticks, free = list(_AXES), list(_BUTTONS)
    for i, control in enumerate(actions.controls):
        if control.choices:
            continue
        low, high = _reach(control)
        if sticks:
            less, more = sticks.pop(0)
            keys[less], keys[more] = [i, low], [i, high]
        elif free:
            keys[free.pop(0)] = [i, high if high != control.idle else low]
    pairs = [[i, v] for i, c in enumerate(actions.controls) for v in range(1, c.choices)]
    unused = [key for key in _ORDER if key not in keys]
    return keys | dict(zip(unused, pairs, strict=False))


def _reach(control: Control) -> tuple[float, float]:
    """What the two directions of an axis send, held whole: its bounds, or 1 from rest where there is none."""
    low = control.low if np.isfinite(control.low) else control.idle - 1.0
    return low, control.high if np.isfinite(control.high) else control.idle + 1.0


def _chords() -> Iterable[str]:
    """Single keys, then several at once, never both directions of an axis."""
    yield from _ORDER
    opposite = [set(pair) for pair in _AXES]
    for count in range(2, _MAX_CHORD + 1):
        for chord in combinations(_ORDER, count):
            if not any(pair <= set(chord) for pair in opposite):
                yield "+".join(chord)


def pressed(action: Action) -> dict[str, float]:
    """Keys that an action presses, with how far (1 for buttons)."""
    (x, y), (look_x, look_y) = action.move, action.look
    amounts = {
        "left": -x, "right": x, "down": -y, "up": y, "look_left": -look_x, "look_right": look_x, "look_down": -look_y,
        "look_up": look_y, "fire": float(action.fire), "ability": float(action.ability),
        "interact": float(action.interact),
    }  # fmt: skip
    return {key: min(amount, 1.0) for key, amount in amounts.items() if amount > 0}


class Keys:
    """A profile's table on an action space: what each action of the agent makes the environment do."""

    def __init__(self, profile: Profile, actions: ActionSpace) -> None:
        self._actions = actions
        self._rest = np.array([float(c.idle) for c in actions.controls])
        if isinstance(actions.space, spaces.Discrete):
            self._rest[0] = profile.idle
        targets = [(key.split("+"), _target(value, actions)) for key, value in profile.keys.items()]
        # Of several that are held for one choice the one of most keys counts, then the later in the table.
        self._table = sorted([(k, *t) for k, t in targets if t is not None], key=lambda entry: len(entry[0]))

    def action(self, action: Action) -> Any:
        """The environment's action, always one of its space."""
        amounts = pressed(action)
        values = self._rest.copy()
        for keys, control, value in self._table:
            amount = min(amounts.get(key, 0.0) for key in keys)
            if not self._actions.controls[control].choices:
                values[control] += (value - self._rest[control]) * amount
            elif amount >= _PRESSED:
                values[control] = value
        return self._actions.build(values)

    def unreached(self) -> list[str]:
        """The controls that no key moves, and the choices that no key makes, as `NAME` or `NAME=INDEX`."""
        reached = {(control, value) for _, control, value in self._table}
        moved = {control for control, _ in reached}
        missing = []
        for i, control in enumerate(self._actions.controls):
            if not control.choices:
                missing += [] if i in moved or control.low == control.high else [control.name]
                continue
            made = {int(v) for c, v in reached if c == i} | {int(self._rest[i])}
            missing += [f"{control.name}={v}" for v in range(min(control.choices, 1000)) if v not in made]
        return missing
