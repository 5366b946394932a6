"""Where an answer's time goes: percentiles of each stage, and end to end as seen on the line to the game.

    python tools/profile_latency.py [--game arena|bonklink://HOST:PORT] [--policy pilot] [--seconds 20] [--out DIR]

A tap in its own process stands between game and agent and times each packet until the action that
claims it; the agent's own stages are printed beside it. Writes DIR/latency_profile.json, latency_histogram.png, and
latency_trace.json for https://ui.perfetto.dev. The tap adds one hop over loopback, about 0.1 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agent.core.files import write_atomically

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agent.core.clock import SystemClock
from agent.core.errors import AgentError, first_error
from agent.core.latency import Cause, Latency, Walk
from agent.link.endpoint import Endpoint, parse_endpoint
from tools.bench._result_file import ROOT, publish

TRACED_WALKS = 20_000


class TracedLatency(Latency):
    """Keeps the newest walks, for the trace."""

    def __init__(self) -> None:
        super().__init__()
        self.walks: list[tuple[Walk, Cause | None]] = []

    def record_walk(
        self, walk: Walk, budget_s: float, captured_s: float | None = None, looks: bool = False
    ) -> Cause | None:
        """Record, and keep."""
        cause = super().record_walk(walk, budget_s, captured_s, looks)
        if len(self.walks) < TRACED_WALKS:
            self.walks.append((walk, cause))
        return cause


@contextlib.contextmanager
def tap(address: Endpoint, seen: dict[str, Any]) -> Iterator[Endpoint]:
    """A tap before `address`; `seen` is filled with its report when the context ends."""
    command = [sys.executable, "-m", "tools.bench._latency_tap", f"{address.host}:{address.port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            yield Endpoint("127.0.0.1", int(child.stdout.readline()))
        finally:
            child.stdin.close()
            seen.update(json.loads(child.stdout.read() or "{}"))


def play(args: argparse.Namespace, latency: TracedLatency) -> tuple[dict[str, Any], dict[str, Any]]:
    """One session through the tap; the agent's report and the tap's."""
    from agent.app import build_session
    from agent.control.policies import build_policy
    from agent.games.hosting import HostedProcess
    from agent.games.options import HostOptions
    from agent.session.loop import new_event_loop
    from agent.session.options import SessionOptions

    seen: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        if args.game.startswith("bonklink://"):
            address = parse_endpoint(args.game, default_host="127.0.0.1", default_port=5560)
        else:
            host = stack.enter_context(HostedProcess(HostOptions(game=args.game, seed=args.seed)))
            address = Endpoint("127.0.0.1", host.port())
        endpoint = stack.enter_context(tap(address, seen))
        options = SessionOptions(
            endpoints=(endpoint,), names=(args.game,), seconds=args.seconds, seed=args.seed, http_port=None,
            game=args.game,
        )  # fmt: skip
        policy = build_policy(args.policy, seed=args.seed)
        session = build_session(options, policy, SystemClock(), latency=latency)
        try:
            with asyncio.Runner(loop_factory=lambda: new_event_loop(options.endpoints)) as runner:
                report = runner.run(session.run())
        except* AgentError as group:
            raise first_error(group) from group
    return report, seen


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p90, p99 and the largest."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"count": len(values), "p50_ms": cuts[49], "p90_ms": cuts[89], "p99_ms": cuts[98], "max_ms": max(values)}


def show(report: dict[str, Any], line: dict[str, float]) -> None:
    """The table for people."""
    table = Table("stage", "count", "p50 ms", "p90 ms", "p99 ms", "max ms")
    rows = {"game → action, on the line": line, **report["latency"]}
    for name, row in rows.items():
        cells = (f"{row[key]:.3f}" for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms"))
        table.add_row(name.replace("_", " "), str(row["count"]), *cells)
    console = Console()
    console.print(table)
    missed = {cause: n for cause, n in report["deadline_missed"].items() if n}
    console.print(f"deadlines missed: {missed or 'none'}")


def draw(values: list[float], line: dict[str, float], title: str, path: Path) -> None:
    """A histogram with its percentiles."""
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    edges = np.geomspace(max(1e-3, min(values)), max(values) * 1.01, 60)
    axes.hist(values, bins=edges.tolist(), color="#4c78a8")
    for name, colour in (("p50_ms", "#54a24b"), ("p99_ms", "#e45756")):
        axes.axvline(line[name], color=colour, label=f"{name[:3]} {line[name]:.2f} ms")
    axes.set(xscale="log", xlabel="packet to the action that claims it, ms", ylabel="packets", title=title)
    axes.legend()
    figure.savefig(path, dpi=110)


def trace(latency: TracedLatency) -> dict[str, Any]:
    """Spans in the trace event format, microseconds: a row for each stage, one for each missed deadline."""
    events: list[dict[str, Any]] = []
    stages = ("decode", "queue", "policy", "return", "send")
    if not latency.walks:
        return {"traceEvents": events}
    start_s = latency.walks[0][0].received_s
    for walk, cause in latency.walks:
        at = (walk.received_s, walk.published_s, walk.started_s, walk.stepped_s, walk.returned_s, walk.sent_s)
        spans = [("frame to action", at[0], at[5], 0)]
        spans += [(name, at[i], at[i + 1], i + 1) for i, name in enumerate(stages)]
        if cause is not None:
            spans.append((f"missed: {cause.value}", at[0], at[5], 9))
        for name, begin_s, end_s, row in spans:
            span = {"name": name, "ph": "X", "ts": (begin_s - start_s) * 1e6, "dur": max(0.0, end_s - begin_s) * 1e6}
            events.append({**span, "pid": 1, "tid": row})
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def main() -> int:
    """Play, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", default="arena")
    parser.add_argument("--policy", default="pilot")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("latency"))
    args = parser.parse_args()
    latency = TracedLatency()
    try:
        report, seen = play(args, latency)
    except AgentError as error:
        sys.exit(f"profile_latency: {error}")
    values = seen.get("latencies_ms", [])
    if len(values) < 2:
        packets = seen.get("packets", 0)
        sys.exit(f"profile_latency: {args.game} sent {packets} packets, none was claimed; does it send BLX1?")
    line = percentiles(values)
    show(report, line)
    args.out.mkdir(parents=True, exist_ok=True)
    draw(values, line, f"{args.game}, {args.policy}", args.out / "latency_histogram.png")
    write_atomically(args.out / "latency_trace.json", json.dumps(trace(latency)))
    counts = {key: value for key, value in seen.items() if key != "latencies_ms"}
    values_out = {"game": args.game, "policy": args.policy, "line": line, "tap": counts, "stages": report["latency"]}
    with contextlib.redirect_stdout(None):
        publish("latency_profile", values_out, args.out / "latency_profile.json")
    print(f"wrote {args.out}/latency_profile.json, latency_histogram.png, latency_trace.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
