"""Eight bits on this processor, one thread: a four-layer network of 512, and the shipped pilot's own step.

    python -m tools.bench.int8 [--weights agent/shipped/pilot.safetensors] [--rounds 200] [--turns 4] [--seconds 8]
                               [--out docs/results/int8.json]

The network is four linears of 512 × 512 with SiLU at batch one: torch eager under inference_mode, the compiled step in
fp32, and in whole numbers, with the processor's own instruction where it has it, in turns within each round. Beside it
the pilot's whole decision in every way, by the number of enemies in sight, and what would be chosen at load. At last
the whole agent against a game in its own process, over its socket (tools/bench/latency.py): from a packet to the action
that answers it, with whole numbers and without, the ways in turns and in another order each turn; `--turns 0` leaves it
out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numba import njit

from agent.control import encode
from agent.control.motor import Motor, _decide, checked_path, pilot_tensors
from agent.control.policies import SHIPPED
from agent.control.reflex import paths, vnni
from agent.control.reflex.curves import silu
from agent.control.reflex.linears import Dense, Dense8, apply, pack
from agent.control.reflex.network import build_reflex
from tools.bench._result_file import publish
from tools.bench.latency import case, run_policy

WIDTH, LAYERS, STEPS = 512, 4, 20


@njit(error_model="numpy")
def stack(layers: Any, x: Any) -> Any:
    """Linears with SiLU between."""
    for layer in layers:
        x = apply(layer, x)
        silu(x)
    return x


def in_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """µs a call of every way: median and least of the rounds' means."""
    means: dict[str, list[float]] = {name: [] for name in ways}
    for work in ways.values():
        work()
    for _ in range(rounds):
        for name, work in ways.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                work()
            means[name].append((time.perf_counter() - start) / STEPS * 1e6)
    return {name: {"median_us": round(median(v), 2), "least_us": round(min(v), 2)} for name, v in means.items()}


def network(rounds: int) -> dict[str, Any]:
    """The four-layer network in three ways, with the error of whole numbers."""
    torch.manual_seed(0)
    linears = [torch.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)]
    module = torch.nn.Sequential(*(part for linear in linears for part in (linear, torch.nn.SiLU())))
    x = torch.randn(1, WIDTH)
    plain, whole = [], []
    for linear in linears:
        weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
        scale = (np.abs(weight).max(1) / 127).astype(np.float32)
        plain.append(Dense(np.ascontiguousarray(weight.T), bias))
        whole.append(Dense8(np.rint(weight / scale[:, None]).astype(np.int8), scale, bias))
    row = x[0].numpy()
    forms = {paths.FULL: tuple(plain), paths.WHOLE: tuple(whole)}
    if vnni.lanes():
        forms[paths.PACKED] = tuple(pack(layer) for layer in whole)
    ways = {name: lambda form=form: stack(form, row) for name, form in forms.items()}  # type: ignore[misc]
    with torch.inference_mode():
        found = in_turns({"torch eager": lambda: module(x), **ways}, rounds)
        wanted = module(x)[0].numpy()
    own, eager = found[paths.whole_way()], found["torch eager"]
    error = float(np.linalg.norm(ways[paths.whole_way()]() - wanted) / np.linalg.norm(wanted))
    share = {key: round(own[key] / eager[key], 3) for key in ("median_us", "least_us")}
    return {"ways": found, "lanes": vnni.lanes(), "int8_share_of_eager": share, "int8_error": round(error, 5)}


def pilot(path: Path, rounds: int) -> dict[str, Any]:
    """The pilot's decision in both ways, and the choice."""
    tensors = paths.round_int8(pilot_tensors(path))
    ways, batch = paths.ways_of(tensors), encode.Encoded.empty(1)
    ways.setdefault(paths.WHOLE, build_reflex(tensors, packed=False))
    rng = np.random.default_rng(0)
    batch.tokens[:] = rng.normal(size=batch.tokens.shape)
    hidden = np.zeros(ways[paths.FULL].gates.b.shape[0] // 4, np.float32)
    picture = np.zeros_like(ways[paths.FULL].picture.b)
    found = {}
    for enemies in (0, 20, encode.TOKENS):
        batch.mask[:] = 0
        batch.mask[:, :enemies] = 1
        works = {
            name: lambda r=reflex: _decide(r, batch, 0, picture, hidden, 4.0)  # type: ignore[misc]
            for name, reflex in ways.items()
        }
        found[f"{enemies} tokens"] = in_turns(works, rounds)
    return {"ways": found, "chosen": checked_path(tensors, str(path)).as_builtins()}


def run_way(way: str, weights: Path, ports: list[int], seconds: float, report: Path) -> None:
    """The agent with the rounded pilot computed in one way."""
    policy = Motor(paths.round_int8(pilot_tensors(weights)), name=f"pilot {way}", way=way)
    policy.warm_up()
    run_policy(policy, ports, seconds, report)


def end_to_end(weights: Path, turns: int, seconds: float) -> dict[str, Any]:
    """Frame→action of one game in both ways: every turn's p50 and p99, and their medians."""

    def command(way: str, ports: Sequence[int], seconds: float, report: Path) -> list[str]:
        return [
            sys.executable, "-m", "tools.bench.int8",
            "--way", way, "--weights", str(weights.resolve()), "--ports", *map(str, ports),
            "--seconds", str(seconds), "--out", str(report),
        ]  # fmt: skip

    found: dict[str, list[dict[str, Any]]] = {paths.FULL: [], paths.whole_way(): []}
    for turn in range(turns):
        for way in list(found)[:: 1 if turn % 2 == 0 else -1]:
            found[way].append(case(way, 1, seconds, command=command)["seen_by_game"])
    keys = ("p50_ms", "p99_ms")
    return {
        way: {f"median_{key}": round(median(t[key] for t in each), 3) for key in keys}
        | {"turns": [{k: t[k] for k in (*keys, "packets", "answered_share")} for t in each]}
        for way, each in found.items()
    }


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--ports", type=int, nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        run_way(args.way, args.weights, args.ports, args.seconds, args.out)
        return
    torch.set_num_threads(1)
    found = {"network": network(args.rounds), "pilot": pilot(args.weights, args.rounds)}
    if args.turns:
        found["frame_to_action"] = end_to_end(args.weights, args.turns, args.seconds)
    publish("int8", found, args.out)


if __name__ == "__main__":
    main()
