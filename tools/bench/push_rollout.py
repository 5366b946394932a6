"""A worker's large rollouts against the HTTP server, while another client asks `/healthz` every 10 ms.

    python -m tools.bench.push_rollout [--pushes 10] [--steps 2048] [--features 204] [--packed] [--out FILE]

Each push is JSON unless --packed. The server is `play --policy kiter` on the arena, so play goes on beside it. The
result holds the time of every push, the latency of `/healthz` while a push was under way and while none was, and
which losses the first and the last reply named.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np

from tools.bench._own_folders import with_own_folders
from tools.bench._result_file import ROOT, publish

TOKEN = "b" * 43
EVERY_S = 0.01


def bodies(steps: int, features: int, *, packed: bool) -> tuple[bytes, str]:
    """One rollout as a worker would send it, and its content type."""
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(steps, features)).astype(np.float32)
    values: dict[str, Any] = {
        "instance_id": "bench", "policy_name": "bench",
        "actions_cont": rng.uniform(-1, 1, (steps, 2)).round(5).tolist(),
        "actions_disc": rng.integers(0, (2, 3), (steps, 2)).tolist(), "rewards": rng.random(steps).round(4).tolist(),
        "dones": (rng.random(steps) < 0.01).tolist(),
    }  # fmt: skip
    if packed:
        values["obs"] = {"dtype": "f4", "shape": [steps, features], "data": obs.tobytes()}
        return msgspec.msgpack.encode(values), "application/msgpack"
    values["obs"] = obs.astype(np.float64).tolist()
    return json.dumps(values).encode(), "application/json"


def percentiles(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    found = np.percentile(np.array(seconds or [0.0]) * 1e3, (50, 95, 99, 100))
    return {
        "count": len(seconds),
        **dict(zip(("p50_ms", "p95_ms", "p99_ms", "max_ms"), found.round(2).tolist(), strict=True)),
    }


async def health(http: aiohttp.ClientSession, busy: asyncio.Event, out: dict[str, list[float]]) -> None:
    """Ask every 10 ms until cancelled."""
    due_s = time.perf_counter()
    while True:
        due_s += EVERY_S
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        key = "busy" if busy.is_set() else "idle"
        start_s = time.perf_counter()
        async with http.get("/healthz") as reply:
            await reply.read()
        out[key].append(time.perf_counter() - start_s)


async def measure(port: int, pushes: int, body: bytes, kind: str) -> dict[str, Any]:
    """The pushes, with the other client beside them; the healthy client runs in this process's other connection."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    asked: dict[str, list[float]] = {"busy": [], "idle": []}
    busy, walls, replies = asyncio.Event(), [], []
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        task = asyncio.ensure_future(health(http, busy, asked))
        await asyncio.sleep(2.0)
        for _ in range(pushes):
            start_s = time.perf_counter()
            busy.set()
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tools.bench.push_rollout",
            "--push", str(port), kind, stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, _ = await child.communicate(body)
            busy.clear()
            reply = json.loads(out)
            walls.append(reply.pop("wall_s"))
            replies.append(reply)
            assert reply["ok"], reply
            await asyncio.sleep(0.2)
            print(f"{len(walls)}: {walls[-1]:.2f} s, {start_s:.0f}", file=sys.stderr)
        task.cancel()
        async with http.get("/status") as answer:
            status = await answer.json()
    del headers
    first, last = (set(replies[i]["losses"]) for i in (0, -1))
    return {
        "bytes": len(body), "type": kind, "pushes": pushes, "reply_s": percentiles(walls),
        "seconds_by_part": replies[-1]["seconds"], "healthz_while_pushing": percentiles(asked["busy"]),
        "healthz_otherwise": percentiles(asked["idle"]), "losses": sorted(last), "vanished": sorted(first - last),
        "parked": replies[-1]["parked"], "frame_to_action": status["latency"]["frame_to_action"],
    }  # fmt: skip


def push(port: int, kind: str) -> None:
    """One push, in a process of its own, so that its client does not hold up the one that measures."""
    import urllib.request

    body = sys.stdin.buffer.read()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/push_rollout", body, headers)
    start_s = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as reply:
        found = json.loads(reply.read())
    print(json.dumps(found | {"wall_s": time.perf_counter() - start_s}))


def main() -> None:
    """Start the server, push, publish."""
    if sys.argv[1:2] == ["--push"]:
        push(int(sys.argv[2]), sys.argv[3])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pushes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2048)
    parser.add_argument("--features", type=int, default=204)
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    body, kind = bodies(args.steps, args.features, packed=args.packed)
    with tempfile.TemporaryDirectory() as folder:
        environ = with_own_folders(Path(folder)) | {"METABONK_HTTP_TOKEN": TOKEN}
        command = [
            sys.executable,
            "-m",
            "agent",
            "play",
            "--game",
            "arena",
            "--policy",
            "kiter",
            "--http-port",
            "0",
            "--no-open-page",
        ]
        with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            port = next(int(m[1]) for line in server.stderr if (m := re.search(r"127\.0\.0\.1:(\d+)/", line)))
            try:
                result = asyncio.run(measure(port, args.pushes, body, kind))
            finally:
                server.terminate()
                server.stderr.read()
    publish("push_rollout", {"steps": args.steps, "features": args.features, **result}, args.out)


if __name__ == "__main__":
    main()
