"""The gate of `quantize` for int8, int4 and nvfp4, on the same seeds and with one set of scores of the original.

    python -m tools.bench.quantised_pilot [--weights FILE] [--episodes 400] [--seed 20000] [--scores FILE.jsonl]
                                          [--notes TEXT] [--out docs/results/quantised_pilot.json]

`python -m agent quantize FILE --format FORMAT --episodes N --seed S` gives the same verdict for one format. With
--scores each seed's scores are kept as they come, and a second start goes on from there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import get_args

import msgspec

from agent.control.motor import pilot_tensors
from agent.training.quantize import EPISODES, Format, compare, player_of, quantised
from tools.bench._result_file import publish

ORIGINAL = "original"


def measure(weights: Path, episodes: int, seed: int, kept: Path | None) -> dict[str, list[float]]:
    """Scores in seconds of the original and of each format, seed by seed."""
    tensors = pilot_tensors(weights)
    players = {ORIGINAL: player_of(tensors, ORIGINAL)}
    for format_ in get_args(Format):
        players[format_] = player_of(quantised(tensors, format_, seed + episodes), format_)
    lines = kept.read_text(encoding="utf-8").splitlines() if kept is not None and kept.exists() else []
    found = {row["seed"]: row for row in map(json.loads, lines)}
    for each in range(seed, seed + episodes):
        if each in found:
            continue
        found[each] = {"seed": each} | {name: player.score_s(each) for name, player in players.items()}
        if kept is not None:
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found[each]) + "\n")
    return {name: [found[each][name] for each in range(seed, seed + episodes)] for name in players}


def main() -> None:
    """Play, compare and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("agent/shipped/pilot.safetensors"))
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--notes", default="", help="what a reader must know of how this was measured")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    scores = measure(args.weights, args.episodes, args.seed, args.scores)
    original = scores.pop(ORIGINAL)
    gates = {name: msgspec.to_builtins(compare(original, each, args.seed)) for name, each in scores.items()}
    command = f"python -m tools.bench.quantised_pilot --episodes {args.episodes} --seed {args.seed}"
    values = {
        "command": command,
        "weights": args.weights.as_posix(),
        "seeds": [args.seed, args.seed + args.episodes - 1],
        "passed": [name for name, gate in gates.items() if gate["passed"]],
        "notes": args.notes,
        "gates": gates,
        "scores_s": {ORIGINAL: original, **scores},
    }
    publish("quantised_pilot", values, args.out)


if __name__ == "__main__":
    main()
