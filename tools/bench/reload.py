"""Hot reloads of the shipped pilot while it plays the built-in game through the socket at 60 ticks a second.

    python -m tools.bench.reload [--reloads 500] [--blocks 5] [--every 0.25] [--quiet-s 15] [--out FILE]

One session: blocks without reloads and blocks with them in turns, so that both see the same machine. Each reload is a
whole one: trial run, new version on disk, exchange between two steps; its weights are the shipped ones with another
bias of the value, which no action depends on. A missed tick is a packet that was answered after its deadline, or
never. At the end, weights that stand at the end of every axis are offered, and the seconds until they are taken back
are measured. Memory is the process's resident size, its slope that of a line through the samples of the blocks with
reloads, the first one left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from agent.app import Session, build_session
from agent.control.motor import Motor, pilot_tensors
from agent.control.policies import SHIPPED
from agent.core.clock import SystemClock
from agent.core.latency import Cause
from agent.core.statistics import paired_difference
from agent.core.types import Action, Observation
from agent.games.hosting import HostedProcess
from agent.games.options import HostOptions
from agent.link.endpoint import Endpoint
from agent.session.loop import new_event_loop
from agent.session.options import SessionOptions
from agent.store.part import WeightsWatch
from tools.bench._result_file import publish

WARM_S = 5.0
MAX_WAIT_S = 10.0


class Walks:
    """Seconds from a packet's arrival to its action, in the block that runs."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Called after the action was sent."""
        self.seconds.append(time.monotonic() - observation.received_at_s)


class Meter:
    """Counts of one session between two instants."""

    def __init__(self, session: Session, walks: Walks) -> None:
        self._session, self._walks = session, walks
        self.begin()

    def _counts(self) -> dict[str, int]:
        ledger, missed = self._session.feeds[0].ledger, self._session.latency.missed
        late = sum(n for cause, n in missed.items() if cause is not Cause.NO_PACKET)
        return {
            "packets": ledger.received, "late": late, "superseded": ledger.superseded, "expired": ledger.expired,
            "rejected": ledger.rejected, "no_packet": missed[Cause.NO_PACKET],
        }  # fmt: skip

    def begin(self) -> None:
        """Count from here on."""
        self._before, self._walks.seconds = self._counts(), []

    def end(self) -> dict[str, Any]:
        """What was counted since `begin`."""
        now = self._counts()
        found: dict[str, Any] = {name: now[name] - self._before[name] for name in now}
        found["missed"] = found["late"] + found["superseded"] + found["expired"] + found["rejected"]
        walks_ms = 1e3 * np.array(self._walks.seconds)
        for share in (50, 99):
            found[f"p{share}_ms"] = round(float(np.percentile(walks_ms, share)), 3)
        return found | {"max_ms": round(float(walks_ms.max()), 3)}


def altered(tensors: dict[str, Any], number: int) -> dict[str, Any]:
    """The same pilot, but for what it thinks that a state is worth."""
    return {**tensors, "value.bias": tensors["value.bias"] + np.float32(1e-4 * number)}


async def drive(session: Session, walks: Walks, tensors: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Blocks in turns, then weights that must be taken back."""
    meter, process, reloader = Meter(session, walks), psutil.Process(), session.part(WeightsWatch).reloader
    while session.feeds[0].ledger.acted < 60:
        await asyncio.sleep(0.1)
    await asyncio.sleep(WARM_S)
    blocks, rss, costs_ms, done = [], [], [], 0
    each = args.reloads // args.blocks
    for block in range(args.blocks):
        meter.begin()
        await asyncio.sleep(args.quiet_s)
        blocks.append({"reloads": 0, **meter.end()})
        meter.begin()
        for _ in range(each):
            start_s = time.monotonic()
            await reloader.offer(altered(tensors, done), "bench")
            costs_ms.append(1e3 * (time.monotonic() - start_s))
            done += 1
            if block:
                rss.append((done, process.memory_info().rss))
            await asyncio.sleep(max(0.0, start_s + args.every - time.monotonic()))
        blocks.append({"reloads": each, **meter.end()})
        print(json.dumps(blocks[-2:]), file=sys.stderr, flush=True)
    back = await roll_back(session, tensors)
    return {"blocks": blocks, "swaps": done, "memory": slope(rss), "reload_ms": spread(costs_ms), "rollback": back}


async def roll_back(session: Session, tensors: dict[str, Any]) -> dict[str, Any]:
    """Offer weights that stand at the end of every axis; how long they acted."""
    reloader = session.part(WeightsWatch).reloader
    await asyncio.sleep(3.0)
    assert reloader.rollbacks == []
    bad = {**tensors, "axes.bias": np.full_like(tensors["axes.bias"], 50.0)}
    version = await reloader.offer(bad, "bench")
    start_s = time.monotonic()
    while not reloader.rollbacks and time.monotonic() - start_s < MAX_WAIT_S:
        await asyncio.sleep(0.005)
    found = {"seconds": round(time.monotonic() - start_s, 3), "version": version}
    return found | {"taken_back": dict(reloader.rollbacks[0]) if reloader.rollbacks else None}


def slope(rss: list[tuple[int, int]]) -> dict[str, float]:
    """Resident MB at the ends, and the line's slope with its standard error, KB a reload."""
    at, size = np.array([r[0] for r in rss], np.float64), np.array([r[1] for r in rss], np.float64)
    (line, _), covariance = np.polyfit(at, size / 1024, 1, cov=True)
    return {
        "first_mb": round(size[:10].mean() / 2**20, 2), "last_mb": round(size[-10:].mean() / 2**20, 2),
        "slope_kb": round(float(line), 3), "slope_error_kb": round(float(np.sqrt(covariance[0, 0])), 3),
    }  # fmt: skip


def spread(values_ms: list[float]) -> dict[str, float]:
    """Median, 99th percentile and largest."""
    p50, p99 = np.percentile(values_ms, [50, 99])
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2), "max": round(max(values_ms), 2)}


def summary(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """Missed ticks with and without reloads, per thousand packets, and the difference's interval over the blocks."""
    found: dict[str, Any] = {}
    rates = {}
    for name, part in (("off", [b for b in blocks if not b["reloads"]]), ("on", [b for b in blocks if b["reloads"]])):
        packets, missed = sum(b["packets"] for b in part), sum(b["missed"] for b in part)
        rates[name] = [1e3 * b["missed"] / b["packets"] for b in part]
        found[name] = {
            "packets": packets, "missed": missed, "missed_per_1000": round(1e3 * missed / packets, 3),
            "p50_ms": float(np.median([b["p50_ms"] for b in part])),
            "p99_ms": float(np.median([b["p99_ms"] for b in part])), "max_ms": max(b["max_ms"] for b in part),
        }  # fmt: skip
    difference = paired_difference(rates["on"], rates["off"])
    found["difference_per_1000"] = round(difference.value, 3)
    found["difference_interval"] = [round(difference.low, 3), round(difference.high, 3)]
    return found


def main() -> None:
    """One session."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=500)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--every", type=float, default=0.25)
    parser.add_argument("--quiet-s", type=float, default=15.0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    tensors, walks = pilot_tensors(SHIPPED), Walks()
    with tempfile.TemporaryDirectory() as name, HostedProcess(HostOptions(game="arena", seed=1)) as host:
        endpoints = (Endpoint("127.0.0.1", host.port()),)
        options = SessionOptions(
            endpoints=endpoints, names=("arena",), http_port=None, game="arena", weights_dir=Path(name), watchdog=False
        )

        async def run() -> dict[str, Any]:
            session = build_session(options, Motor(tensors), SystemClock(), watchers=(walks,))
            playing = asyncio.ensure_future(session.run())
            driving = asyncio.ensure_future(drive(session, walks, tensors, args))
            await asyncio.wait({playing, driving}, return_when=asyncio.FIRST_COMPLETED)
            session.stop()
            await playing
            return await driving

        with asyncio.Runner(loop_factory=lambda: new_event_loop(endpoints)) as runner:
            values = runner.run(run())
    publish("reload", {"hz": 60, "every_s": args.every, **summary(values["blocks"]), **values}, args.out)


if __name__ == "__main__":
    main()
