"""A clip's MP4, encoded by a process of its own at low priority, so that play keeps its processor."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil

from agent.core.errors import RecordingError

PATIENCE_S: Final = 600.0
LOW: Final = 10


async def encode_video(clip: Path) -> Path:
    """Write a video into a clip's folder; raises RecordingError. A cancelled call ends the process."""
    child = await asyncio.to_thread(_start, clip)
    try:
        _, said = await asyncio.to_thread(child.communicate, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise RecordingError(f"{clip.name}: no video within {PATIENCE_S:.0f} s") from error
    finally:
        if child.poll() is None:
            child.kill()
    if child.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        raise RecordingError(f"{clip.name}: {lines[-1] if lines else f'exit code {child.returncode}'}")
    return clip / f"{clip.name}.mp4"


def _start(clip: Path) -> subprocess.Popen[bytes]:
    """Start `python -m agent clip FOLDER --mp4` at low priority."""
    child = subprocess.Popen(
        [sys.executable, "-m", "agent", "clip", str(clip), "--mp4"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process(child.pid).nice(LOW if sys.platform != "win32" else psutil.BELOW_NORMAL_PRIORITY_CLASS)
    return child
