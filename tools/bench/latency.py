"""Frame→action latency as a game that knows nothing of the agent sees it: its own process, 60 packets a second.

    python -m tools.bench.latency [--seconds 20] [--policy pilot] [--out docs/results/latency.json]

One line of the result for each case: the policy against one game and against eight, and two that cannot be faked: a
policy that returns a nonce of the observed position (`nonce`), and one that sleeps 30 ms (`sleeper`). The game is
tests/integration/foreign_game.py; the agent is `python -m agent play`, or for the two, this file with `--agent`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from agent.control.policy import Policy
from agent.core.types import Action, Observation
from tools.bench._result_file import ROOT, publish

FOREIGN = ROOT / "tests" / "integration" / "foreign_game.py"
SLEEP_S = 0.03


class ProofPolicy:
    """Answers with the observed position as `move`, after sleeping `sleep_s`."""

    name = "proof"

    def __init__(self, sleep_s: float) -> None:
        self._sleep_s = sleep_s

    def warm_up(self) -> None:
        """Nothing is slow here."""

    def initial(self, games: int) -> None:
        """No memory."""

    def step(self, carry: None, observations: Sequence[Observation | None]) -> tuple[None, list[Action | None]]:
        """One action for each observation."""
        if self._sleep_s:
            time.sleep(self._sleep_s)
        return None, [
            None if o is None else Action(move=(o.state.position[0], 0.0), answers=o.sequence) for o in observations
        ]


def run_policy(policy: Policy, ports: Sequence[int], seconds: float, report: Path) -> None:
    """The agent's runtime with a policy that is made here."""
    from agent.app import Session, SessionOptions, new_event_loop
    from agent.core.clock import SystemClock
    from agent.link.endpoint import Endpoint

    endpoints = tuple(Endpoint("127.0.0.1", port) for port in ports)
    options = SessionOptions(
        endpoints=endpoints,
        names=tuple(f"game {p}" for p in ports),
        seconds=seconds,
        report=report,
        http_port=None,
        game="foreign",
    )
    with asyncio.Runner(loop_factory=lambda: new_event_loop(endpoints)) as runner:
        runner.run(Session(options, policy, SystemClock()).run())


def picture(folder: Path) -> Path:
    """A JPEG of 320 × 180 with something in it."""
    import numpy as np
    import simplejpeg

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (18, 32, 3)).astype(np.uint8)
    path = folder / "picture.jpg"
    path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(coarse.repeat(10, 0).repeat(10, 1)), quality=75))
    return path


def agent_command(policy: str, ports: Sequence[int], seconds: float, report: Path) -> list[str]:
    if policy in ("nonce", "sleeper"):
        return [
            sys.executable, "-m", "tools.bench.latency",
            "--agent", policy, "--ports", *map(str, ports), "--seconds", str(seconds),
            "--out", str(report),
        ]  # fmt: skip
    return [
        sys.executable, "-m", "agent", "play", "--game", f"bonklink://127.0.0.1:{ports[0]}", "--games", str(len(ports)),
        "--policy", policy, "--seconds", str(seconds), "--report", str(report), "--no-http",
        "--no-learn",
    ]  # fmt: skip


def _ports(games: int) -> list[int]:
    """Adjacent free ports."""
    import socket

    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + games > 65_000:
            continue
        taken = []
        try:
            for port in range(first, first + games):
                probe = socket.socket()
                taken.append(probe)
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        else:
            return list(range(first, first + games))
        finally:
            for probe in taken:
                probe.close()


Command = Callable[[str, Sequence[int], float, Path], list[str]]


def case(
    policy: str, games: int, seconds: float, flags: Sequence[str] = (), command: Command = agent_command
) -> dict[str, Any]:
    """Run one agent against `games` foreign games; what each side reports. `command` starts the agent."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = folder / "report.json"
        ports = _ports(games)
        foreign = subprocess.Popen(
            [sys.executable, str(FOREIGN), "--ports", *map(str, ports), "--seconds", "3600", "--frame",
             str(picture(folder)), *flags],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert foreign.stdout is not None
        foreign.stdout.readline()
        agent = psutil.Popen(
            command(policy, ports, seconds, report), cwd=ROOT, env=os.environ, stderr=subprocess.PIPE, text=True
        )
        largest = 0
        while agent.poll() is None:
            try:
                largest = max(largest, agent.memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.25)
        with agent.stderr:
            errors = agent.stderr.read()
        foreign.terminate()
        out, _ = foreign.communicate(timeout=20)
        if agent.returncode != 0:
            raise SystemExit(f"the agent failed with {agent.returncode}:\n{errors}")
        seen = json.loads(out.splitlines()[-1])
        return {
            "policy": policy,
            "games": games,
            "seen_by_game": _join(seen),
            "agent": json.loads(report.read_text(encoding="utf-8")),
            "rss_mb": round(largest / 2**20),
        }


def _join(seen: list[dict[str, Any]]) -> dict[str, Any]:
    """All games of a case in one: sums of counts, medians over games, worst p99."""
    sent, answered = sum(g["packets"] for g in seen), sum(g["answered"] for g in seen)
    return {
        "packets": sent,
        "answered_share": round(answered / max(1, sent), 5),
        "p50_ms": sorted(g["p50_ms"] for g in seen)[len(seen) // 2],
        "p99_ms": max(g["p99_ms"] for g in seen),
        "max_ms": max(g["max_ms"] for g in seen),
        "nonce_wrong": sum(g["nonce_wrong"] for g in seen),
    }


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """What a case is quoted with."""
    agent = result["agent"]
    return {
        **{k: result[k] for k in ("policy", "games", "rss_mb")},
        **result["seen_by_game"],
        "first_action_s": agent["first_action_s"],
        "deadline_missed": agent["deadline_missed"],
    }


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--policy", default="pilot")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--agent", choices=("nonce", "sleeper"), help=argparse.SUPPRESS)
    parser.add_argument("--ports", type=int, nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.agent:
        proof = ProofPolicy(SLEEP_S if args.agent == "sleeper" else 0.0)
        run_policy(proof, args.ports, args.seconds, args.out)
        return
    cases = [(args.policy, 1, ()), (args.policy, 8, ()), ("nonce", 1, ("--nonce",)), ("sleeper", 1, ("--nonce",))]
    results = [summary(case(policy, games, args.seconds, flags)) for policy, games, flags in cases]
    publish("latency", {"hz": 60, "seconds": args.seconds, "cases": results}, args.out)


if __name__ == "__main__":
    main()
