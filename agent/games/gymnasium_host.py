"""Any Gymnasium environment as a hosted game: its picture, its reward, its actions through a declared table.

Owns the environment; pacing and sockets are the server's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gymnasium
import msgspec
import numpy as np
import structlog

from agent.concurrency.supervise import Failure, attempt
from agent.core.errors import GameError, NumberError, UserCodeError
from agent.core.types import Action, ByteArray, GameState, RunInfo, Shown
from agent.core.user_code import Calling, is_user_code
from agent.games.action_space import ActionSpace
from agent.games.checked_env import LARGEST
from agent.games.env_view import MAX_PX, EnvView, space_of
from agent.games.gymnasium_profile import Keys, Profile, load_profile
from agent.games.options import DREAM, GameOptions, Sight, check_view, says_its_pace
from agent.games.pixels import drawn, to_rgb
from agent.games.registered_env import make_env
from agent.link.env_wire import MAX_OBSERVATION_BYTES, observation_bytes, too_large

log = structlog.get_logger(__name__)
DEFAULT_SIGHT: Final[Sight] = GameOptions()


def open_env(game: str) -> Any:
    """The environment of a game for which `options.is_gymnasium` holds; raises SettingsError or UserCodeError."""
    if game.startswith(DREAM):
        from agent.games.dream.env import DreamEnv
        from agent.games.user_env import UserEnv

        return UserEnv(DreamEnv(game), f"--game {game}")
    if is_user_code(game):
        from agent.games.user_env import make_user_env

        return make_user_env(game)
    return make_env(game.removeprefix("gym:"))


class GymnasiumGame:
    """One environment behind the contract of hosted games; an episode is a run, its end begins the next."""

    def __init__(self, game: str, profile: Path | None = None, sight: Sight = DEFAULT_SIGHT) -> None:
        check_view(sight)
        self.name = game
        where = f"--game {game}"
        self._resetting, self._stepping = Calling(where, "reset"), Calling(where, "step")
        self._rendering = Calling(where, "render")
        self._env = open_env(game)
        spec = game.removeprefix("gym:")
        self.rules = f"gymnasium {self._env.spec.id if self._env.spec is not None else spec}"
        self._actions = ActionSpace(self._env.action_space)
        self._profile: Profile = load_profile(spec, profile, self._actions)
        if profile is None and says_its_pace(game):
            self._profile = msgspec.structs.replace(self._profile, tick_hz=self._env.tick_hz)
        if sight.frame_skip is not None:
            self._profile = msgspec.structs.replace(self._profile, frame_skip=sight.frame_skip)
        self._keys = Keys(self._profile, self._actions)
        self.tick_s = 1.0 / self._profile.tick_hz
        self._rng = np.random.SeedSequence(0)
        self._observation: Any = None
        self._reward = 0.0
        self._ended = self._truncated = False
        self._over = False
        self._steps = 0
        self._episode = 0
        self.reset(0)
        self.view = open_view(self._env, self._profile, self._observation, sight)
        self._fits = observation_bytes(self.view.shape, self.view.numbers) <= MAX_OBSERVATION_BYTES
        self._renders = _has_render(self._env)
        height, width = self.render().shape[:2]
        self.capture_size_px = (width, height)

    @property
    def shown(self) -> Shown | None:
        """What the environment shows and takes; None where it is too much for the link, or has actions without end."""
        if any(c.is_open for c in self._actions.controls):
            return None
        shown = shown_of(self.view, self._actions, self._profile)
        return None if too_large(shown) else shown

    def notes(self) -> list[str]:
        """What a person should know at the start: what is observed, and what no key reaches."""
        said = [f"{self.name} shows {self.view.describe()}"]
        unreached = self._keys.unreached()
        if unreached:
            named = ", ".join(unreached[:6]) + (", …" if len(unreached) > 6 else "")
            said.append(f"{self.name}: no key reaches {named}; a profile with [keys] can say how")
        excess = too_large(shown_of(self.view, self._actions, self._profile))
        if excess:
            left = "only its picture is played from" if not self._fits else "only keys play it"
            said.append(f"{self.name}: {excess}; {left}")
        unbounded = [c.name for c in self._actions.controls if c.is_open]
        if unbounded:
            said.append(f"{self.name}: no bound for {', '.join(unbounded[:6])}; keys go 1 from rest there")
        return said

    def reset(self, seed: int, *, start: str = "menu") -> None:
        """Begin a new episode with this seed; there is no menu, so `start` changes nothing."""
        self._episode = 0
        self._env.action_space.seed(seed)
        self._begin(seed)

    def _begin(self, seed: int | None) -> None:
        with self._resetting:
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
        chosen = self._chosen(action)
        for _ in range(self._profile.frame_skip):
            with self._stepping:
                self._observation, reward, terminated, truncated, _ = self._env.step(chosen)
                self._reward += float(reward)
            if not abs(self._reward) <= LARGEST:
                raise NumberError(f"{self.name}: step returned the reward {reward}, beyond ±{LARGEST:.2g}")
            self._steps += 1
            if terminated or truncated:
                self._ended = self._over = True
                self._truncated = not terminated
                return

    def _chosen(self, action: Action) -> Any:
        """The environment's own action where one is told that fits, else what the keys stand for."""
        told, spec = action.env, self._actions.spec
        if told is None or len(told.axes) != spec.continuous or len(told.choices) != len(spec.branches):
            return self._keys.action(action)
        if any(choice >= count for choice, count in zip(told.choices, spec.branches, strict=True)):
            return self._keys.action(action)
        return self._actions.action(told.axes, told.choices)

    def state(self) -> GameState:
        """A state that says only what is known: time, reward, end, and what the environment observes."""
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
            env=self.view.see(self._observation) if self._fits else None,
        )

    def render(self) -> ByteArray:
        """The observation's first picture, else what is rendered, else the numbers as squares; u8 [h, w, 3]."""
        shown = self.view.shown(self._observation)
        if shown is None and self._renders:
            with self._rendering:
                shown = self._env.render()
        if shown is not None:
            return to_rgb(shown)
        numbers = self.view.see(self._observation).numbers
        if not len(numbers):
            raise GameError(
                f"{self.name}: has no picture; give one as its observation, an array [height, width, 3] of at "
                "least 8 x 8, or return one from render()"
            )
        return drawn(numbers, self.view.parts[0].space.shape or ())

    def close(self) -> None:
        """Close the environment; what it raises then is logged, and costs nobody the results."""
        closed = attempt(self._env.close)
        if isinstance(closed, Failure):
            log.warning("environment_did_not_close", game=self.name, reason=closed.reason)


def shown_of(view: EnvView, actions: ActionSpace, profile: Profile) -> Shown:
    """What an environment shows and takes, whether or not the link can carry it."""
    return Shown(view.shape, view.numbers, actions.spec.continuous, actions.spec.branches, profile.frame_skip)


def open_view(env: Any, profile: Profile, example: Any, sight: Sight = DEFAULT_SIGHT) -> EnvView:
    """How an environment is looked at; by what it shows, where it does not say what that is."""
    try:
        space = env.observation_space
    except (UserCodeError, AttributeError):
        space = None
    if not isinstance(space, gymnasium.Space):
        space = space_of(example)
    max_px = MAX_PX if sight.picture_px is None else sight.picture_px
    return EnvView(space, profile.picture, max_px=max_px, paint_flags=bool(sight.paint_flags))


def _has_render(env: Any) -> bool:
    """False where `render` is the one of the base class, which only raises."""
    return type(env.unwrapped).render is not gymnasium.Env.render
