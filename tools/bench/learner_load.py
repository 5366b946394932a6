"""Frame→action latency with the learner at full load beside it, and without, in turns in one run.

    python -m tools.bench.learner_load [--seconds 30] [--rounds 2] [--out docs/results/learner_load.json]

The game is tests/integration/foreign_game.py in its own process at 60 packets a second, with pictures; the agent is
`play --policy untrained-pilot`. "On" means that a worker pushes rollouts of 2,048 × 204 without a pause, so that the
learner's process is never idle; "off" is the same agent with `--no-learn`. Latencies are those that the game sees.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from tools.bench._own_folders import with_own_folders
from tools.bench._result_file import ROOT, publish
from tools.bench.latency import FOREIGN, _ports, picture
from tools.bench.push_rollout import TOKEN, bodies


def _pushing(port: int, stop: threading.Event, walls: list[float]) -> None:
    """Push one rollout after another until told to stop."""
    body, kind = bodies(2048, 204, packed=True)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    while not stop.is_set():
        request = urllib.request.Request(f"http://127.0.0.1:{port}/push_rollout", body, headers)
        start_s = time.perf_counter()
        with urllib.request.urlopen(request, timeout=120) as reply:
            reply.read()
        walls.append(time.perf_counter() - start_s)


def case(folder: Path, seconds: float, *, on: bool) -> dict[str, Any]:
    """One agent against one foreign game; what the game saw."""
    (port,) = _ports(1)
    pic = str(picture(folder))
    walls: list[float] = []
    command = [
        sys.executable, "-m", "agent", "play", "--game", f"bonklink://127.0.0.1:{port}", "--policy",
        "untrained-pilot", "--http-port", "0", "--no-open-page", "--report", str(folder / "report.json"),
        *([] if on else ["--no-learn"]),
    ]  # fmt: skip
    environ = with_own_folders(folder / f"kept {on}") | {"METABONK_HTTP_TOKEN": TOKEN}
    stop = threading.Event()
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as agent:
        assert agent.stderr is not None
        try:
            http = next(int(m[1]) for line in agent.stderr if (m := re.search(r"127\.0\.0\.1:(\d+)/", line)))
            threading.Thread(target=agent.stderr.read, daemon=True).start()
            pusher = threading.Thread(target=_pushing, args=(http, stop, walls))
            if on:
                pusher.start()
                while not walls:
                    time.sleep(0.1)
            game = subprocess.Popen(
                [sys.executable, str(FOREIGN), "--ports", str(port), "--seconds", "3600", "--frame", pic],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert game.stdout is not None
            game.stdout.readline()
            time.sleep(seconds)
            game.terminate()
            out, _ = game.communicate(timeout=20)
            stop.set()
            if on:
                pusher.join()
        finally:
            agent.terminate()
            agent.wait(20)
    seen = json.loads(out.splitlines()[-1])[0]
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    keys = ("packets", "answered", "p50_ms", "p99_ms", "max_ms")
    return {
        "learner": "on" if on else "off", **{k: seen[k] for k in keys}, "pushes": len(walls),
        "deadline_missed": sum(report["deadline_missed"].values()), "counters": report["counters"],
        "agent_frame_to_action": report["latency"]["frame_to_action"],
    }  # fmt: skip


def main() -> None:
    """Off and on in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    results = []
    for _ in range(args.rounds):
        for on in (False, True):
            with tempfile.TemporaryDirectory() as name:
                results.append(case(Path(name), args.seconds, on=on))
                print(json.dumps(results[-1]), file=sys.stderr)
    p99 = {key: [r["p99_ms"] for r in results if r["learner"] == key] for key in ("off", "on")}
    values = {
        "seconds": args.seconds, "cases": results,
        "p99_off_ms": float(np.median(p99["off"])), "p99_on_ms": float(np.median(p99["on"])),
        "p99_difference_ms": round(float(np.median(p99["on"]) - np.median(p99["off"])), 3),
    }  # fmt: skip
    publish("learner_load", values, args.out)


if __name__ == "__main__":
    main()
