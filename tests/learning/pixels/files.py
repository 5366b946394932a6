"""Files of episodes for tests of what is learned from pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from agent.learning.pixels.load import open_episodes


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
