"""Environments that are registered with Gymnasium, by `[MODULE:]ID[?NAME=VALUE&…]`.

NAME=VALUE are arguments of the environment's constructor, or `max_episode_steps`; a VALUE is read as JSON where it is
that, else as text. What is missing or wrong is said in one line with what to do.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl

import gymnasium

from agent.core.errors import SettingsError, UserCodeError
from agent.core.suggest import did_you_mean
from agent.core.user_code import Calling
from agent.games.arena.registration import register_arena
from agent.games.checked_env import CheckedEnv

PACKAGES: Final = {
    "Box2D": '"gymnasium[box2d]"', "mujoco": '"gymnasium[mujoco]"', "jax": '"gymnasium[jax]"',
    "jaxlib": '"gymnasium[jax]"', "flax": '"gymnasium[jax]"', "pygame": '"metabonk-apex[window]"',
    "minatar": '"metabonk-apex[minatar]"',
    "vizdoom": '"metabonk-apex[vizdoom]"', "ale_py": "ale-py", "cv2": "opencv-python-headless",
    "gymnasium_robotics": "gymnasium-robotics", "minigrid": "minigrid", "procgen": "procgen",
}  # fmt: skip
"""What to install for a module that is missing, where that has another name than the module."""
_OF_MAKE: Final = ("max_episode_steps",)
_WORDS: Final = {"True": True, "False": False, "None": None}


def bare_name(spec: str) -> str:
    """`[MODULE:]ID` without arguments."""
    return spec.partition("?")[0]


def make_env(spec: str) -> Any:
    """The environment of `[MODULE:]ID[?NAME=VALUE&…]`; MODULE is imported first.

    Raises SettingsError for what is missing or wrong in the name, UserCodeError for what the environment raises.
    """
    register_arena()
    where, name = f"gym:{spec}", bare_name(spec)
    arguments = _arguments(where, spec)
    module, _, env_id = name.rpartition(":")
    if module:
        with _installed(where, f"cannot import {module}"), Calling(where, f"import {module}"):
            imported = importlib.import_module(module)
        if env_id not in gymnasium.registry and hasattr(imported, "register_envs"):
            imported.register_envs()
    if env_id not in gymnasium.registry:
        hint = (
            did_you_mean(env_id, gymnasium.registry)
            + "; what a package registers needs its module first, as in gym:minatar.gym:MinAtar/Breakout-v1"
        )
        raise SettingsError(f"{where}: no environment {env_id}{hint}")
    registered = gymnasium.registry[env_id]
    with _installed(where, "cannot be made"), Calling(where, "its module"):
        creator = _creator(registered)
    _check_arguments(where, creator, registered.kwargs, arguments)
    render: dict[str, Any] = {"render_mode": "rgb_array"} if _can_render(creator) else {}
    with _installed(where, "cannot be made"), Calling(where, "its constructor"):
        env = gymnasium.make(env_id, disable_env_checker=True, **render, **arguments)
    return CheckedEnv(_FreshActions(env) if _is_minatar(env) else env, where)


def _arguments(where: str, spec: str) -> dict[str, Any]:
    """What follows the question mark; raises SettingsError."""
    _, asked, query = spec.partition("?")
    if not asked:
        return {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise SettingsError(f"{where}: write arguments as ?NAME=VALUE&NAME=VALUE") from error
    found: dict[str, Any] = {}
    for name, text in pairs:
        if not name.isidentifier() or name in found:
            raise SettingsError(f"{where}: {name!r} is no name of an argument, or is there twice")
        found[name] = _value(text)
    return found


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


@contextmanager
def _installed(where: str, what: str) -> Iterator[None]:
    """A context that needs packages: one that is missing is said with the command that installs it."""
    try:
        yield
    except (ImportError, UserCodeError) as error:
        missing = _missing(error)
        if missing is None:
            raise
        raise SettingsError(f"{where}: {what}: {missing}") from error


def _missing(error: BaseException) -> str | None:
    """What is not installed, and how to install it; None where the error is another."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, gymnasium.error.Error):
            return " ".join(str(found).split())[:300]
        if isinstance(found, ModuleNotFoundError) and found.name:
            module = found.name.partition(".")[0]
            return f"{module} is not installed; pip install {PACKAGES.get(module, module)}"
        if isinstance(found, ImportError):  # some say in it what to install
            return " ".join(str(found).split())[:300]
        found = found.__cause__
    return None


def _creator(registered: Any) -> Any:
    """The class or function that makes the environment."""
    entry = registered.entry_point
    if isinstance(entry, str):
        module, _, name = entry.partition(":")
        entry = getattr(importlib.import_module(module), name)
    return entry


def _check_arguments(where: str, creator: Any, given: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Refuse arguments that the constructor does not take, and name those that it needs; raises SettingsError."""
    try:
        parameters = list(inspect.signature(creator).parameters.values())
    except (TypeError, ValueError):
        return
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "render_mode"]
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    known = [p.name for p in named] + list(_OF_MAKE)
    for name in arguments:
        if name == "render_mode" or (name not in known and not takes_all):
            takes = f"it takes {', '.join(known)}"
            raise SettingsError(f"{where}: its constructor takes no {name}{did_you_mean(name, known)}; {takes}")
    needed = [p.name for p in named if p.default is p.empty and p.name not in {**given, **arguments}]
    if needed:
        written = "&".join([*where.partition("?")[2:], *(f"{name}=VALUE" for name in needed)]).lstrip("&")
        raise SettingsError(f"{where}: its constructor needs {', '.join(needed)}; write {bare_name(where)}?{written}")


def _can_render(creator: Any) -> bool:
    """True where the environment says that it can render to arrays."""
    modes = (getattr(creator, "metadata", None) or {}).get("render_modes", ())
    return "rgb_array" in modes


def _is_minatar(env: Any) -> bool:
    return type(env.unwrapped).__module__.startswith("minatar.")


class _FreshActions(gymnasium.Wrapper[Any, Any, Any, Any]):
    """MinAtar's sticky action, forgotten where an episode begins: its own `reset` keeps that of the one before."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The first observation of an episode, and further facts."""
        self.env.unwrapped.game.last_action = 0  # type: ignore[attr-defined]
        return self.env.reset(seed=seed, options=options)
