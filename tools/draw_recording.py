"""The picture of a recording in Rerun's viewer, for the docs' page of recordings.

    pip install "rerun-sdk>=0.41"
    python -m tools.draw_recording [--recording FOLDER] [--out FILE] [--at 20] [--wait 25]

Records the shipped pilot in the arena, or takes a recording that is there, lets `agent view` give it to a viewer
without a window, and takes its picture at `--at` seconds, `--wait` seconds later, when nothing loads any more. The
viewer needs Vulkan; on a machine without a graphics card a software one does, such as Chromium's:
`VK_DRIVER_FILES=…/vk_swiftshader_icd.json`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2

from agent.commands.recordings.view import ViewOptions, view

SECONDS: Final = 40.0
SEED: Final = 7
PORT: Final = 9877
WIDTH_PX: Final = 1280
QUALITY: Final = 85


def recorded(folder: Path) -> Path:
    """A session of the pilot."""
    words = ["play", "--game", "arena", "--policy", "pilot", "--no-learn", "--no-http", "--seed", str(SEED)]
    subprocess.run(
        [sys.executable, "-m", "agent", *words, "--seconds", str(SECONDS), "--record-to", str(folder / "recording")],
        check=True, env={**os.environ, "METABONK_LLM_BACKEND": "builtin"}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return folder / "recording"


def draw(recording: Path, picture: Path, at_s: float, wait_s: float) -> None:
    """Show a recording in a viewer without a window, and take its picture."""
    rerun: Any = importlib.import_module("rerun")
    client: Any = importlib.import_module("rerun.experimental").ViewerClient
    viewer = client.spawn(port=PORT, headless=True)
    rerun.spawn = partial(rerun.connect_grpc, f"rerun+http://127.0.0.1:{PORT}/proxy")
    try:
        view(ViewOptions(recording, viewer="rerun"))
        viewer.set_time("session", duration=at_s, play_state="paused")
        time.sleep(wait_s)  # notes of the viewer go away, plots are drawn
        viewer.save_screenshot(str(picture))
    finally:
        viewer.quit()


def main() -> None:
    """Record, show and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/recording.jpg"))
    parser.add_argument("--at", type=float, default=20.0)
    parser.add_argument("--wait", type=float, default=25.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        recording, taken = args.recording or recorded(Path(name)), Path(name) / "viewer.png"
        draw(recording, taken, args.at, args.wait)
        pixels = cv2.imread(str(taken))
        if pixels is None:
            raise SystemExit("the viewer made no picture")
        height = round(WIDTH_PX * pixels.shape[0] / pixels.shape[1])
        small = cv2.resize(pixels, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(args.out), small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
