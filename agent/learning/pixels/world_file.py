"""A world as one sealed file: its weights, what its actions are, and the real pictures that it begins behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from agent.core.errors import WeightsError
from agent.core.types import ByteArray, FloatArray
from agent.learning.pixels.episodes import Episodes
from agent.learning.pixels.layout import ActionLayout, Control
from agent.models.pixels.sizes import WORLD_KIND, PixelWorldSizes, TokenizerSizes
from agent.models.pixels.tokenizer import Tokenizer
from agent.models.pixels.world import PixelWorld
from agent.models.sealed import load_sealed, save_sealed

TOKENIZER_KIND: Final = "pixel-tokenizer"
STARTS: Final = 32
_START_FRAMES: Final = "starts.frames"
_START_ACTIONS: Final = "starts.actions"


class WorldLayout(msgspec.Struct, frozen=True, kw_only=True):
    """What a world is of. dt_s: seconds from one picture to the next; has_outcomes: it learned rewards and ends.

    game: that was recorded, "" where the recordings do not say.
    """

    controls: tuple[Control, ...]
    dt_s: float
    has_outcomes: bool
    game: str = ""


@dataclass(frozen=True, eq=False)
class SavedWorld:
    """A world and what lies beside its weights. frames u8 [N, L, S, S, 3], actions f32 [N, L, width]: beginnings."""

    world: PixelWorld
    layout: WorldLayout
    frames: ByteArray
    actions: FloatArray
    notes: dict[str, Any]

    @property
    def action_layout(self) -> ActionLayout:
        """Its controls."""
        return ActionLayout(self.layout.controls)


def arrays_of(module: nn.Module) -> dict[str, Any]:
    """A module's weights for a file."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}


def starts_of(episodes: Episodes, length: int, seed: int) -> tuple[ByteArray, FloatArray]:
    """Stretches of real pictures that a world begins behind."""
    windows = episodes.windows(np.random.default_rng(seed), STARTS, length)
    return windows.frames, windows.actions


def save_world(
    path: Path, world: PixelWorld, layout: WorldLayout, starts: tuple[ByteArray, FloatArray], *, created_by: str,
    notes: dict[str, Any],
) -> None:  # fmt: skip
    """Write a world."""
    save_sealed(
        path, {**arrays_of(world), _START_FRAMES: starts[0], _START_ACTIONS: starts[1]}, kind=WORLD_KIND,
        layout=msgspec.to_builtins(layout), sizes=msgspec.to_builtins(world.sizes), created_by=created_by, notes=notes,
    )  # fmt: skip


def _filled(path: Path, module: nn.Module, arrays: dict[str, Any]) -> None:
    wanted = module.state_dict()
    for name, tensor in wanted.items():
        found = arrays.get(name)
        if found is None or tuple(found.shape) != tuple(tensor.shape):
            raise WeightsError(f"{path}: {name} is {'missing' if found is None else list(found.shape)}, not fitting")
    tensors: dict[str, Tensor] = {name: torch.from_numpy(arrays[name].copy()) for name in wanted}
    module.load_state_dict(tensors)


def load_world(path: Path) -> SavedWorld:
    """A world from its file; raises WeightsError."""
    manifest, arrays = load_sealed(path)
    if manifest.kind != WORLD_KIND:
        raise WeightsError(f"{path}: holds {manifest.kind}, not a world; `python -m agent world train` makes one")
    try:
        sizes = msgspec.convert(manifest.sizes, PixelWorldSizes)
        layout = msgspec.convert(manifest.layout, WorldLayout)
    except msgspec.ValidationError as error:
        raise WeightsError(f"{path}: its manifest is no world's: {error}") from error
    missing = [name for name in (_START_FRAMES, _START_ACTIONS) if name not in arrays]
    if missing:
        raise WeightsError(f"{path}: {missing[0]} is missing")
    world = PixelWorld(sizes)
    _filled(path, world, arrays)
    return SavedWorld(world.eval(), layout, arrays[_START_FRAMES], arrays[_START_ACTIONS], dict(manifest.notes))


def save_tokenizer(path: Path, tokenizer: Tokenizer, *, created_by: str, notes: dict[str, Any]) -> None:
    """Write a tokenizer."""
    save_sealed(
        path, arrays_of(tokenizer), kind=TOKENIZER_KIND, layout={}, sizes=msgspec.to_builtins(tokenizer.sizes),
        created_by=created_by, notes=notes,
    )  # fmt: skip


def load_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer from its file; raises WeightsError."""
    manifest, arrays = load_sealed(path)
    if manifest.kind != TOKENIZER_KIND:
        raise WeightsError(f"{path}: holds {manifest.kind}, not a tokenizer; train one with --phase tokenizer")
    tokenizer = Tokenizer(msgspec.convert(manifest.sizes, TokenizerSizes))
    _filled(path, tokenizer, arrays)
    return tokenizer.eval()
