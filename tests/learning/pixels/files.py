"""Files of episodes for tests of what is learned from pictures."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.learning.pixels.episodes import Episode, Episodes
from agent.learning.pixels.layout import one_choice
from agent.learning.pixels.load import open_episodes
from agent.learning.pixels.trainers import DynamicsTrainer
from agent.learning.pixels.world_file import SavedWorld, WorldLayout, starts_of
from agent.models.pixels.sizes import DynamicsSizes, PixelWorldSizes, TokenizerSizes
from agent.models.pixels.world import PixelWorld


def pictures(count: int, shade: int = 0, size: tuple[int, int] = (18, 32)) -> Any:
    """Pictures whose red says which they are."""
    frames = np.full((count, *size, 3), shade, np.uint8)
    frames[..., 0] = np.arange(count, dtype=np.uint8)[:, None, None]
    return frames


def write_npz(path: Path, count: int = 12, shade: int = 0, **changed: Any) -> Path:
    """An episode of ten numbers an action; `changed` arrays instead of, or beside, its own; None: without."""
    arrays: dict[str, Any] = {
        "observations": pictures(count, shade), "actions": np.zeros((count, 10), np.float32),
        "meta": np.array(json.dumps({"hz": 10, "policy": "kiter"})),
    }  # fmt: skip
    arrays |= changed
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{name: a for name, a in arrays.items() if a is not None})
    return path


def opened(folder: Path, **asked: Any) -> Any:
    return open_episodes(folder, cache=folder.parent / "cache", **asked)


def dots(count: int = 12, length: int = 24, *, size_px: int = 32, delay: int = 0, seed: int = 0) -> Episodes:
    """Episodes of a square that moves by the action of `delay` pictures before: stay, left, right, up, down."""
    rng, items = np.random.default_rng(seed), []
    moves = np.array([(0, 0), (0, -4), (0, 4), (-4, 0), (4, 0)])
    for index in range(count):
        actions = rng.integers(0, 5, length)
        at, frames = rng.integers(0, size_px // 4, 2) * 4, []
        for t in range(length):
            frame = np.full((size_px, size_px, 3), 40, np.uint8)
            frame[at[0] : at[0] + 4, at[1] : at[1] + 4] = (250, 200, 30)
            frames.append(frame)
            if t >= delay:
                at = (at + moves[actions[t - delay]]) % size_px
        items.append(
            Episode(
                name=f"dots-{index}", source="dots", frames=np.stack(frames), dt_s=0.1,
                actions=actions[:, None].astype(np.float32), rewards=(actions == 1).astype(np.float32),
                dones=np.zeros(length, np.bool_), menus=np.array([""] * length),
            )
        )  # fmt: skip
    return Episodes(items=tuple(items), layout=one_choice(5), size_px=size_px)


@functools.cache
def dots_world(steps: int = 260) -> SavedWorld:
    """A world of dots, 16 x 16, in which the square answers to the action of two pictures before."""
    torch.manual_seed(0)
    sizes = PixelWorldSizes(TokenizerSizes(16, (16,)), DynamicsSizes(5, channels=(24,), blocks=1))
    world, episodes = PixelWorld(sizes), dots(size_px=16, delay=2)
    trainer = DynamicsTrainer(world, episodes, seed=0, device=torch.device("cpu"))
    for step in range(steps):
        trainer.advance(0.6 * step / steps)
    assert episodes.layout is not None
    layout = WorldLayout(controls=episodes.layout.controls, dt_s=0.05, has_outcomes=True, game="dots")
    frames, actions = starts_of(episodes, 5, 0)
    return SavedWorld(world.eval(), layout, frames, actions, {})
