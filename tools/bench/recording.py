"""What recording costs play, and what a kill costs a recording.

    python -m tools.bench.recording [--rounds 4] [--clip-rounds 4] [--seconds 20] [--kills 200] [--sessions 20]
        [--seed 0] [--out FILE]

`cost`: one game process with two ports, half a period apart, 60 packets a second and a picture in six; `play` that
records answers one, `play --no-record` the other, ports exchanged each round. Differences of p50 and p99 have 95 %
intervals, bootstrapped over blocks of one second; `cpu_share` is each agent's processor time by its wall time.
`clips`: the same, but both agents record, and one is asked for a clip each second; how long each took.
`writers`: processes that only record are killed at random; each says what it has committed. `sessions`: `play` is
killed at random while it records; lost is what arrived within how many milliseconds before the kill. Each recording
is recovered, read again, and its records compared with what was handed over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from agent.core.clock import SystemClock
from agent.journal.journal import Journal
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, PacketRecord, SessionHeader
from agent.journal.recover import recover_all
from tools.bench._own_folders import with_own_folders
from tools.bench._result_file import ROOT, publish
from tools.bench.latency import SHARES, FloatArray, _ports, _watched, blocks_of, foreign_game, picture

TOKEN = "b" * 43
SIZE_BYTES = 25_000
"""Of a packet with a picture of 320 × 180."""


def play(port: int, words: Sequence[str], folder: Path) -> psutil.Popen:
    """An agent of its own process that answers the game at this port, and keeps what it does below `folder`."""
    command = [sys.executable, "-m", "agent", "play", "--game", f"bonklink://127.0.0.1:{port}"]
    return psutil.Popen(
        [*command, "--policy", "pilot", "--no-learn", *words], cwd=ROOT,
        env=with_own_folders(folder) | {"METABONK_HTTP_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _cpu_of(agents: Sequence[psutil.Popen]) -> list[float]:
    """Watch both agents until they end; processor seconds of each by the wall seconds that it lived."""
    used, began_s = [0.0] * len(agents), time.monotonic()
    while any(agent.poll() is None for agent in agents):
        for k, agent in enumerate(agents):
            with contextlib.suppress(psutil.Error):
                times = agent.cpu_times()
                used[k] = times.user + times.system
        time.sleep(0.2)
    for agent in agents:
        _watched(agent)
    return [share / (time.monotonic() - began_s) for share in used]


def cost(rounds: int, seconds: float, seed: int) -> dict[str, Any]:
    """Play that records beside play that does not."""
    return _compared(
        rounds, seconds, seed, ("recording", "without"), (["--no-http", "--record"], ["--no-http", "--no-record"])
    )


def clips(rounds: int, seconds: float, seed: int) -> dict[str, Any]:
    """Play that is asked for clips beside play that is not; both record."""
    ready_s: list[float] = []
    port, other = _ports(2)

    @contextlib.contextmanager
    def asking() -> Iterator[None]:
        """Ask for a clip each second, once the session answers."""
        over = threading.Event()
        thread = threading.Thread(target=_ask, args=(port, over, ready_s), daemon=True)
        thread.start()
        yield
        over.set()
        thread.join()

    asked, other_words = (
        ["--record", "--no-open-page", "--http-port", str(port)],
        ["--record", "--no-open-page", "--http-port", str(other)],
    )
    result = _compared(rounds, seconds, seed, ("with_clips", "without"), (asked, other_words), asking)
    taken = {"median": round(float(np.median(ready_s)), 4), "max": round(max(ready_s), 4)}
    return {**result, "clips": len(ready_s), "ready_s": taken}


def _ask(port: int, over: threading.Event, ready_s: list[float]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/clip", b'{"seconds": 30}',
        {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
    )  # fmt: skip
    while not over.wait(1.0):
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10) as reply:
            ready_s.append(json.loads(reply.read())["ready_s"])


def _compared(
    rounds: int, seconds: float, seed: int, names: tuple[str, str], words: tuple[Sequence[str], Sequence[str]],
    meanwhile: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> dict[str, Any]:  # fmt: skip
    """Two agents beside each other at one game with two ports, which they exchange each round."""
    blocks: list[list[FloatArray]] = []
    shares = []
    for k in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder, ports, mine = Path(name), _ports(2), k % 2
            with foreign_game(ports, picture(folder), ("--each", "--seed", str(seed + k))) as finish:
                agents = [
                    play(ports[at], ["--seconds", str(seconds), *more], folder / f"{at}")
                    for at, more in zip((mine, 1 - mine), words, strict=True)
                ]
                with meanwhile():
                    shares.append(_cpu_of(agents))
                seen = finish()
            blocks += blocks_of([seen[mine]["each"], seen[1 - mine]["each"]])
    result: dict[str, Any] = {"rounds": rounds, "seconds": seconds, **differences(blocks, names, seed)}
    result["cpu_share"] = {
        name: round(share, 4) for name, share in zip(names, np.median(np.array(shares), axis=0), strict=True)
    }
    return result


def differences(blocks: list[list[FloatArray]], names: tuple[str, str], seed: int) -> dict[str, Any]:
    """Percentiles of two agents beside each other, ms, and the differences with their 95 % intervals."""
    rng = np.random.default_rng(seed)

    def percentiles(chosen: Sequence[list[FloatArray]]) -> FloatArray:
        return np.array([np.percentile(np.concatenate([b[side] for b in chosen]), SHARES) for side in (0, 1)])

    found = percentiles(blocks)
    drawn = [percentiles([blocks[i] for i in rng.integers(len(blocks), size=len(blocks))]) for _ in range(2000)]
    spread = np.array([each[0] - each[1] for each in drawn])
    low, high = np.percentile(spread, (2.5, 97.5), axis=0)
    result: dict[str, Any] = {"blocks": len(blocks)}
    for k, share in enumerate(SHARES):
        result[f"p{share}_ms"] = {name: round(found[side, k], 4) for side, name in enumerate(names)}
        result[f"p{share}_difference_ms"] = {
            "value": round(found[0, k] - found[1, k], 4), "low": round(low[k], 4), "high": round(high[k], 4),
        }  # fmt: skip
    return result


def _body(number: int) -> bytes:
    return number.to_bytes(8, "little") * (SIZE_BYTES // 8)


def record(folder: Path) -> None:
    """Record numbered packets until killed, saying after each commit how many are on the disk."""
    clock = SystemClock()
    header = SessionHeader(
        session="kill", program="bench", game="none", games=("none",), policy="none", seed=0, real_time=True,
        learns=False, asks_chooser=False, off_policy=False, began_utc_ns=clock.wall_utc_ns(), began_s=clock.now_s(),
    )  # fmt: skip
    journal, number, said = Journal(folder, header, clock), 0, 0
    journal.begin()
    while True:
        number += 1
        now_s = clock.now_s()
        journal.offer(PacketRecord(0, number, now_s, _body(number), b""), now_s)
        if journal.written > said:
            said = journal.written
            print(said, flush=True)
        time.sleep(0.002)


def writers(kills: int, seed: int) -> dict[str, Any]:
    """Kill recording processes at random instants."""
    rng, lost, wrong, records, slowest_s = random.Random(seed), 0, 0, 0, 0.0
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "a"
            command = [sys.executable, "-m", "tools.bench.recording", "--record", str(folder)]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                committed = int(child.stdout.readline())
                time.sleep(rng.uniform(0.0, 0.6))
                child.kill()
                committed = max([committed, *map(int, child.stdout.read().splitlines())])
            began_s = time.monotonic()
            recover_all(Path(name))
            slowest_s = max(slowest_s, time.monotonic() - began_s)
            kept = [item.record for item in records_of(folder)]
            right = [
                k.number for k in kept if isinstance(k, PacketRecord) and k.state[:8] == k.number.to_bytes(8, "little")
            ]
            wrong += right != list(range(1, len(kept) + 1))
            lost += max(0, committed - len(kept))
            records += len(kept)
    return {
        "kills": kills, "records": records, "committed_lost": lost, "recordings_wrong": wrong,
        "slowest_recovery_s": round(slowest_s, 3),
    }  # fmt: skip


def sessions(kills: int, seed: int) -> dict[str, Any]:
    """Kill `play` at random while it records a game of another process."""
    rng, losses_ms, gaps = random.Random(seed), [], 0
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as name:
            folder, ports = Path(name), _ports(1)
            recordings = folder / "recordings"
            with foreign_game(ports, picture(folder), ("--each",)):
                agent = play(ports[0], ["--no-http", "--record"], folder)
                while not list(recordings.glob("*/segment-*")) and agent.poll() is None:
                    time.sleep(0.05)
                time.sleep(rng.uniform(1.5, 4.0))
                agent.kill()
                killed_s = SystemClock().now_s()
                agent.wait()
                if agent.stderr is not None:
                    agent.stderr.close()
            recover_all(recordings)
            (session,) = {found.parent for found in recordings.glob("*/segment-*")}
            kept = [item.record for item in records_of(session)]
            numbers = [k.number for k in kept if isinstance(k, PacketRecord)]
            gaps += numbers != list(range(1, len(numbers) + 1))
            last_s = max(k.received_at_s for k in kept if isinstance(k, PacketRecord | DecisionRecord))
            losses_ms.append((killed_s - last_s) * 1e3)
    return {
        "kills": kills, "recordings_with_gaps": gaps, "lost_ms": {
            "median": round(float(np.median(losses_ms)), 1), "max": round(max(losses_ms), 1),
        },
    }  # fmt: skip


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--clip-rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.record is not None:
        record(args.record)
    parts = {
        "cost": (args.rounds, lambda: cost(args.rounds, args.seconds, args.seed)),
        "clips": (args.clip_rounds, lambda: clips(args.clip_rounds, args.seconds, args.seed)),
        "writers": (args.kills, lambda: writers(args.kills, args.seed)),
        "sessions": (args.sessions, lambda: sessions(args.sessions, args.seed)),
    }
    found: dict[str, Any] = dict.fromkeys(parts)
    try:
        for name, (count, measure) in parts.items():
            found[name] = measure() if count else None
    finally:  # what an hour earned is written also where the next part fails
        publish("recording", found, args.out)


if __name__ == "__main__":
    main()
