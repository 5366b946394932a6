"""Frame→action latency as a game that knows nothing of the agent sees it: its own process, 60 packets a second.

    python -m tools.bench.latency [--policy pilot] [--seconds 20] [--rounds 4] [--only NAME …] [--out FILE]

`side_by_side`: one game process with two ports, half a period apart. The agent answers one; a client that only decodes
and answers (`_latency_floor`) answers the other, so noise of the machine meets both. The ratios of p50 and of p99 have
95 % intervals, bootstrapped over blocks of one second. Then the policy with 1, 8 and 16 games, and two that cannot be
faked: a policy that returns a nonce of the observed position (`nonce`), and one that sleeps 30 ms (`sleeper`). The game
is tests/integration/foreign_game.py; the agent is `python -m agent play`, or for the two, this file with `--agent`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from agent.control.policy import Policy
from agent.core.types import Action, Observation
from tools.bench._own_folders import with_own_folders
from tools.bench._result_file import ROOT, publish

FOREIGN = ROOT / "tests" / "integration" / "foreign_game.py"
SLEEP_S = 0.03
WARM_UP_S = 1.0
BLOCK_S = 1.0
SHARES = (50, 99)
FloatArray = NDArray[np.float64]


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
    from agent.app import build_session
    from agent.core.clock import SystemClock
    from agent.link.endpoint import Endpoint
    from agent.session.loop import new_event_loop
    from agent.session.options import SessionOptions

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
        runner.run(build_session(options, policy, SystemClock()).run())


def picture(folder: Path) -> Path:
    """A JPEG of 320 × 180 with something in it."""
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
Finish = Callable[[], list[dict[str, Any]]]


@contextlib.contextmanager
def foreign_game(
    ports: Sequence[int], frame: Path, flags: Sequence[str]
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """A game process that serves these ports; what is yielded ends it and returns its report."""
    command = [sys.executable, str(FOREIGN), "--ports", *map(str, ports), "--seconds", "3600", "--frame", str(frame)]
    with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()

        def finish() -> list[dict[str, Any]]:
            process.terminate()
            out, _ = process.communicate(timeout=60)
            seen: list[dict[str, Any]] = json.loads(out.splitlines()[-1])
            return seen

        try:
            yield finish
        finally:
            process.kill()


def case(
    policy: str, games: int, seconds: float, flags: Sequence[str] = (), command: Command = agent_command
) -> dict[str, Any]:
    """Run one agent against `games` foreign games; what each side reports. `command` starts the agent."""
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), _ports(games)
        report = folder / "report.json"
        with foreign_game(ports, picture(folder), flags) as finish:
            agent = psutil.Popen(
                command(policy, ports, seconds, report),
                cwd=ROOT,
                env=with_own_folders(folder),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            largest = _watched(agent)
            return {
                "policy": policy,
                "games": games,
                "seen_by_game": _join(finish()),
                "agent": json.loads(report.read_text(encoding="utf-8")),
                "rss_mb": round(largest / 2**20),
            }


def _watched(agent: psutil.Popen) -> int:
    """Wait for the agent to end; its largest size in bytes. Ends this program where the agent failed."""
    largest = 0
    while agent.poll() is None:
        try:
            largest = max(largest, agent.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.25)
    with agent.stderr:
        errors = agent.stderr.read()
    if agent.wait() != 0:
        raise SystemExit(f"the agent failed with {agent.returncode}:\n{errors}")
    return largest


Answers = list[tuple[float, float]]
"""Second at which a packet went out, and the milliseconds until its answer came."""


def round_of_two(policy: str, seconds: float, seed: int) -> tuple[list[Answers], dict[str, Any]]:
    """One game process, the agent and the floor on a port each; their answers in this order, and the agent's report."""
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), _ports(2)
        report, mine = folder / "report.json", seed % 2
        with foreign_game(ports, picture(folder), ("--each", "--seed", str(seed))) as finish:
            floor_command = [sys.executable, "-m", "tools.bench._latency_floor", str(ports[1 - mine])]
            with subprocess.Popen(floor_command, cwd=ROOT) as floor:
                agent = psutil.Popen(
                    agent_command(policy, [ports[mine]], seconds, report),
                    cwd=ROOT,
                    env=with_own_folders(folder),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                _watched(agent)
                seen = finish()
                floor.wait(timeout=60)
        return [seen[mine]["each"], seen[1 - mine]["each"]], json.loads(report.read_text(encoding="utf-8"))


def blocks_of(answers: list[Answers]) -> list[list[FloatArray]]:
    """Blocks of one second in which both answered, each with the milliseconds of both; without the first second."""
    start_s = max(each[0][0] for each in answers) + WARM_UP_S
    end_s = min(each[-1][0] for each in answers)
    tables = [np.asarray(each) for each in answers]
    blocks = []
    for begin_s in np.arange(start_s, end_s - BLOCK_S, BLOCK_S):
        inside = [t[(t[:, 0] >= begin_s) & (t[:, 0] < begin_s + BLOCK_S), 1] for t in tables]
        if all(len(each) for each in inside):
            blocks.append(inside)
    return blocks


def compare(blocks: list[list[FloatArray]], seed: int = 0, draws: int = 2000) -> dict[str, Any]:
    """Percentiles of both, ms, and their ratios with intervals; a block is drawn for both sides at once."""

    def percentiles(chosen: Sequence[list[FloatArray]]) -> FloatArray:
        return np.array([np.percentile(np.concatenate([b[side] for b in chosen]), SHARES) for side in (0, 1)])

    rng, found = np.random.default_rng(seed), percentiles(blocks)
    ratios = []
    for _ in range(draws):
        agent, floor = percentiles([blocks[i] for i in rng.integers(len(blocks), size=len(blocks))])
        ratios.append(agent / floor)
    low, high = np.percentile(ratios, (2.5, 97.5), axis=0)
    result: dict[str, Any] = {"blocks": len(blocks)}
    for side, name in enumerate(("agent", "floor")):
        result[name] = {f"p{share}_ms": round(float(v), 4) for share, v in zip(SHARES, found[side], strict=True)}
        result[name]["answers"] = sum(len(b[side]) for b in blocks)
    for k, share in enumerate(SHARES):
        ratio = float(found[0, k] / found[1, k])
        result[f"p{share}_ratio"] = {"value": round(ratio, 3), "low": round(low[k], 3), "high": round(high[k], 3)}
    return result


def side_by_side(policy: str, rounds: int, seconds: float, seed: int = 0) -> dict[str, Any]:
    """The agent beside the floor, each round with fresh processes and ports exchanged."""
    blocks: list[list[FloatArray]] = []
    for k in range(rounds):
        answers, report = round_of_two(policy, seconds, seed + k)
        blocks += blocks_of(answers)
    stages = {name: {k: v[k] for k in ("p50_ms", "p99_ms")} for name, v in report["latency"].items()}
    return {
        "policy": policy, "rounds": rounds, "seconds": seconds, "seed": seed, **compare(blocks, seed),
        "last_round": {**{k: report.get(k) for k in ("policy_path", "policy_step")}, "stages": stages},
    }  # fmt: skip


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


CASES: dict[str, tuple[str | None, int, tuple[str, ...]]] = {
    "one": (None, 1, ()),
    "eight": (None, 8, ()),
    "nonce": ("nonce", 1, ("--nonce",)),
    "sleeper": ("sleeper", 1, ("--nonce",)),
    "sixteen": (None, 16, ()),
}
"""Name of a case → policy (None: the one that is measured), games, flags of the game.

docs/results/pages.toml names cases by their place.
"""


def main() -> None:
    """Measure every case, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=4, help="of the side-by-side comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--policy", default="pilot")
    parser.add_argument("--only", nargs="+", choices=("side_by_side", *CASES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--agent", choices=("nonce", "sleeper"), help=argparse.SUPPRESS)
    parser.add_argument("--ports", type=int, nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.agent:
        proof = ProofPolicy(SLEEP_S if args.agent == "sleeper" else 0.0)
        run_policy(proof, args.ports, args.seconds, args.out)
        return
    wanted = args.only or ["side_by_side", *CASES]
    result: dict[str, Any] = {"hz": 60, "seconds": args.seconds}
    if "side_by_side" in wanted:
        result["side_by_side"] = side_by_side(args.policy, args.rounds, args.seconds, args.seed)
    chosen = [CASES[name] for name in CASES if name in wanted]
    result["cases"] = [
        summary(case(policy or args.policy, games, args.seconds, flags)) for policy, games, flags in chosen
    ]
    publish("latency", result, args.out)


if __name__ == "__main__":
    main()
