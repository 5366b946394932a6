"""What a kill costs a person who records with `agent record`.

    python -m tools.bench.record_kills [--kills 20] [--seed 0] [--out FILE]

A game of this process shows a person who clicks with every second packet, 60 packets a second, each with a picture; of
a kept picture's tenth of a second all three clicks must be kept. Every other game never leaves its menu. `record` is
killed (SIGKILL) at a random instant, and started again where no game is, which makes episodes of what was left. Those
are read with `allow_pickle=False`. A click's place tells its packet, so `lost_ms` is from the last packet that was kept
to the kill, and `wrong` counts recordings whose clicks are not all those until then, in order.
"""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.control.arrays import STILL
from agent.core.types import GameState, HumanInput, RunInfo
from agent.journal.export.rows import UI_CLICK
from agent.link.imaging import encode_raw
from agent.link.wire import encode_packet
from tools.bench._result_file import ROOT, publish

PERIOD_S: Final = 1 / 60
SIDE: Final = 100
"""A click's place counts packets in hundredths of the picture's width and height."""
RUN: Final = RunInfo(0, 0, (320, 180), (1920, 1080), True, False, False, 1, 0.0, 0, 0, 0.0, 0.0, 0, 0.0)


def state_of(number: int, menu: str) -> GameState:
    """The state of a packet; a person clicks in each odd one."""
    at = (number % SIDE / SIDE, number // SIDE / SIDE)
    human = HumanInput(1, (0.0, 0.0), (0.0, 0.0), False, False, False, number % 2 == 1, at)
    run = msgspec.structs.replace(RUN, sequence=number, capture_time_us=round(1e6 * (1.0 + number * PERIOD_S)))
    return msgspec.structs.replace(STILL, is_playing=not menu, current_menu=menu, human=human, run=run)


class Game:
    """Sends packets to the first who connects, until that one is gone; `sent_s` is when each was sent."""

    def __init__(self, menu: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(600.0)
        self.port = self._listener.getsockname()[1]
        self.sent_s: list[float] = []
        self._menu = menu
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        pixels = np.zeros((18, 32, 3), np.uint8)
        side, _ = self._listener.accept()
        with side, self._listener:
            next_s = time.monotonic()
            for number in range(SIDE * SIDE):
                pixels[:, :, 0] = number % 256
                try:
                    side.sendall(encode_packet(state_of(number, self._menu), encode_raw(pixels, top_down=True)))
                except OSError:
                    return
                self.sent_s.append(time.monotonic())
                next_s += PERIOD_S
                time.sleep(max(0.0, next_s - time.monotonic()))


def record(port: int, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    """The recorder, listening to a person's game."""
    words = ["record", "--policy", "human", "--port", str(port), "--out-dir", str(folder), *more]
    return subprocess.Popen([sys.executable, "-m", "agent", *words], cwd=ROOT, stdout=subprocess.DEVNULL)


def clicks_of(folder: Path) -> tuple[list[int], int]:
    """The packets whose clicks are in the episodes, and how many files there are."""
    found: list[int] = []
    files = sorted(folder.glob("*.npz"))
    for path in files:
        with np.load(path, allow_pickle=False) as arrays:
            actions = arrays["actions"]
        places = actions[actions[:, UI_CLICK] > 0, UI_CLICK + 1 :]
        found += [round(SIDE * float(x)) + SIDE * round(SIDE * float(y)) for x, y in places]
    return found, len(files)


def killed(menu: str, after_s: float) -> dict[str, Any]:
    """Record a game, kill the recorder, and read what is left."""
    with tempfile.TemporaryDirectory() as name:
        folder, game = Path(name), Game(menu)
        recorder = record(game.port, folder)
        while not game.sent_s:
            if recorder.poll() is not None:
                raise RuntimeError(f"record ended with {recorder.returncode} before it was killed")
            time.sleep(0.01)
        time.sleep(after_s)
        recorder.kill()
        killed_s = time.monotonic()
        recorder.wait()
        game.thread.join(60)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            record(silent.getsockname()[1], folder, "--seconds", "0.2").wait(600)
        clicks, files = clicks_of(folder)
    last = clicks[-1] if clicks else -1
    # The packet after the last click may be kept too, which no click tells.
    lost_ms = 1e3 * (killed_s - (game.sent_s[last] if clicks else game.sent_s[0]))
    return {"lost_ms": lost_ms, "clicks": len(clicks), "files": files, "wrong": clicks != list(range(1, last + 1, 2))}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    games = [("", "MainMenu")[k % 2] for k in range(args.kills)]
    found = []
    for menu in games:
        found.append(killed(menu, rng.uniform(0.7, 4.0)))
        print(f"{len(found)} of {args.kills}: {found[-1]}", file=sys.stderr, flush=True)
    publish("record_kills", {
        "kills": len(found),
        "lost_ms": {
            "median": round(float(np.median([f["lost_ms"] for f in found])), 1),
            "max": round(max(f["lost_ms"] for f in found), 1),
        },
        "clicks": sum(f["clicks"] for f in found),
        "wrong": sum(f["wrong"] for f in found),
        "menu_only": sum(menu != "" for menu in games),
        "menu_only_without_a_file": sum(menu != "" and not f["files"] for menu, f in zip(games, found, strict=True)),
    }, args.out)  # fmt: skip


if __name__ == "__main__":
    main()
