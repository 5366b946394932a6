"""Any Gymnasium environment as a hosted game: its picture, its reward, its actions through a declared table.

Owns the environment; pacing and sockets are the server's.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from agent.core.errors import GameError, SettingsError
from agent.core.suggest import did_you_mean
from agent.core.types import Action, ByteArray, GameState, RunInfo
from agent.core.user_code import is_user_code
from agent.games.gymnasium_profile import Profile, load_profile, to_action

_PALETTE = np.array(
    [
        (230, 80, 70), (80, 200, 120), (80, 140, 255), (250, 210, 80), (200, 110, 250), (90, 220, 230), (250, 150, 60),
        (235, 235, 235), (150, 100, 60), (255, 130, 180),
    ],
    np.uint8,
)  # fmt: skip
_MIN_SIDE_PX = 84


def is_gymnasium(game: str) -> bool:
    """True for the games that are Gymnasium environments: gym:[MODULE:]ID, and MODULE:FACTORY of the user's."""
    return game.startswith("gym:") or is_user_code(game)


def open_env(game: str) -> Any:
    """The environment of a game for which `is_gymnasium` holds; raises SettingsError or UserCodeError."""
    if is_user_code(game):
        from agent.games.user_env import make_user_env

        return make_user_env(game)
    return make_env(game.removeprefix("gym:"))


def make_env(spec: str) -> Any:
    """The environment of `[MODULE:]ID`; MODULE is imported first. Raises SettingsError naming what is missing."""
    import gymnasium

    module, _, env_id = spec.rpartition(":")
    if module:
        try:
            imported = importlib.import_module(module)
        except ImportError as error:
            raise SettingsError(f"gym:{spec}: cannot import {module}: {error}; install it first") from error
        if env_id not in gymnasium.registry and hasattr(imported, "register_envs"):
            imported.register_envs()
    if env_id not in gymnasium.registry:
        hint = (
            did_you_mean(env_id, gymnasium.registry)
            + "; what a package registers needs its module first, as in gym:minatar.gym:MinAtar/Breakout-v1"
        )
        raise SettingsError(f"gym:{spec}: no environment {env_id}{hint}")
    render: dict[str, Any] = {"render_mode": "rgb_array"} if _can_render(gymnasium.registry[env_id]) else {}
    try:
        return gymnasium.make(env_id, disable_env_checker=True, **render)
    except gymnasium.error.Error as error:
        raise SettingsError(f"gym:{spec}: {error}") from error


def _can_render(registered: Any) -> bool:
    """True where the environment says that it can render to arrays."""
    entry = registered.entry_point
    if isinstance(entry, str):
        module, _, name = entry.partition(":")
        entry = getattr(importlib.import_module(module), name)
    modes = getattr(entry, "metadata", {}).get("render_modes", ())
    return "rgb_array" in modes


class GymnasiumGame:
    """One environment behind the contract of hosted games; an episode is a run, its end begins the next."""

    def __init__(self, game: str, profile: Path | None = None) -> None:
        self.name = game
        self._env = open_env(game)
        spec = game.removeprefix("gym:")
        self.rules = f"gymnasium {self._env.spec.id if self._env.spec is not None else spec}"
        self._profile: Profile = load_profile(spec, profile, self._env.action_space)
        if profile is None and is_user_code(game):
            self._profile = msgspec.structs.replace(self._profile, tick_hz=self._env.tick_hz)
        self.tick_s = 1.0 / self._profile.tick_hz
        self._rng = np.random.SeedSequence(0)
        self._observation: Any = None
        self._reward = 0.0
        self._ended = self._truncated = False
        self._over = False
        self._steps = 0
        self._episode = 0
        self._picture: ByteArray = np.zeros((_MIN_SIDE_PX, _MIN_SIDE_PX, 3), np.uint8)
        self.reset(0)
        height, width = self.render().shape[:2]
        self.capture_size_px = (width, height)

    def reset(self, seed: int, *, start: str = "menu") -> None:
        """Begin a new episode with this seed; there is no menu, so `start` changes nothing."""
        self._episode = 0
        self._env.action_space.seed(seed)
        self._begin(seed)

    def _begin(self, seed: int | None) -> None:
        self._observation, _ = self._env.reset(seed=seed)
        self._steps, self._reward, self._over = 0, 0.0, False
        self._ended = self._truncated = False
        self._episode += 1

    def tick(self, action: Action) -> None:
        """One step of the environment (or several, by the profile); after an end, the next episode begins."""
        if self._over:
            self._begin(None)
            return
        self._reward, self._ended, self._truncated = 0.0, False, False
        chosen = to_action(action, self._profile, self._env.action_space)
        for _ in range(self._profile.frame_skip):
            self._observation, reward, terminated, truncated, _ = self._env.step(chosen)
            self._reward += float(reward)
            self._steps += 1
            if terminated or truncated:
                self._ended = self._over = True
                self._truncated = not terminated
                return

    def state(self) -> GameState:
        """A state that says only what is known: time, reward, end."""
        run = RunInfo(
            0, 0, (0, 0), (0, 0), True, self._ended, False, 0, 0.0, 0, 0, 0.0, 0.0, self._episode, self._reward,
            run_truncated=self._truncated,
        )  # fmt: skip
        return GameState(
            position=(0.0, 0.0, 0.0),
            velocity=(0.0, 0.0, 0.0),
            health=0.0 if self._ended and not self._truncated else 100.0,
            max_health=100.0,
            game_time_s=self._steps / self._profile.frame_skip * self.tick_s,
            is_playing=True,
            is_paused=False,
            enemies=np.zeros((0, 4), np.float32),
            current_menu="",
            level_up_options=(),
            run=run,
        )

    def render(self) -> ByteArray:
        """The first image of the observation, else what the environment renders, u8 [h, w, 3]."""
        image = first_image(self._observation)
        if image is None:
            rendered = self._env.render()
            if rendered is None:
                raise GameError(
                    f"{self.name}: has no picture; give one as its observation, an array [height, width, 3] of at "
                    "least 8 x 8, or return one from render()"
                )
            image = np.asarray(rendered)
        return to_rgb(image)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


def first_image(observation: Any) -> Any:
    """The first array of an observation that looks like a picture; None where there is none."""
    if isinstance(observation, dict):
        found = (first_image(value) for value in observation.values())
        return next((image for image in found if image is not None), None)
    if isinstance(observation, np.ndarray) and observation.ndim in (2, 3) and min(observation.shape[:2]) >= 8:
        return observation
    return None


def to_rgb(image: Any) -> ByteArray:
    """Any picture as u8 [h, w, 3], at least 84 pixels a side.

    Channels first are moved last; one channel becomes grey; three are RGB, four RGBA; others are painted over each
    other by a palette, later channels on top.
    """
    if image.ndim == 3 and image.shape[0] in (1, 3, 4) and image.shape[2] not in (1, 3, 4):
        image = np.moveaxis(image, 0, -1)
    if image.ndim == 2:
        image = image[:, :, None]
    if image.dtype == np.bool_ or (image.shape[2] not in (1, 3, 4) and image.max(initial=0) <= 1):
        picture = np.zeros((*image.shape[:2], 3), np.uint8)
        for channel in range(image.shape[2]):
            picture[image[:, :, channel] > 0] = _PALETTE[channel % len(_PALETTE)]
    else:
        scaled = image if image.dtype == np.uint8 else _to_bytes(image)
        picture = np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled[:, :, :3]
    times = -(-_MIN_SIDE_PX // min(picture.shape[:2]))
    if times > 1:
        picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    return np.ascontiguousarray(picture, np.uint8)


def _to_bytes(image: Any) -> ByteArray:
    top = float(image.max(initial=0))
    factor = 255.0 if image.dtype.kind == "f" and top <= 1.0 else 1.0
    return np.asarray(np.clip(image * factor, 0, 255), np.uint8)
