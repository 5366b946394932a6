"""What does inverse dynamics tell of MinAtar's actions, beside what can be known of them?

    python -m tools.bench.labels.minatar [--steps 140] [--rows 8000] [--out FILE]

Actions are drawn at random. With sticky actions, one in ten is the one before, done again; so what was chosen cannot
always be told, and the share that can follows from the positions of the player and the rules. A model that tells more
has seen its labels. `pair` reads two pictures only; `causal` reads the past only, as cloning does, and has nothing to
tell a random action by. With a lag, an action is done three steps after it was chosen.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.learning.inverse_dynamics.calibration import ece
from agent.learning.inverse_dynamics.judging import lag_of
from agent.learning.inverse_dynamics.labels import Labeller
from tools.bench._result_file import publish
from tools.bench.labels._minatar import Game, Stream, episodes_of
from tools.bench.labels._parts import part
from tools.bench.labels._training import trained

STREAM_ROWS: Final = 500
TEST_ROWS: Final = 4000
CASES: Final = {
    "breakout_sticky": ("Breakout", 0.1, 0),
    "breakout_lag_3": ("Breakout", 0.0, 3),
    "asterix_sticky": ("Asterix", 0.1, 0),
}
ARMS: Final[dict[str, dict[str, Any]]] = {"window": {}, "pair": {"window": 1, "lags": 0}, "causal": {"causal": True}}


def compared(labeller: Labeller, game: Game, streams: list[Stream]) -> dict[str, Any]:
    """Shares of actions told rightly on streams never seen: by the model, and by whoever knows the rules."""
    told, best, wanted, sure = [], [], [], []
    for stream in streams:
        shown = game.shown(stream)
        labels = labeller.label(stream.frames)
        told.append(labels.actions[shown, 0])
        sure.append(labels.confidence[shown, 0])
        best.append(game.ceiling(stream)[shown])
        wanted.append(stream.actions[shown])
    is_right = np.concatenate(told) == np.concatenate(wanted)
    can_be = np.concatenate(best) == np.concatenate(wanted)
    difference = is_right.astype(float) - can_be
    error = 1.96 * float(difference.std() / np.sqrt(len(difference)))
    return {
        "accuracy": round(float(is_right.mean()), 4), "ceiling": round(float(can_be.mean()), 4),
        "difference": {
            "value": round(float(difference.mean()), 4), "low": round(float(difference.mean()) - error, 4),
            "high": round(float(difference.mean()) + error, 4),
        },
        "ece": round(ece(np.concatenate(sure), is_right.astype(np.float32)), 4), "rows": len(is_right),
        "chance": round(1.0 / game.choices, 4),
    }  # fmt: skip


def measure(case: str, arm: str, rows: int, steps: int) -> dict[str, Any]:
    """One arm of one game."""
    name, sticky, delay = CASES[case]
    game = Game(name, sticky=sticky, delay=delay)
    learned = episodes_of(game, [game.stream(STREAM_ROWS, seed) for seed in range(rows // STREAM_ROWS)])
    held_out = episodes_of(game, [game.stream(STREAM_ROWS, 10_000 + seed) for seed in range(3)])
    labeller = trained(learned, held_out, steps, **ARMS[arm])
    tested = [game.stream(STREAM_ROWS, 20_000 + seed) for seed in range(TEST_ROWS // STREAM_ROWS)]
    values = compared(labeller, game, tested)
    if arm == "window":
        found = [lag_of(labeller.network, labeller.targets, e) for e in episodes_of(game, tested).items]
        values["lags"] = [lag for lag, _ in found]
        values["lag_losses"] = found[0][1]
    return values


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=140)
    parser.add_argument("--rows", type=int, default=8_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    asked = {"steps": args.steps, "rows": args.rows}
    values: dict[str, Any] = {case: {} for case in CASES}
    for arm in ARMS:
        for case in CASES:
            values[case][arm] = part(
                "labels_minatar", f"{case}-{arm}", asked, lambda c=case, a=arm: measure(c, a, args.rows, args.steps)
            )  # type: ignore[misc]
    publish("labels_minatar", {**asked, **values}, args.out)


if __name__ == "__main__":
    main()
