"""Kills of learner and workers while rollouts are lost, repeated and delayed: what is applied, and how soon it goes on.

    python -m tools.bench.cluster.chaos [--runs 60] [--seed 0] [--out docs/results/cluster_chaos.json]

Two workers of four games in real time push through a proxy that does something to a third of the pushes. In each run
one process is killed (SIGKILL) at a random instant: a worker or the learner, which their keepers start again. Then:
each id is begun at most once in the learner's log, and every id that was acknowledged stands in it; the workers that
were not killed have gone on playing (`play_gap_s`: the longest time without a new decision); and `back_s` is from the
kill to the next acknowledgement of a new rollout, or to the killed worker's first decision.

A part is written after each run, so that an interrupted bench goes on. The log of earlier parts is checked whole.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.learner.remote.rollout_log import Entry
from tools.bench._result_file import ROOT, publish
from tools.bench.cluster._proxy import FaultyProxy
from tools.bench.cluster._site import Site, load_average, status

GAMES: Final = 4
WORKERS: Final = 2
SHARE: Final = 1 / 3
LIMIT_S: Final = 90.0
PARTS: Final = ROOT / "docs" / "results" / "parts" / "cluster_chaos.json"


class ProxyThread:
    """The proxy in a loop of its own."""

    def __init__(self, upstream: str, seed: int) -> None:
        self.proxy = FaultyProxy(upstream, share=SHARE, seed=seed, delay_s=2.0)
        self._ready, self._end = threading.Event(), threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()
        self._ready.wait()

    async def _run(self) -> None:
        async with self.proxy:
            self._ready.set()
            while not self._end.is_set():
                await asyncio.sleep(0.1)

    def close(self) -> None:
        self._end.set()


class Watch:
    """Looks at every worker four times a second; the longest time in which one made no new decision."""

    def __init__(self, site: Site) -> None:
        self._site, self._ended = site, threading.Event()
        self.gap_s = [0.0] * WORKERS
        self.decisions = [-1] * WORKERS
        self.since_s = [time.monotonic()] * WORKERS
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            for i in range(WORKERS):
                found, now_s = self._site.remote(i), time.monotonic()
                if found is not None and found["decisions"] != self.decisions[i]:
                    self.decisions[i] = found["decisions"]
                    self.since_s[i] = now_s
                self.gap_s[i] = max(self.gap_s[i], now_s - self.since_s[i])
            self._ended.wait(0.25)

    def forget(self, worker: int) -> None:
        """It was killed."""
        self.decisions[worker], self.since_s[worker], self.gap_s[worker] = -1, time.monotonic(), 0.0

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


def checked(entries: list[Entry], acknowledged: set[str]) -> dict[str, int]:
    """What stands in the log; rollouts that were begun twice, or acknowledged and not in it, are faults."""
    steps: dict[str, list[str]] = {}
    for entry in entries:
        steps.setdefault(entry.id, []).append(entry.step)
    count = {step: sum(step in each for each in steps.values()) for step in ("taken", "begun", "done", "lost", "old")}
    return {
        **count, "begun_twice": sum(each.count("begun") > 1 for each in steps.values()),
        "acknowledged": len(acknowledged), "acknowledged_not_journaled": len(acknowledged - steps.keys()),
    }  # fmt: skip


def one_run(site: Site, rng: random.Random, proxy: FaultyProxy) -> dict[str, Any]:
    """One kill, and what came of it."""
    watch = Watch(site)
    try:
        time.sleep(rng.uniform(2.0, 10.0))
        target = rng.choice(("learner", "worker"))
        victim = rng.randrange(WORKERS)
        keeper = site.learner if target == "learner" else site.workers[victim]
        before = len(proxy.acknowledged)
        os.kill(keeper.pid, signal.SIGKILL)
        killed_s = time.monotonic()
        if target == "worker":
            watch.forget(victim)
        served_s = back_s = -1.0
        while time.monotonic() - killed_s < LIMIT_S:
            if target == "learner":
                if served_s < 0 and status(site.port) is not None and keeper.is_up:
                    served_s = time.monotonic() - killed_s
                is_back = served_s > 0 and len(proxy.acknowledged) > before
            else:
                is_back = watch.decisions[victim] > 0
            if is_back:
                back_s = time.monotonic() - killed_s
                break
            time.sleep(0.1)
        others = [s for i, s in enumerate(watch.gap_s) if target == "learner" or i != victim]
    finally:
        watch.close()
    return {
        "target": target, "back_s": round(back_s, 2), "served_s": round(served_s, 2),
        "play_gap_s": round(max(others), 2), "load_average": load_average(),
    }  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=50.0, help="end after this long; started again it goes on")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "metabonk-chaos"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    until_s = time.monotonic() + 60 * options.minutes
    runs: list[dict[str, Any]] = msgspec.json.decode(PARTS.read_bytes()) if PARTS.exists() else []
    acked_file = options.folder / "acknowledged.txt"
    acknowledged = set(acked_file.read_text().split()) if acked_file.exists() else set()
    site = Site(options.folder, WORKERS, GAMES, learner_at="http://127.0.0.1:1")
    proxied = ProxyThread(f"http://127.0.0.1:{site.port}", options.seed + len(runs))
    proxied.proxy.acknowledged |= acknowledged
    site = Site(options.folder, WORKERS, GAMES, learner_at=f"http://127.0.0.1:{proxied.proxy.port}")
    proxied.proxy.upstream = f"http://127.0.0.1:{site.port}"
    with site:
        site.begun()
        while len(runs) < options.runs and time.monotonic() < until_s:
            rng = random.Random(options.seed * 1000 + len(runs))
            run = one_run(site, rng, proxied.proxy)
            runs.append(
                {**run, **checked(site.entries(), proxied.proxy.acknowledged), "proxy": dict(proxied.proxy.done)}
            )
            print(runs[-1], flush=True)
            PARTS.parent.mkdir(parents=True, exist_ok=True)
            PARTS.write_bytes(msgspec.json.encode(runs))
            acked_file.write_text("\n".join(sorted(proxied.proxy.acknowledged)))
    proxied.close()
    publish("cluster_chaos", summary(runs), options.out)


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all runs."""
    last = runs[-1]

    def spread(values: list[float]) -> dict[str, float]:
        there = sorted(v for v in values if v >= 0)
        return {"count": len(there), "median": there[len(there) // 2], "max": there[-1]} if there else {"count": 0}

    learner = [r for r in runs if r["target"] == "learner"]
    return {
        "runs": len(runs), "learner_kills": len(learner), "worker_kills": len(runs) - len(learner),
        "not_back": sum(r["back_s"] < 0 for r in runs),
        "learner_served_s": spread([r["served_s"] for r in learner]),
        "learner_acknowledges_s": spread([r["back_s"] for r in learner]),
        "worker_plays_s": spread([r["back_s"] for r in runs if r["target"] == "worker"]),
        "play_gap_s": spread([r["play_gap_s"] for r in runs]),
        "rollout_log": {key: last[key] for key in last if key in (
            "taken", "begun", "done", "lost", "old", "begun_twice", "acknowledged", "acknowledged_not_journaled")},
        "pushes": last["proxy"], "load_average": spread([r["load_average"] for r in runs]),
    }  # fmt: skip


if __name__ == "__main__":
    main()
