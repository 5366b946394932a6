"""A Gymnasium environment that the user wrote, played by `--game MODULE:FACTORY`.

FACTORY is called without arguments and returns a `gymnasium.Env`. It is hosted as `gym:ID` is: what it shows is the
first picture of its observation (an array of at least 8 × 8), else what `render()` returns; its rewards are the score.
`metadata["render_fps"]` is its ticks a second, 60 where it says nothing. How the agent's keys become its actions is
told in `agent.games.gymnasium_profile`.
"""

from __future__ import annotations

import reprlib
from typing import Any, Final

import gymnasium
import numpy as np

from agent.core.clock import TICK_HZ
from agent.core.errors import UserCodeError
from agent.core.user_code import Calling, load_factory
from agent.games.arena.registration import register_arena
from agent.games.checked_env import CheckedEnv

_OPTION: Final = "--game"


def make_user_env(spec: str) -> UserEnv:
    """The environment that MODULE:FACTORY makes; raises UserCodeError where it makes none."""
    register_arena()
    factory, where = load_factory(_OPTION, spec), f"{_OPTION} {spec}"
    with Calling(where, spec.rpartition(":")[2]):
        env = factory()
    if not isinstance(env, gymnasium.Env):
        raise UserCodeError(f"{where}: made a {type(env).__name__}; a gymnasium.Env is needed")
    if not isinstance(getattr(env, "action_space", None), gymnasium.Space):
        raise UserCodeError(f"{where}: has no action_space; set one, such as gymnasium.spaces.Discrete(4)")
    return UserEnv(env, where)


class UserEnv(CheckedEnv):
    """The user's environment, checked; also its picture, and what it says of itself."""

    def __init__(self, env: Any, where: str) -> None:
        super().__init__(env, where)
        self._rendering = Calling(where, "render")

    @property
    def tick_hz(self) -> float:
        """Steps a second in real time, as the environment's metadata says; raises UserCodeError."""
        told = (self.env.metadata or {}).get("render_fps", TICK_HZ)
        if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told < np.inf:
            raise UserCodeError(f'{self._where}: metadata["render_fps"] is {told!r}; a number above 0 is needed')
        return float(told)

    @property  # type: ignore[misc]
    def observation_space(self) -> Any:  # type: ignore[override]
        """The user's; raises UserCodeError where it is missing, as it may be in play."""
        space = getattr(self.env, "observation_space", None)
        if not isinstance(space, gymnasium.Space):
            raise UserCodeError(f"{self._where}: has no observation_space, which training needs")
        return space

    def render(self) -> Any:
        """The user's picture, an array [h, w] or [h, w, channels]; None where there is none."""
        with self._rendering:
            rendered: Any = self.env.render()
        if rendered is None:
            return None
        picture = np.asarray(rendered)
        if picture.dtype.kind not in "biuf" or picture.ndim not in (2, 3) or min(picture.shape) < 1:
            raise UserCodeError(
                f"{self._where}: render returned {reprlib.repr(rendered)}; an array [height, width, 3] is needed"
            )
        return picture
