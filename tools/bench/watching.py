"""What watching costs play, and what one game's costly pictures cost another.

    python -m tools.bench.watching [--blocks 5] [--seconds 12] [--only readers pictures] [--out FILE]

`readers`: one session of the shipped pilot with eight games, in which 100 episodes have finished. Blocks without
readers and blocks in which four readers ask for `/status` 20 times a second each, in turns. Each game is asked what
share of its packets was answered, and how soon; differences have 95 % intervals, bootstrapped over neighbouring blocks.
`loop_ms`: how long one turn of a snapshot held the loop, the longest of its turns; `loop_cpu_ms`: the loop's processor
time in that turn, which other processes do not lengthen. Processor time of the agent for each response is beside them.
`pictures`: two games. One sends ordinary pictures; the other ordinary ones and progressive ones of 3000 × 3000 pixels,
in turns. The games are tests/integration/foreign_game.py in processes of their own, 60 packets a second; readers are in
this one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from agent.core.statistics import paired_difference
from tools.bench._result_file import ROOT, publish
from tools.bench.latency import _ports, foreign_game, picture

GAMES, READERS, READER_HZ = 8, 4, 20.0
EPISODES = 104
WARM_S = 3.0
Block = dict[str, Any]


class Turns:
    """What the turns of each snapshot took."""

    def __init__(self) -> None:
        self._took: dict[str, list[tuple[float, float]]] = {}

    def timed(self, turn: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, timed under the name of its turn: by the clock, and in the thread's processor time."""
        took = self._took.setdefault(turn, [])

        def timed(*given: Any) -> Any:
            began_s, began_cpu_s = time.perf_counter(), time.thread_time()
            found = call(*given)
            took.append((1e3 * (time.perf_counter() - began_s), 1e3 * (time.thread_time() - began_cpu_s)))
            return found

        return timed

    def longest(self) -> dict[str, list[float]]:
        """`took_ms` and `cpu_ms`: of each snapshot its longest turn; the report's own snapshot is left out."""
        snapshots = list(zip(*self._took.values(), strict=False))
        return {
            name: [max(turn[i] for turn in each) for each in snapshots] for i, name in enumerate(("took_ms", "cpu_ms"))
        }


def run_agent(ports: Sequence[int], out: Path) -> None:
    """The shipped pilot until this process is told to stop; prints the page's port, writes what snapshots took."""
    from agent.app import build_session
    from agent.control.motor import Motor, pilot_tensors
    from agent.control.policies import SHIPPED
    from agent.core.clock import SystemClock
    from agent.http import snapshots
    from agent.link.endpoint import Endpoint
    from agent.session.loop import new_event_loop
    from agent.session.options import SessionOptions

    endpoints = tuple(Endpoint("127.0.0.1", port) for port in ports)
    options = SessionOptions(
        endpoints=endpoints, names=tuple(f"game {i}" for i in range(len(ports))), http_port=0, http_token="t" * 43,
        game="foreign", on_http=lambda port: print(port, flush=True),
    )  # fmt: skip
    turns = Turns()

    async def run() -> dict[str, Any]:
        session = build_session(options, Motor(pilot_tensors(SHIPPED)), SystemClock())
        session.status.built = turns.timed("built", session.status.built)  # type: ignore[method-assign]
        snapshots.without_folders = turns.timed("shortened", snapshots.without_folders)
        return await session.run()

    with asyncio.Runner(loop_factory=lambda: new_event_loop(endpoints)) as runner:
        report = runner.run(run())
    games = [{"name": g["name"], "frames_refused": g["link"]["frames_refused"]} for g in report["games"]]
    out.write_text(json.dumps({**turns.longest(), "games": games}), encoding="utf-8")


class Readers:
    """Threads that ask for the status, while they are let."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._asks, self._ends = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(i,), daemon=True) for i in range(READERS)]
        self.took_ms: list[float] = []
        for thread in self._threads:
            thread.start()

    def _read(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        due_s = time.monotonic() + number / READERS / READER_HZ
        while not self._ends.is_set():
            if not self._asks.wait(0.1):
                due_s = time.monotonic() + number / READERS / READER_HZ
                continue
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s += 1 / READER_HZ
            began_s = time.monotonic()
            connection.request("GET", "/status")
            connection.getresponse().read()
            self.took_ms.append(1e3 * (time.monotonic() - began_s))

    def let(self, ask: bool) -> None:
        """Begin to ask, or rest."""
        if ask:
            self._asks.set()
        else:
            self._asks.clear()

    def close(self) -> None:
        """End the threads."""
        self._ends.set()
        for thread in self._threads:
            thread.join()


def block_of(seen: list[dict[str, Any]], begin_s: float, end_s: float) -> Block:
    """What the games saw of the packets that they sent between two instants."""
    sent = sum(int(begin_s <= at_s < end_s) for game in seen for at_s in game["sent_each"])
    took_ms = [ms for game in seen for at_s, ms in game["each"] if begin_s <= at_s < end_s]
    p50, p99 = np.percentile(took_ms, (50, 99))
    return {
        "packets": sent, "answered_share": round(len(took_ms) / sent, 5),
        "p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3),
    }  # fmt: skip


def compare(without: list[Block], with_: list[Block]) -> dict[str, Any]:
    """Medians of both, and the mean differences with their intervals."""
    found: dict[str, Any] = {}
    for key in ("answered_share", "p50_ms", "p99_ms"):
        one, two = [b[key] for b in with_], [b[key] for b in without]
        difference = paired_difference(one, two)
        found[key] = {
            "without": round(float(np.median(two)), 5), "with": round(float(np.median(one)), 5),
            **{name: round(getattr(difference, part), 5) for name, part in
               (("difference", "value"), ("low", "low"), ("high", "high"))},
        }  # fmt: skip
    return found


def _agent(ports: Sequence[int], out: Path) -> tuple[psutil.Popen, int]:
    """The agent's process, and the page's port."""
    command = [sys.executable, "-m", "tools.bench.watching", "--agent", *map(str, ports), "--out", str(out)]
    agent = psutil.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while True:
        line = agent.stdout.readline()
        if not line:
            raise SystemExit(f"the agent ended with {agent.wait()}")
        if line.strip().isdigit():
            return agent, int(line)


def _ended(agent: psutil.Popen, out: Path) -> dict[str, Any]:
    agent.terminate()
    agent.wait(60)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def _episodes(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=60) as reply:
        return int(json.loads(reply.read())["episodes"]["count"])


def readers(blocks: int, seconds: float, games: int = GAMES, episodes: int = EPISODES) -> dict[str, Any]:
    """Blocks without and with readers, in turns, in one session."""
    with tempfile.TemporaryDirectory() as name:
        folder, ports, spans, cpu_s = Path(name), _ports(games), [], []
        flags = ("--each", "--ends", str(-(-episodes // games)), "--end-every", "30")
        with foreign_game(ports, picture(folder), flags) as finish:
            agent, port = _agent(ports, folder / "agent.json")
            while (count := _episodes(port)) < episodes:
                time.sleep(0.5)
            asking = Readers(port)
            time.sleep(WARM_S)
            for k in range(2 * blocks):
                asking.let(k % 2 == 1)
                before, began_s = agent.cpu_times(), time.monotonic()
                time.sleep(seconds)
                now = agent.cpu_times()
                spans.append((began_s, time.monotonic()))
                cpu_s.append(now.user + now.system - before.user - before.system)
            asking.close()
            seen = finish()
            inside = _ended(agent, folder / "agent.json")
    found = [block_of(seen, *span) for span in spans]
    asked = len(asking.took_ms)
    return {
        "games": games, "readers": READERS, "reader_hz": READER_HZ, "episodes": count, "responses": asked,
        **compare(found[::2], found[1::2]), "blocks": found,
        "cpu_ms_a_response": round(1e3 * (sum(cpu_s[1::2]) - sum(cpu_s[::2])) / asked, 3),
        "snapshots": len(inside["took_ms"]),
        "loop_ms": {f"p{p}": round(float(np.percentile(inside["took_ms"], p)), 3) for p in (50, 99, 100)},
        "loop_cpu_ms": {f"p{p}": round(float(np.percentile(inside["cpu_ms"], p)), 3) for p in (50, 99, 100)},
        "response_ms": {f"p{p}": round(float(np.percentile(asking.took_ms, p)), 2) for p in (50, 99)},
    }  # fmt: skip


def costly(folder: Path) -> Path:
    """A progressive JPEG of 3000 × 3000 pixels, ten scans."""
    import cv2

    coarse = np.random.default_rng(0).integers(0, 255, (150, 150, 3)).astype(np.uint8)
    path = folder / "costly.jpg"
    _, data = cv2.imencode(".jpg", coarse.repeat(20, 0).repeat(20, 1), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    path.write_bytes(data.tobytes())
    return path


def pictures(blocks: int, seconds: float) -> dict[str, Any]:
    """Two games in two processes: one sends ordinary pictures, the other ordinary or costly ones in turns."""
    found: list[Block] = []
    refused: list[Any] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for k in range(2 * blocks):
            ports, frame = _ports(2), picture(folder) if k % 2 == 0 else costly(folder)
            with (
                foreign_game(ports[:1], picture(folder), ("--each",)) as finish,
                foreign_game(ports[1:], frame, ()) as finish_other,
            ):
                agent, _ = _agent(ports, folder / "agent.json")
                time.sleep(WARM_S)
                began_s = time.monotonic()
                time.sleep(seconds)
                span = began_s, time.monotonic()
                found.append(block_of(finish(), *span))
                finish_other()
                refused.append(_ended(agent, folder / "agent.json")["games"][1]["frames_refused"])
    return {**compare(found[::2], found[1::2]), "blocks": found, "refused": refused}


def main() -> None:
    """Both, or the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--only", nargs="+", choices=("readers", "pictures"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--agent", type=int, nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.agent:
        run_agent(args.agent, args.out)
        return
    wanted = args.only or ["readers", "pictures"]
    result: dict[str, Any] = {"hz": 60, "seconds": args.seconds}
    if "readers" in wanted:
        result["watching"] = readers(args.blocks, args.seconds)
    if "pictures" in wanted:
        result["pictures"] = pictures(max(1, args.blocks // 2), args.seconds / 2)
    publish("watching", result, args.out)


if __name__ == "__main__":
    main()
