"""Opens a folder of recordings as episodes: `.npz` files, videos and journals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.learning.pixels.episodes import Episodes

SIZE_PX: Final = 64
HZ: Final = 10.0


def open_episodes(
    folder: Path,
    *,
    size_px: int = SIZE_PX,
    hz: float = HZ,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Episodes:
    """All episodes beneath a folder (or of one file), with pictures of size_px x size_px; raises RecordingError.

    hz: pictures a second that are kept of videos and journals; `.npz` files keep all. cache: where resized pictures
    lie; default: the user's cache. A file that cannot be used is left out: `say` hears its name and the reason, and
    `refused` of the result has both.
    """
    raise NotImplementedError
