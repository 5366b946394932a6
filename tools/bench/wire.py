"""Time to decode one state of 40 enemies with every trailer, and one packet through the decoder.

python -m tools.bench.wire [--repeats 20000] [--out docs/results/bench_wire.json]
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np

from agent.core.types import GameState, HumanInput, RunInfo, SceneInfo
from agent.link.wire import PacketDecoder, decode_state, encode_packet, encode_state
from tools.bench._result_file import publish

ENEMIES = 40


def sample() -> GameState:
    """A state such as play sends."""
    rng = np.random.default_rng(0)
    enemies = rng.normal(0, 20, (ENEMIES, 4)).astype(np.float32)
    human = HumanInput(1, (0.0, 1.0), (0.0, 0.0), False, False, False, False, (0.5, 0.5))
    run = RunInfo(7, 1, (320, 180), (1280, 720), True, False, False, 9, 0.5, 100, 30, 1.0, 2.0, 3, 0.0)
    kinds = rng.integers(0, 20, ENEMIES).astype(np.uint8)
    places = rng.normal(0, 20, (20, 3)).astype(np.float32)
    scene = SceneInfo(0.1, -0.2, kinds, np.ones(20, np.uint8), places)
    return GameState((1, 2, 3), (4, 5, 6), 90.0, 100.0, 12.5, True, False, enemies, "", (), human, run, scene)


def timed_us(repeats: int, action: object) -> dict[str, float]:
    """Median and 99th percentile of single calls, microseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        action()  # type: ignore[operator]
        times.append((time.perf_counter_ns() - start) / 1e3)
    times.sort()
    return {"p50_us": round(statistics.median(times), 2), "p99_us": round(times[int(0.99 * repeats)], 2)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    state = sample()
    data, packet, decoder = encode_state(state), encode_packet(state), PacketDecoder()
    bare = encode_state(GameState(*[getattr(state, n) for n in state.__struct_fields__[:10]]))
    result = {
        "enemies": ENEMIES,
        "bytes": len(data),
        "decode_state_all_trailers": timed_us(args.repeats, lambda: decode_state(data)),
        "decode_state_no_trailers": timed_us(args.repeats, lambda: decode_state(bare)),
        "packet_through_decoder": timed_us(args.repeats, lambda: decoder.feed(packet)),
    }
    publish("bench_wire", result, args.out)


if __name__ == "__main__":
    main()
