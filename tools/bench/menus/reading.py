"""What it costs to read a screen: whole, and where less than a tenth of it changed; and what the engines read.

    python -m tools.bench.menus.reading --out docs/results/menus_reading.json

Processor seconds of the reading alone, on menus of 1280 × 720: the arena's, and menus that are written in several sizes
and languages. `words_of_small`: the share of the words that the small models read on the same screens, and that the
tiny ones, as they are used, read too.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.core.types import ByteArray
from agent.games.arena import screens
from agent.games.arena.game import ArenaGame
from agent.planning.screen.changes import brightness, changed_boxes, changed_share
from agent.planning.screen.engines import FasterPaddle, _encoded, _words
from agent.planning.screen.text import skeleton
from tools.bench._result_file import publish
from tools.bench.menus.hostile import Canvas, hostile_screen

SIZE: Final = (1280, 720)
LONG: Final = (
    "Bildschirmauflösung", "Schwierigkeitsgrad", "Continue the story", "Volume de la musique", "Nueva partida",
    "Opções de vídeo", "Riconoscimenti", "Multiplayer lobby", "Level 12", "12.345 points",
    "Press any key", "World 3-4",
)  # fmt: skip


def menus() -> list[ByteArray]:
    """The pictures that are read."""
    game = ArenaGame(capture_px=SIZE)
    game.reset(0)
    found = [game.render()]
    game._open_characters()
    found.append(game.render())
    game._open_maps()
    found.append(game.render())
    offers = ("Katana (Rare): +2 projectiles", "Luck Tome (Common): +8 % luck", "Bow (New): arrows that fly far")
    game.screen = screens.level_up(offers, 2, 1, 1, banishing=False)
    found.append(game.render())
    for size in (16, 22, 30):
        canvas = Canvas(SIZE, (24, 26, 40))
        for i, text in enumerate(LONG):
            box = (52, 56, 84) if i % 2 else None
            canvas.write(text, 120 + 520 * (i % 2), 60 + 100 * (i // 2), size, (230, 230, 235), box=box)
        found.append(canvas.pixels())
    found += [hostile_screen(number).pixels for number in range(0, 42, 7)]
    return found


def part_changes() -> list[tuple[ByteArray, ByteArray]]:
    """Pairs of pictures of which less than a tenth changed."""
    game = ArenaGame(capture_px=SIZE)
    game.reset(0)
    pairs = []
    for focus in range(1, 4):
        game.screen = screens.main_menu()
        before = game.render()
        game.screen.focus = focus % 2
        game.screen.buttons[focus] = screens.Button("x", f"Button {focus}", game.screen.buttons[focus].rect)
        pairs.append((before, game.render()))
    return [(a, b) for a, b in pairs if changed_share(brightness(a), brightness(b)) < 0.1]


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def _cost(work: Any, times: int) -> float:
    """Processor seconds of one call, by the mean of some."""
    work()
    began_s = _cpu_s()
    for _ in range(times):
        work()
    return (_cpu_s() - began_s) / times


def measure(times: int) -> dict[str, Any]:
    """Costs, and the share of words."""
    engine = FasterPaddle()
    small = engine._make("small", threads=1)
    whole, shares, quick = [], [], []
    for picture in menus():
        whole.append(_cost(lambda: engine.read(picture, 1, whole=True, careful=True), times))  # noqa: B023
        quick.append(_cost(lambda: engine.read(picture, 1, whole=True, careful=False), times))  # noqa: B023
        better = _words(small.ocr(_encoded(picture, 1)), 1, 0)
        known = " ".join(skeleton(w.text) for w in engine.read(picture, 1, whole=True, careful=True)).split()
        wanted = " ".join(skeleton(w.text) for w in better).split()
        shares.append(sum(word in known for word in wanted) / max(1, len(wanted)))
    part = []
    for before, after in part_changes():
        grey = brightness(before)

        def read() -> None:
            for x0, y0, x1, y1 in changed_boxes(grey, brightness(after)):  # noqa: B023
                engine.read(np.ascontiguousarray(after[y0:y1, x0:x1]), 1, whole=False, careful=True)  # noqa: B023

        part.append(_cost(read, times * 5))
    return {
        "screens": len(whole),
        "whole_cpu_s": {"median": round(statistics.median(whole), 3), "max": round(max(whole), 3)},
        "whole_without_second_look_cpu_s": round(statistics.median(quick), 3),
        "part_cpu_ms": {"median": round(statistics.median(part) * 1e3, 1), "max": round(max(part) * 1e3, 1)},
        "words_of_small": {"mean": round(statistics.mean(shares), 3), "min": round(min(shares), 3)},
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    publish("menus_reading", measure(options.times), options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
