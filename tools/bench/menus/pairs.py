"""How often the builtin chooser finds the button that a goal means: 100 pairs of our own in six languages.

    python -m tools.bench.menus.pairs [--embeddings] --out docs/results/menus_pairs.json

Without `--embeddings` words, near words and their meaning by the table of concepts alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.planning.menus.choose import Journey, choose, pressable
from agent.planning.menus.goal import embedded_fits, menu_goal
from agent.planning.menus.graph import ScreenGraph
from agent.planning.menus.words import Refused
from agent.planning.screen.elements import Crop, Element, Screen
from tools.bench._result_file import publish

PAIRS: Final = Path(__file__).with_name("pairs.toml")
_CROP: Final = Crop(np.zeros((12, 48), np.uint8), np.zeros(3, np.float32))


class Pair(msgspec.Struct, frozen=True):
    """A goal, a screen's buttons, and the one that leads on."""

    language: str
    goal: str
    buttons: tuple[str, ...]
    right: str


class _File(msgspec.Struct, frozen=True):
    pair: tuple[Pair, ...]


def pairs() -> tuple[Pair, ...]:
    """The table."""
    return msgspec.toml.decode(PAIRS.read_text(encoding="utf-8"), type=_File).pair


def screen_of(texts: Sequence[str]) -> Screen:
    """A screen with these buttons under one another."""
    elements = [
        Element(i, text, (400, 100 + 60 * i, 600, 130 + 60 * i), _CROP, "label") for i, text in enumerate(texts)
    ]
    return Screen(tuple(elements), (1280, 720), 0.0, np.zeros((1, 1), np.uint8))


def chosen(pair: Pair, meant: Mapping[str, float]) -> str:
    """The button that the builtin chooser presses first; "" where it presses none."""
    graph, screen = ScreenGraph("pairs", None), screen_of(pair.buttons)
    choice = choose(screen, graph.locate(screen), graph, Journey(menu_goal(pair.goal)), Refused(), meant)
    return choice.element.text if choice.element is not None else ""


def meanings(pair: Pair, embedder: Any) -> dict[str, float]:
    """How well the buttons that may be pressed serve the goal, by their embeddings."""
    texts = [e.text for e in pressable(screen_of(pair.buttons), Refused())]
    goal = embedder.embed([pair.goal], is_goal=True)[0]
    return dict(zip(texts, embedded_fits(goal, embedder.embed(texts, is_goal=False)), strict=True))


def measure(*, embeddings: bool) -> dict[str, Any]:
    """The share of pairs that are right, by language."""
    embedder = None
    if embeddings:
        from agent.planning.screen.engines import Embedder

        embedder = Embedder()
    right: dict[str, list[bool]] = {}
    wrong = []
    began_s = time.process_time()
    for pair in pairs():
        found = chosen(pair, meanings(pair, embedder) if embedder is not None else {})
        right.setdefault(pair.language, []).append(found == pair.right)
        if found != pair.right:
            wrong.append({"goal": pair.goal, "right": pair.right, "chosen": found})
    total = [one for ones in right.values() for one in ones]
    return {
        "pairs": len(total), "right": sum(total), "embeddings": embeddings, "wrong": wrong,
        "by_language": {language: f"{sum(ones)} of {len(ones)}" for language, ones in right.items()},
        "cpu_ms_a_pair": round((time.process_time() - began_s) / len(total) * 1e3, 1),
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    publish("menus_pairs", measure(embeddings=options.embeddings), options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
