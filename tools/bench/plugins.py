"""The plugins' C# against the agent, without the game: the full sizes of what the tests check small.

    python -m tools.bench.plugins [play] [malformed] [kills] [replay] [lock-step] [--out FILE]

play: the agent on the scripted world at 60 Hz for 30 s over TCP. malformed: 1,000,000 actions, most of them broken.
kills: 50 clients killed at random. replay: 100,000 steps twice from one seed. lock-step: steps a second over shared
memory at 84×84. Without names, all of them. The C# compiler is fetched by tools/scripts/csharp.py.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.bench._own_folders import with_own_folders
from tools.bench._result_file import publish
from tools.scripts import csharp
from tools.scripts.csharp import Toolchain

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from agent.core.clock import SystemClock  # noqa: E402
from agent.core.types import Action  # noqa: E402
from agent.link.research import ResearchAddress, ResearchClient  # noqa: E402
from agent.link.wire import encode_action  # noqa: E402


class Host:
    """A `host` process with its line of questions and answers."""

    def __init__(self, toolchain: Toolchain, built: Path, *arguments: str) -> None:
        command = [str(toolchain.dotnet), "exec", str(built / "host.dll"), *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, env=toolchain.environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        self.hello = self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send one command; returns the report that answers it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command or {"get": True}) + "\n")
        self.process.stdin.flush()
        return self._read()

    @property
    def port(self) -> int:
        return int(self.hello["listens"].rpartition(":")[2])

    def stop(self) -> list[str]:
        """End the process; returns its log."""
        _, errors = self.process.communicate('{"stop": true}\n', timeout=20)
        if self.process.returncode != 0:
            raise RuntimeError(f"the host ended with {self.process.returncode}: {errors}")
        return errors.splitlines()


def play(toolchain: Toolchain, built: Path, seconds: float, folder: Path) -> dict[str, Any]:
    """The agent's `play` on the scripted world; what its report and the world say."""
    host = Host(toolchain, built, "link")
    report = folder / "report.json"
    command = [
        sys.executable, "-m", "agent", "play", "--game", f"bonklink://127.0.0.1:{host.port}", "--policy", "kiter",
        "--seconds", str(seconds), "--no-http", "--report", str(report),
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, env=with_own_folders(folder), stderr=subprocess.PIPE, check=True)
    world = host.ask()
    host.stop()
    result = json.loads(report.read_text(encoding="utf-8"))
    link = result["games"][0]["link"]
    return {
        "seconds": seconds,
        "packets_per_s": round(link["received"] / seconds, 1),
        "acted_share": round(link["acted"] / link["received"], 4),
        "corrupt": link["corrupt"],
        "closed": link["closed"],
        "frames": link["frames"],
        "frames_refused": sum(result["games"][0].get("frames_refused", {}).values()),
        "world_time_s": round(world["time_s"], 1),
        "kills": world["kills"],
        "latency_ms": result.get("latency", {}).get("frame_to_action", {}),
        "host_longest_gap_s": round(world["longest_gap_s"], 4),
    }


def _broken(rng: random.Random) -> tuple[bytes, str]:
    """One action of a kind that is drawn, with what the server must count it as."""
    good = encode_action(Action((rng.uniform(-1, 1), 0.5), (0, 0), bool(rng.getrandbits(1))))[4:]
    kind = rng.randrange(8)
    if kind == 0:
        return struct.pack("<i", len(good)) + good, "valid"
    if kind == 1:
        size = rng.randrange(1, 20)
        return struct.pack("<i", size) + good[:size], "malformed"
    if kind == 2:
        wild = struct.pack("<f", float(rng.choice(("nan", "inf", "-inf"))))
        return struct.pack("<i", 20) + wild + good[4:], "malformed"
    if kind == 3:
        return struct.pack("<i", 20) + good[:19] + b"\1", "malformed"
    if kind == 4:
        size = rng.randrange(1024, 1200)
        return struct.pack("<i", size) + rng.randbytes(size), "oversized"
    extra = rng.randrange(1, 64)
    body = good[:19] + b"\0" + rng.randbytes(extra)
    return struct.pack("<i", len(body)) + body, "valid"


def malformed(toolchain: Toolchain, built: Path, count: int) -> dict[str, Any]:
    """Send `count` actions, most of them broken, cut anywhere, over one connection."""
    host = Host(toolchain, built, "link", "--frame-hz", "0")
    rng = random.Random(7)
    blocks: list[tuple[bytes, dict[str, int]]] = []
    for _ in range(20):
        sums = {"valid": 0, "malformed": 0, "oversized": 0}
        parts = []
        for _ in range(1000):
            data, kind = _broken(rng)
            parts.append(data)
            sums[kind] += 1
        blocks.append((b"".join(parts), sums))
    total = {"valid": 0, "malformed": 0, "oversized": 0}
    with socket.create_connection(("127.0.0.1", host.port)) as client:
        drain = threading.Thread(target=_drain, args=(client,), daemon=True)
        drain.start()
        client.sendall(blocks[0][0])
        time.sleep(0.3)
        _add(total, blocks[0][1])
        before = host.ask(memory=True)
        start = time.perf_counter()
        for number in range(1, count // 1000):
            data, sums = blocks[number % len(blocks)]
            cut = rng.randrange(len(data))
            client.sendall(data[:cut])
            client.sendall(data[cut:])
            _add(total, sums)
        seconds = time.perf_counter() - start
        arrived = False
        for _ in range(40):
            client.sendall(encode_action(Action(move=(0.125, -0.5))))
            total["valid"] += 1
            time.sleep(0.03)
            if arrived := host.ask()["action"]["move"] == [0.125, -0.5]:
                break
        after = host.ask(memory=True)
        client.shutdown(socket.SHUT_RDWR)
    time.sleep(0.3)
    closed = host.ask()
    log = host.stop()
    faults = [line for line in log if "Exception" in line or "impossible" in line]
    return {
        "sent": count,
        "actions_per_s": round(count / seconds),
        "valid_sent": total["valid"],
        "malformed_sent": total["malformed"],
        "oversized_sent": total["oversized"],
        "actions": closed["actions"],
        "malformed": closed["malformed"],
        "oversized": closed["oversized"],
        "last_action_arrived": arrived,
        "managed_bytes_growth": after["managed_bytes"] - before["managed_bytes"],
        "working_set_growth_bytes": after["working_set_bytes"] - before["working_set_bytes"],
        "log_lines_of_faults": len(faults),
    }


def _add(total: dict[str, int], more: dict[str, int]) -> None:
    for key, value in more.items():
        total[key] += value


def _drain(client: socket.socket) -> None:
    try:
        while client.recv(1 << 20):
            pass
    except OSError:
        return


_VICTIM = """
import socket, sys, time
from agent.core.types import Action
from agent.link.wire import encode_action
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
data = encode_action(Action(move=(1.0, 0.0), fire=True))
print("up", flush=True)
while True:
    client.sendall(data)
    client.recv(1 << 18)
"""


def kills(toolchain: Toolchain, built: Path, count: int, seed: int) -> dict[str, Any]:
    """Kill or stop `count` clients at random instants; how long the game's ticks and their last action lasted."""
    host = Host(toolchain, built, "link")
    host.ask(set={"current_menu": ""})
    rng, latest, gaps = random.Random(seed), 0.0, []
    for number in range(count):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, str(host.port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout is not None
        victim.stdout.readline()
        time.sleep(rng.uniform(0.1, 0.4))
        stopped = number % 3 == 2
        os.kill(victim.pid, signal.SIGSTOP if stopped else signal.SIGKILL)
        killed = time.perf_counter()
        while host.ask()["neutral_run"] == 0 and time.perf_counter() - killed < 5:
            time.sleep(0.005)
        latest = max(latest, time.perf_counter() - killed)
        victim.kill()
        victim.communicate()
        gaps.append(host.ask()["longest_gap_s"])
    report = host.ask()
    host.stop()
    return {
        "kills": count,
        "clients": report["clients"],
        "longest_gap_s": round(max(gaps), 4),
        "longest_hold_s": round(report["longest_hold_s"], 4),
        "neutral_seen_from_outside_s": round(latest, 4),
        "ticks": report["ticks"],
    }


def replay(toolchain: Toolchain, built: Path, steps: int) -> dict[str, Any]:
    """The same seed twice through the stepper and the scripted world."""
    results = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                toolchain.dotnet, "exec", built / "host.dll", "replay", "--dir", folder, "--seed", "3",
                "--steps", str(steps),
            ]  # fmt: skip
            done = subprocess.run(command, env=toolchain.environment(), capture_output=True, text=True, check=True)
            results.append(json.loads(done.stdout))
    return {
        "steps": steps,
        "equal": results[0]["hash"] == results[1]["hash"],
        "hash": results[0]["hash"],
        "episodes": results[0]["episodes"],
    }


def lock_step(toolchain: Toolchain, built: Path, steps: int, repeats: int = 7) -> dict[str, Any]:
    """Steps a second of Python's client with the C# stepper over shared memory at 84×84."""
    with tempfile.TemporaryDirectory() as folder:
        host = Host(toolchain, built, "research", "--dir", folder)
        rates = []
        with ResearchClient(ResearchAddress(0, folder), SystemClock()) as client:
            client.reset()
            for _ in range(repeats):
                start = time.perf_counter()
                for number in range(steps):
                    if client.step(Action((1.0, -1.0), fire=number % 50 == 0)).done:
                        client.reset()
                rates.append(steps / (time.perf_counter() - start))
        host.stop()
    return {
        "steps_per_s_median": round(statistics.median(rates)),
        "steps_per_s_all": [round(r) for r in rates],
        "size": "84x84",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    toolchain = csharp.find()
    csharp.install(toolchain)
    with tempfile.TemporaryDirectory() as work:
        built = Path(work) / "built"
        csharp.build(toolchain, built)
        cases: dict[str, Callable[[], dict[str, Any]]] = {
            "play": lambda: play(toolchain, built, 30.0, Path(work)),
            "malformed": lambda: malformed(toolchain, built, 1_000_000),
            "kills": lambda: kills(toolchain, built, 50, seed=4),
            "replay": lambda: replay(toolchain, built, 100_000),
            "lock-step": lambda: lock_step(toolchain, built, 2000),
        }
        unknown = set(args.names) - set(cases)
        if unknown:
            parser.error(f"{', '.join(unknown)}: there are {', '.join(cases)}")
        publish("bench_plugins", {name: cases[name]() for name in args.names or cases}, args.out)


if __name__ == "__main__":
    main()
