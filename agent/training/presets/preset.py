"""Presets: everything that a training on a Gymnasium environment needs to know beside the environment.

A preset is a TOML file of this folder, by its name without `.toml`, or a file of the user's. Without a name the first
whose `match` fits the game is taken, else the one for what the game shows. What a file leaves out is as in `Preset`;
options of the command line stand above it.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.core.errors import SettingsError
from agent.core.files import read_toml
from agent.core.suggest import did_you_mean
from agent.games.env_view import MAX_PX, EnvView
from agent.games.options import check_bounds
from agent.learning.configs import STRETCH, PPOConfig, picture_config
from agent.models.sizes import SMALL_PX, FlatBody, FrameBody, FrameSizes
from agent.training.options import EnvironmentOptions, Network

VECTORS: Final = "vectors"
PICTURES: Final = "pictures"
SMALL_PICTURES: Final = "small-pictures"
MAX_ROWS_BYTES: Final = 4 << 30
"""Observations of one stretch of all copies, as they are kept until they are learned from."""


Kept = Mapping[str, Any]
"""The notes of a checkpoint; with `preset` since there are presets."""
_SEEN: Final = ("frame_skip", "frame_stack", "picture_px", "paint_flags", "network", "width", "memory")
"""What the network depends on, or what it learned to see: it stays as it is where a training goes on."""


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an environment is trained on.

    match: names of games that it is meant for, as patterns of `fnmatch`. stretch: steps of each copy between two
    updates. network: see `models.policies`, `auto` for what fits; width: of its layers behind what it sees; memory:
    units of its liquid memory, 0 for none. scale_rewards: they are divided by the running size of returns. frame_skip
    None: as the profile says.
    """

    about: str = ""
    match: tuple[str, ...] = ()
    copies: int = 8
    stretch: int = STRETCH
    frame_skip: int | None = None
    frame_stack: int = 1
    picture_px: int = MAX_PX
    paint_flags: bool = False
    network: Network = "auto"
    width: int = 64
    memory: int = 0
    scale_rewards: bool = True
    ppo: PPOConfig = PPOConfig()


_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "copies": (1, 256), "stretch": (8, 65536), "frame_skip": (1, 64), "frame_stack": (1, 16), "picture_px": (8, 256),
    "width": (8, 4096), "memory": (0, 1024),
}  # fmt: skip
_PPO_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "lr": (1e-8, 1.0), "gamma": (0.0, 1.0), "lam": (0.0, 1.0), "epochs": (1, 100), "minibatches": (1, 4096),
    "length": (1, 65536), "clip": (1e-6, 10.0), "max_grad": (1e-6, 1e6), "value_weight": (0.0, 1e3),
    "entropy_weight": (0.0, 10.0), "warm_updates": (0, 1e6), "anneal_updates": (0, 1e9), "target_kl": (0.0, 10.0),
}  # fmt: skip


def shipped() -> dict[str, Preset]:
    """The presets that come with the program, by name."""
    files = sorted(resources.files("agent.training.presets").iterdir(), key=lambda file: file.name)
    found = [(file.name.removesuffix(".toml"), file) for file in files if file.name.endswith(".toml")]
    return {name: _converted(tomllib.loads(file.read_text(encoding="utf-8")), f"{name}.toml") for name, file in found}


def named(preset: str) -> Preset:
    """The preset of a name or of a file; raises SettingsError."""
    known = shipped()
    if preset in known:
        return known[preset]
    path = Path(preset)
    if not preset.endswith(".toml") and not path.is_file():
        hint = did_you_mean(preset, known)
        raise SettingsError(f"--preset {preset}: there are {', '.join(known)}, and files of your own, .toml{hint}")
    try:
        document = read_toml(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--preset {preset}: {error}") from error
    return _converted(document, f"--preset {preset}")


def _converted(document: Any, where: str) -> Preset:
    try:
        found = msgspec.convert(document, Preset)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}") from error
    for names, values in ((_BOUNDS, found), (_PPO_BOUNDS, found.ppo)):
        for name, (low, high) in names.items():
            check_bounds(f"{where}: {name} =", getattr(values, name), low, high)
    return found


def kind_of(view: EnvView) -> str:
    """The name of the preset for what is seen."""
    if not view.shape:
        return VECTORS
    return SMALL_PICTURES if min(view.shape[:2]) < SMALL_PX else PICTURES


def chosen(game: str, view: EnvView, options: EnvironmentOptions) -> tuple[str, Preset]:
    """The preset of a training with the options above it, and its name; raises SettingsError."""
    options.check()
    name = options.preset
    if name is None:
        bare = game.removeprefix("gym:").partition("?")[0]
        fitting = [n for n, p in shipped().items() if any(fnmatch.fnmatch(bare, pattern) for pattern in p.match)]
        name = fitting[0] if fitting else kind_of(view)
    return name, _with_options(named(name), options)


def going_on(kept: Kept, view: EnvView, options: EnvironmentOptions) -> Preset:
    """The preset of a training that goes on, with the options above it; raises SettingsError for one that contradicts.

    view: at the sides of 0.1.0, which kept no preset.
    """
    options.check()
    told = kept.get("preset")
    preset = before_presets(view) if told is None else _converted(told, "--resume: the checkpoint's preset")
    if options.preset is not None:
        wanted = named(options.preset)
        preset = msgspec.structs.replace(wanted, **{name: getattr(preset, name) for name in _SEEN})
    for name in _SEEN:
        given, now = getattr(options, name), getattr(preset, name)
        if given is not None and given != now:
            option = "--" + name.replace("_", "-")
            raise SettingsError(
                f"{option} {given}: the training in --out has {now}; leave it out, or name another --out"
            )
    return _with_options(preset, options)


def _with_options(preset: Preset, options: EnvironmentOptions) -> Preset:
    given = {
        name: getattr(options, name)
        for name in ("copies", "frame_skip", "frame_stack", "picture_px", "paint_flags", "network", "width", "memory")
        if getattr(options, name) is not None
    }
    ppo = {
        ours: getattr(options, name)
        for name, ours in (("gamma", "gamma"), ("lr", "lr"), ("lr_schedule", "schedule"))
        if getattr(options, name) is not None
    }
    return msgspec.structs.replace(preset, **given, ppo=msgspec.structs.replace(preset.ppo, **ppo))


def before_presets(view: EnvView) -> Preset:
    """How 0.1.0 trained on what is seen: what its checkpoints go on with."""
    if not view.shape:
        return Preset(ppo=PPOConfig(length=STRETCH), picture_px=64, paint_flags=True)
    height, width, channels = view.shape
    config = picture_config(FrameSizes(height, width, (), channels=channels))
    return Preset(width=128, picture_px=64, paint_flags=True, scale_rewards=False, ppo=config)


def flat_body(network: Network) -> FlatBody:
    """The body for numbers alone; raises SettingsError for one of pictures."""
    if network == "auto":
        return "towers"
    if network == "towers" or network == "shared":
        return network
    raise SettingsError(f"--network {network}: reads pictures, and this game shows numbers; name towers or shared")


def frame_body(network: Network, height_px: int, width_px: int) -> FrameBody:
    """The body for a picture; raises SettingsError for one that cannot read it."""
    if network == "auto":
        return "by-size"
    if network == "towers" or network == "shared":
        raise SettingsError(f"--network {network}: reads numbers, and this game shows a picture; name small or nature")
    if network == "nature" and min(height_px, width_px) < SMALL_PX:
        raise SettingsError(
            f"--network nature: reads pictures from {SMALL_PX} pixels a side, and this one has {height_px} x "
            f"{width_px}; name small or residual"
        )
    return network


def check_memory_of_rows(preset: Preset, features: int) -> None:
    """Raise SettingsError where the observations of one stretch would not fit into memory."""
    size = 4 * features * preset.copies * preset.stretch
    if size > MAX_ROWS_BYTES:
        raise SettingsError(
            f"{preset.copies} copies with {preset.stretch} steps of {features} numbers need {size / 2**30:.1f} GiB, "
            f"more than {MAX_ROWS_BYTES >> 30}; give fewer --copies, a smaller --picture-px or --frame-stack"
        )
