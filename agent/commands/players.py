"""Who plays: the policy that is named or that the weights are, whether it can see the game, and what it observes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rich.console import Console

from agent.core.errors import SettingsError, WeightsError
from agent.core.settings import Settings
from agent.core.types import Shown
from agent.core.user_code import is_user_code
from agent.games.options import GameOptions, check_environment, check_view, is_gymnasium, is_hosted
from agent.models.sealed import manifest_path, read_manifest
from agent.models.sizes import FLAT_KIND, FRAME_KIND

if TYPE_CHECKING:
    from agent.control.policy import Policy

OptionsT = TypeVar("OptionsT", bound=GameOptions)
OWN_GAME: Final = (FLAT_KIND, FRAME_KIND)
"""Kinds of weights that observe one environment, and act in it alone."""
_PLAYABLE: Final = ("pilot", "dreamer", "motor", *OWN_GAME)


def name_of(policy: str | None, weights: Path | None, default: str) -> str:
    """The policy: the one that is named, else what the weights are, else the default; raises WeightsError."""
    if policy is not None or weights is None:
        return policy if policy is not None else default
    kind = read_manifest(weights).kind
    if kind == "training":
        beside = [path.name for path in sorted(weights.parent.glob("*.safetensors")) if _is_playable(path)]
        hint = f"; beside it lies {beside[0]}" if beside else ""
        raise WeightsError(f"{weights}: is the checkpoint of a training, not weights{hint}")
    if kind not in _PLAYABLE:
        raise WeightsError(f"{weights}: holds a {kind}, which does not play; {', '.join(_PLAYABLE)} do")
    return kind


def with_sight(options: OptionsT, weights: Path | None) -> OptionsT:
    """The options with what weights of an environment were trained to see, where nothing else is asked for.

    Weights of 0.1.0 say nothing of flags: they learned from painted ones. Raises SettingsError for what is out of its
    bounds, or is no option of the game.
    """
    check_environment(options)
    check_view(options)
    if weights is None:
        return options
    manifest = read_manifest(weights)
    if manifest.kind not in OWN_GAME:
        return options
    sizes, layout = manifest.sizes or manifest.layout.get("sizes", {}), manifest.layout
    sides = [side for side in (sizes.get("height"), sizes.get("width")) if isinstance(side, int)]
    trained: dict[str, Any] = {"frame_skip": layout.get("frame_skip")}
    if manifest.kind == FRAME_KIND and sides:
        trained |= {"picture_px": max(sides), "paint_flags": layout.get("paint_flags", True)}
    told: dict[str, Any] = {name: value for name, value in trained.items() if isinstance(value, int)}
    return replace(options, **{name: value for name, value in told.items() if getattr(options, name) is None})


def _is_playable(path: Path) -> bool:
    return manifest_path(path).is_file() and read_manifest(path).kind in _PLAYABLE


def check_sight(name: str, game: str) -> None:
    """Refuse a policy for a game whose observations it cannot see, naming those that can; raises SettingsError."""
    if is_user_code(name):
        return
    if is_gymnasium(game) and ("pilot" in name or name in ("kiter", "router") or "motor" in name):
        raise SettingsError(
            f"--policy {name}: sees the state of a run, and {game} shows none, only pictures or numbers; name "
            f"--policy dreamer, which sees pictures, or train one that sees this game with `python -m agent train "
            f"--game {game} --steps 100000 --out runs/mine` and name --weights runs/mine/policy.safetensors"
        )
    if name in OWN_GAME and is_hosted(game) and not is_gymnasium(game):
        raise SettingsError(
            f"--policy {name}: sees what the environment shows that it was trained on, and {game} is none; "
            "name --game as it was in training, or --policy pilot"
        )


def served_name(policy: str, settings: Settings, console: Console) -> str:
    """The policy that plays: the one asked for, or the dreamer where it is to be served instead of a pilot."""
    if settings.dreams.served_policy == "dreamer" and "pilot" in policy and not is_user_code(policy):
        console.print("METABONK_SERVED_POLICY=dreamer: the dreaming actor plays, not the pilot.", highlight=False)
        return "dreamer"
    return policy


def check_fit(policy: Policy, game: str, shown: Shown | None) -> None:
    """Refuse weights of another environment than the hosted one; raises WeightsError."""
    check = getattr(policy, "check", None)
    if check is not None and is_gymnasium(game):
        check(shown, game)


def said_of_another(policy: Policy, game: str) -> list[str]:
    """A line where weights of one environment play another of the same shape: what they learned there is not mixed."""
    is_of = getattr(policy, "is_of", None)
    if is_of is None or not is_gymnasium(game) or is_of(game):
        return []
    trained_on = getattr(policy, "game", "another game")
    return [f"{policy.name} was trained on {trained_on}: it plays {game} as it is, and nothing is learned from that"]


def say_start(console: Console, notes: list[str], policy: Policy, budget: Any) -> None:
    """Say once what the game shows, what the policy observes, and, with a budget, how it learns."""
    from agent.control.policy import capabilities_of
    from agent.learning.configs import describe_learning, learns_from_play

    can = capabilities_of(policy)
    lines = list(notes)
    if can.reloadable is not None:
        lines.append(f"{policy.name} observes {_observed(can.reloadable)}")
    if can.learnable is not None and budget is not None and learns_from_play(can.learnable.kind, budget):
        lines.append(f"{policy.name} learns: {describe_learning(can.learnable.kind, can.learnable.sizes, budget)}")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _observed(policy: Any) -> str:
    """The layout in words: names with their counts."""
    said = []
    for name, value in policy.layout.items():
        size = " x ".join(map(str, value)) if isinstance(value, list) else str(value)
        said.append(f"{name} {size}")
    return ", ".join(said)
