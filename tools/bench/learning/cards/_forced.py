"""What a card really does in the arena: the same world goes on with each of its cards, to the end of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.core.cards.menu import card_name
from tools.bench.learning.cards._runs import Asked, CardRuns, KiterPlayer, Pick, Picked, uniform

OUTCOMES: Final = ("score_s", "rmst_30_s", "rmst_120_s", "alive_60_s")
MAX_ROWS: Final = 120


class Kept(NamedTuple):
    """A run that waits at a menu: everything that its future depends on, the walker's memory, and the menu."""

    tensors: dict[str, NDArray[Any]]
    memory: NDArray[np.float64]
    names: tuple[str, ...]
    at_s: float


def waiting(runs: int, seed: int, tier: int, cards: Sequence[str], share: float) -> list[Kept]:
    """A share of the menus with one of these cards, in runs whose cards are taken at random."""
    rng, found = np.random.default_rng(seed), []
    for first in range(0, runs, MAX_ROWS):
        batch = CardRuns(min(MAX_ROWS, runs - first), seed + first, tier, "kiter")
        over: set[int] = set()
        any_card = uniform(rng)

        def pick(asked: Asked, batch: CardRuns = batch, over: set[int] = over, any_card: Pick = any_card) -> Picked:
            names = tuple(card_name(caption) for caption in asked.captions)
            if asked.row not in over and set(names) & set(cards) and rng.random() < share:
                found.append(_keep(batch, asked, names))
            return any_card(asked)

        while len(over) < batch.batch.count:
            over |= {row for row, _, _ in batch.advance(pick)}
    return found


def _keep(runs: CardRuns, asked: Asked, names: tuple[str, ...]) -> Kept:
    row = asked.row
    tensors = {name: array[row].copy() for name, array in runs.batch.tensors().items() if name != "next"}
    assert isinstance(runs.player, KiterPlayer)
    return Kept(tensors, runs.player.memory[row].copy(), names, asked.at_s)


def branches(kept: Sequence[Kept], seed: int, tier: int) -> NDArray[np.float64]:
    """Outcomes [menus, 3, `OUTCOMES`] of each menu with each of its cards taken; cards after it are taken at random."""
    found = np.full((len(kept), 3, len(OUTCOMES)), np.nan)
    jobs = [(menu, card) for menu in range(len(kept)) for card in range(3)]
    for first in range(0, len(jobs), MAX_ROWS):
        part = jobs[first : first + MAX_ROWS]
        for (menu, card), values in zip(
            part, _played([kept[m] for m, _ in part], part, seed + first, tier), strict=True
        ):
            found[menu, card] = values
    return found


def _played(kept: Sequence[Kept], part: Sequence[tuple[int, int]], seed: int, tier: int) -> list[list[float]]:
    runs, rng = CardRuns(len(kept), seed, tier, "kiter"), np.random.default_rng(seed)
    stacked = {name: np.stack([k.tensors[name] for k in kept]) for name in kept[0].tensors}
    runs.batch.load_tensors({**stacked, "next": np.array([seed, 1 << 20])})
    assert isinstance(runs.player, KiterPlayer)
    runs.player.memory[:] = np.stack([k.memory for k in kept])
    forced: set[int] = set()
    any_card = uniform(rng)

    def pick(asked: Asked) -> Picked:
        if asked.row in forced:
            return any_card(asked)
        forced.add(asked.row)
        return Picked(part[asked.row][1], (1 / 3,) * 3)

    values: dict[int, list[float]] = {}
    while len(values) < len(kept):
        for row, run, record in runs.advance(pick):
            if row not in values:
                lived_s = 1e6 if run.won else record.lived_s - kept[row].at_s
                values[row] = [run.score_s, min(lived_s, 30.0), min(lived_s, 120.0), float(lived_s >= 60.0)]
    return [values[row] for row in range(len(kept))]


def effects(
    kept: Sequence[Kept], found: NDArray[np.float64], cards: Sequence[str]
) -> dict[str, dict[str, list[float]]]:
    """Of each card and outcome: the mean of its contrast with the other two, its standard error, and menus."""
    out: dict[str, dict[str, list[float]]] = {}
    for card in cards:
        rows = [(m, k.names.index(card)) for m, k in enumerate(kept) if card in k.names]
        if len(rows) < 2:
            continue
        contrast = np.array([found[m, c] - found[m, [k for k in range(3) if k != c]].mean(0) for m, c in rows])
        mean, error = contrast.mean(0), contrast.std(0, ddof=1) / np.sqrt(len(rows))
        out[card] = {
            name: [round(float(mean[o]), 4), round(float(error[o]), 4), len(rows)] for o, name in enumerate(OUTCOMES)
        }
    return out
