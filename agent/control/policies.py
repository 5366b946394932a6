"""Policies by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.control.policy import Policy
from agent.core.errors import SettingsError
from agent.core.suggest import did_you_mean
from agent.core.user_code import is_user_code
from agent.models.sizes import FLAT_KIND, FRAME_KIND

NAMES = ("random", "kiter", "router", "pilot", "untrained-pilot", "dreamer", "motor", "motor-best-of-8")
"""Those that can be named without weights; the kinds of weights of a Gymnasium environment are names as well."""
SHIPPED: Final = Path(__file__).resolve().parents[1] / "shipped" / "pilot.safetensors"

SHIPPED_MOTOR: Final = SHIPPED.with_name("motor.safetensors")


def build_policy(name: str, *, seed: int = 0, weights: Path | None = None) -> Policy:
    """The policy of this name; raises SettingsError with the nearest one where there is none.

    Names that contain `pilot` are the liquid network, with the shipped weights where none are given; those that
    contain `untrained` are one that has learned nothing. `dreamer` has learned nothing where no weights are given.
    MODULE:FACTORY is a policy of the user's; see `control.user_policy`.
    """
    if is_user_code(name):
        from agent.control.user_policy import build_user_policy

        if weights is not None:
            raise SettingsError(f"--weights {weights}: {name} loads its weights itself")
        return build_user_policy(name, seed)
    if name == "dreamer":
        from agent.control.dreamer import DreamPilot, dreamer_tensors, untrained_tensors

        return DreamPilot(untrained_tensors(seed) if weights is None else dreamer_tensors(weights), seed=seed)
    if name in ("motor", "motor-best-of-8"):
        from agent.control.chunks.policy import ChunkMotor, motor_tensors

        return ChunkMotor(motor_tensors(SHIPPED_MOTOR if weights is None else weights), seed=seed, name=name)
    if name in (FLAT_KIND, FRAME_KIND):
        from agent.control.environment.policy import EnvPolicy, env_weights

        if weights is None:
            raise SettingsError(f"--policy {name}: needs --weights, a file that `train` wrote")
        return EnvPolicy(env_weights(weights), seed=seed)
    if "pilot" in name:
        return _build_pilot(name, seed, weights)
    if weights is not None:
        raise SettingsError(f"--weights {weights}: the policy {name} has no weights")
    if name == "random":
        from agent.control.random_policy import RandomPolicy

        return RandomPolicy(seed)
    if name == "kiter":
        from agent.control.kiter import Kiter

        return Kiter()
    if name == "router":
        from agent.control.scripted.router import Router

        return Router()
    raise SettingsError(f"--policy {name}: there are {', '.join(NAMES)} and MODULE:FACTORY{did_you_mean(name, NAMES)}")


def _build_pilot(name: str, seed: int, weights: Path | None) -> Policy:
    from agent.control.motor import Motor, pilot_tensors

    if "untrained" not in name:
        return Motor(pilot_tensors(SHIPPED if weights is None else weights), seed=seed, name=name)
    if weights is not None:
        raise SettingsError(f"--weights {weights}: the policy {name} has none; name it pilot")
    from agent.control.untrained import untrained_tensors

    return Motor(untrained_tensors(seed), seed=seed, name=name)
