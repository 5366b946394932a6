"""Folders of a benchmark's own for what an agent keeps: the user's weights are not played, their recordings stay."""

from __future__ import annotations

import os
from pathlib import Path


def with_own_folders(folder: Path) -> dict[str, str]:
    """The environment for an agent that keeps its weights and recordings below `folder`."""
    own = {"METABONK_WEIGHTS_DIR": "weights", "METABONK_RECORDINGS_DIR": "recordings"}
    return dict(os.environ) | {name: str(folder / below) for name, below in own.items()}
