"""Are seeded loops found, and how long does it take to mine an hour?

    python -m tools.bench.loops [--scenes 6] [--minutes 20] [--seed 0] [--jobs 1] [--out FILE]

Each scene is a session in the arena with loops at known times (`_loop_scenes`): a corner of the map, two menus that
lead to each other, a shop that is entered again and again. Between them is what only looks like a loop: fights on one
spot, waiting in a menu, standing still, a long way out and back. A loop counts as found where half of it is within what
was found; what was found is right where half of it is within a loop. `recordings` are mined as `agent loops` does,
`live` are the same sessions as the part of a session sees them. `hour`: how long one hour of 60 packets and decisions
a second, with ten pictures, takes to mine. `cost` is of one step of play and of one look, on the event loop and on the
lane beside it. Processor time counts, but for `wall_s`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from agent.core.clock import VirtualClock
from agent.core.latency import Latency
from agent.core.types import Action, Frame, GameState, Observation, Packet
from agent.journal.loops import LOOK_HZ
from agent.journal.mine import Miner, mine_recording
from agent.session.loops.watch import LoopWatch
from agent.session.sense import Feed
from tools.bench._loop_scenes import HZ, LOOPS, Scene, Stretch, play
from tools.bench._result_file import publish

T = TypeVar("T")
HALF: Final = 0.5


class Span(NamedTuple):
    """A loop that was found."""

    began_s: float
    ended_s: float


class _Lane:
    """Runs at once, and says how long that took."""

    def __init__(self) -> None:
        self.took_s: list[float] = []

    async def run(self, fn: Callable[[], T]) -> T:
        began_s = time.thread_time()
        found = fn()
        self.took_s.append(time.thread_time() - began_s)
        return found


class Live:
    """A session's part for loops, given the states of a scene."""

    def __init__(self) -> None:
        self.clock, self.lane, self.found = VirtualClock(), _Lane(), list[Span]()
        self.feed = Feed(0, "arena", self.clock, Latency(), lambda: None)
        self.feed.on_up()
        self.watch = LoopWatch([self.feed], self.clock, self.lane, self._say)
        self.step_s, self.look_s = 0.0, list[float]()
        self.steps = 0
        self._loop = asyncio.new_event_loop()

    def _say(self, kind: str, text: str, payload: dict[str, Any]) -> None:
        if kind == "loop_over":
            now_s = self.feed.last_packet_s or 0.0
            self.found.append(Span(now_s - payload["lost_s"], now_s))

    def seen(self, state: GameState, pixels: Any, action: Action, time_s: float) -> None:
        """One tick of the scene."""
        self.feed.last_packet_s, self.feed.latest_state = time_s, state
        if pixels is not None:
            self.feed.latest_frame = Frame(pixels, time_s, time_s)
        observation = Observation(0, state, None, 0, 1 / HZ, time_s, 0.0, False, False, False)
        began_s = time.thread_time()
        self.watch.on_step(observation, action, 0)
        self.step_s += time.thread_time() - began_s
        self.steps += 1
        if self.steps % round(HZ / LOOK_HZ) == 0:
            began_s, lane = time.thread_time(), len(self.lane.took_s)
            self._loop.run_until_complete(self.watch.look())
            self.look_s.append(time.thread_time() - began_s - sum(self.lane.took_s[lane:]))

    def close(self) -> None:
        """The game is gone, which ends its loop."""
        state, last_s = self.feed.latest_state, self.feed.last_packet_s
        self.feed.on_down("over")
        self.feed.on_up()
        assert state is not None and last_s is not None
        self.feed.on_packet(Packet(state, b""), last_s + 1 / HZ)
        self._loop.run_until_complete(self.watch.look())
        self._loop.close()


def _shared_s(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def judged(stretches: Sequence[Stretch], found: Sequence[Span]) -> dict[str, Any]:
    """How many of the loops were found by kind, and how much of what was found is a loop."""
    loops = [s for s in stretches if s.kind in LOOPS]
    hits = {kind: [0, 0] for kind in LOOPS}
    for loop in loops:
        shared_s = sum(_shared_s((loop.began_s, loop.ended_s), span) for span in found)
        hits[loop.kind][0] += shared_s >= HALF * (loop.ended_s - loop.began_s)
        hits[loop.kind][1] += 1
    right = sum(
        sum(_shared_s(span, (loop.began_s, loop.ended_s)) for loop in loops) >= HALF * (span.ended_s - span.began_s)
        for span in found
    )
    return {"hits": hits, "right": right, "found": len(found)}


def _added(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    hits = {kind: [sum(part["hits"][kind][k] for part in parts) for k in (0, 1)] for kind in LOOPS}
    seeded, hit = sum(n for _, n in hits.values()), sum(n for n, _ in hits.values())
    right, found = (sum(part[key] for part in parts) for key in ("right", "found"))
    return {
        "seeded": seeded, "recall": round(hit / seeded, 4), "found": found,
        "precision": round(right / max(1, found), 4),
        "by_kind": {kind: {"found": n, "seeded": of} for kind, (n, of) in hits.items()},
    }  # fmt: skip


def mined(folder: Path) -> tuple[list[Span], tuple[float, float]]:
    """The loops of a recording, and the seconds that mining took: of the processor, and on the wall."""
    miner, began_s, wall_s = Miner(), time.thread_time(), time.monotonic()
    mine_recording(folder, miner)
    took_s = time.thread_time() - began_s, time.monotonic() - wall_s
    return [Span(f.loop.began_s, f.loop.ended_s) for f in miner.found], took_s


def one(seed: int, minutes: float) -> dict[str, Any]:
    """One scene, played, mined and watched."""
    with tempfile.TemporaryDirectory() as name:
        watching = Live()
        scene = Scene(Path(name) / "scene", seed, seen=watching.seen)
        play(scene, 60.0 * minutes)
        scene.close()
        watching.close()
        found, _ = mined(Path(name) / "scene")
    return {
        "seconds": scene.time_s, "others": sum(s.kind not in LOOPS for s in scene.stretches),
        "recordings": judged(scene.stretches, found), "live": judged(scene.stretches, watching.found),
        "step_us": 1e6 * watching.step_s / watching.steps, "look_on_loop_us": [1e6 * s for s in watching.look_s],
        "look_on_lane_us": [1e6 * s for s in watching.lane.took_s],
    }  # fmt: skip


def scenes(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Recall and precision over some scenes."""
    percentiles = {
        name: {
            f"p{share}": round(float(np.percentile(np.concatenate([part[name] for part in parts]), share)), 1)
            for share in (50, 99)
        }
        for name in ("look_on_loop_us", "look_on_lane_us")
    }
    return {
        "scenes": len(parts), "hours": round(sum(part["seconds"] for part in parts) / 3600, 2),
        "no_loops": sum(part["others"] for part in parts),
        **{kind: _added([part[kind] for part in parts]) for kind in ("recordings", "live")},
        "cost": {"step_us": round(float(np.mean([part["step_us"] for part in parts])), 3), **percentiles},
    }  # fmt: skip


def hour(seed: int) -> dict[str, Any]:
    """One hour of a session, mined."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "hour"
        scene = Scene(folder, seed)
        play(scene, 3600.0)
        scene.close()
        mebibytes = sum(path.stat().st_size for path in folder.glob("segment-*")) / 2**20
        cpu_s, wall_s = min(mined(folder)[1] for _ in range(2))
    took = {"cpu_s": round(cpu_s, 2), "wall_s": round(wall_s, 2)}
    return {"seconds": round(scene.time_s), "mib": round(mebibytes), **took}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with ProcessPoolExecutor(args.jobs) as pool:
        mining = pool.submit(hour, args.seed + 1000)
        playing = [pool.submit(one, args.seed + k, args.minutes) for k in range(args.scenes)]
        values = scenes([scene.result() for scene in playing])
        publish("loops", {**values, "hour": mining.result()}, args.out)


if __name__ == "__main__":
    main()
