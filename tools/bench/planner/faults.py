"""What a language model that fails costs play, and how soon the builtin planner takes over.

    python -m tools.bench.planner.faults [--rounds 10] [--fault-s 60] [--only hang …] [--seed 0] [--first]
        [--parts DIR] [--out FILE]

One game process with two ports, half a period apart, 60 packets a second. `play` with a planner that asks the stand-in
(`stand_in`, a process of its own) answers one, `play` with METABONK_USE_SIMA2=0 the other, ports exchanged each round.
The stand-in answers well until the model has planned, fails for `--fault-s` seconds (hang and drip; the others for
less, see `LASTS`), then answers well until the breaker has closed, for each fault in turn. A missed tick is a packet
that was not answered within its period, in the seconds of the fault, by what the game saw. Differences of p50 and p99
have 95 % intervals, bootstrapped over blocks of one second. Both agents are asked for `/status` equally often. With
`--first` (Linux, as root) the game, both agents and their helpers go before everything else on the machine during the
fault, by the scheduler's real-time class, so that what others do there counts for nothing; what they do to each other
still counts. Each fault of each round is kept as a part, with the machine's load after it; what is kept and of the
same sources is not played again, so that a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from agent.core.files import write_atomically
from agent.core.statistics import bootstrap
from agent.planning import planner
from tools.bench._own_folders import with_own_folders
from tools.bench._result_file import ROOT, publish
from tools.bench.latency import FloatArray, _ports, blocks_of, foreign_game, picture
from tools.bench.planner import stand_in
from tools.bench.recording import differences
from tools.bench.tiers import fingerprint

FAULTS: Final[dict[str, tuple[str, ...]]] = {
    "hang": ("silent",), "drip": ("slow",), "silent": ("silent",), "error": ("http",),
    "garbage": ("broken", "garbage"), "killed": ("broken",),
}  # fmt: skip
"""Mode of the stand-in → the names that `/status` may give to it."""
LASTS: Final = {"hang": 1.0, "drip": 1.0, "silent": 0.75, "error": 0.5, "garbage": 0.5, "killed": 0.5}
"""Shares of `--fault-s` that each lasts: all are long enough for the breaker to open."""
PERIOD_MS: Final = 1000.0 / 60.0
POLL_S: Final = 0.5
BEGIN_S: Final = 400.0
"""Both agents have begun, and the model has planned, within this."""
CLOSE_S: Final = 150.0
"""After the fault: what is left of the breaker's 30 s, the next event that asks, and its answer."""
OPEN_S: Final = 30.0
FIRST: Final = 1
"""The lowest priority of the scheduler's real-time class, which goes before every other class."""
PARTS: Final = ROOT / "docs/results/parts/planner_faults"
SOURCES: Final = (Path(stand_in.__file__), *sorted(Path(planner.__file__).parent.glob("*.py")))
"""What plans, and what fails, is made of."""
Row = dict[str, Any]


class Model:
    """The stand-in's process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tools.bench.planner.stand_in", "good"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.port = int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the stand-in ended with {self._process.wait()}")
        return line

    def turn(self, mode: str) -> float:
        """Answer so from now on; the instant at which it does."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{mode}\n")
        self._line()
        return time.monotonic()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def _agent(port: int, http: int, folder: Path, **settings: str) -> psutil.Popen:
    command = [sys.executable, "-m", "agent", "play", "--game", f"bonklink://127.0.0.1:{port}", "--policy", "pilot"]
    return psutil.Popen(
        [*command, "--no-learn", "--no-record", "--no-open-page", "--http-port", str(http)], cwd=ROOT,
        env=with_own_folders(folder) | settings,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _status(port: int) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=10) as reply:
            found: dict[str, Any] = json.loads(reply.read())
            return found
    except OSError:
        return None


def row_of(status: dict[str, Any], at_s: float) -> Row:
    """What one answer of `/status` says of the planner; times are instants."""
    planner, game = status["planner"], status["planner"]["games"][0]
    plan, llm = game["plan"] or {}, planner["llm"]
    breaker = llm.get("breaker") or {"state": "closed", "opened": 0, "closed": 0, "open_for_s": 0.0}
    return {
        "at_s": at_s, "made_by": plan.get("made_by"), "made_s": at_s - plan.get("age_s", 0.0),
        "is_valid": plan.get("expires_in_s", 0.0) > 0, "state": breaker["state"], "opened": breaker["opened"],
        "closed": breaker["closed"], "opened_s": at_s - OPEN_S + breaker["open_for_s"],
        "asked": llm.get("asked", 0), "faults": llm.get("faults", {}),
        "last": (llm.get("last_fault") or {}).get("fault"),
    }  # fmt: skip


class Watch:
    """Asks both agents for their status, in turns."""

    def __init__(self, ports: Sequence[int], agents: Sequence[psutil.Popen]) -> None:
        self.rows: list[Row] = []
        self._ports, self._agents = ports, agents

    def until(self, over: Callable[[Row], bool], within_s: float, what: str) -> None:
        """Ask until this is so; ends this program where it does not become so in time."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            if self._ask() and over(self.rows[-1]):
                return
            time.sleep(POLL_S)
        raise SystemExit(f"not within {within_s:.0f} s: {what}; the last status: {self.rows[-1:]}")

    def watch(self, seconds: float) -> None:
        """Ask for so long."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._ask()
            time.sleep(min(POLL_S, left_s))

    def _ask(self) -> bool:
        for agent in self._agents:
            if agent.poll() is not None:
                raise SystemExit(f"an agent ended with {agent.returncode}")
        at_s = time.monotonic()
        with_planner, other = (_status(port) for port in self._ports)
        if with_planner is None or other is None or "frame_to_action" not in other["latency"]:
            return False
        self.rows.append(row_of(with_planner, at_s))
        return True


def judged(mode: str, rows: Sequence[Row], bad_s: float, good_s: float) -> dict[str, Any]:
    """What the status said of one fault: who planned, when the breaker opened and closed, and the fault's name."""
    before, during = [r for r in rows if r["at_s"] < bad_s], [r for r in rows if bad_s <= r["at_s"] < good_s]
    after = [r for r in rows if r["at_s"] >= good_s]
    if not (before and during and after):
        raise ValueError(f"{mode}: no status before, during or after the fault")
    by_builtin = [r["made_s"] for r in during if r["made_by"] == "builtin" and r["made_s"] >= bad_s - 1.0]
    named = {name for name, n in after[0]["faults"].items() if n > before[-1]["faults"].get(name, 0)}
    opened = [r for r in rows if r["state"] == "open"]
    asked: dict[int, set[int]] = {}
    for r in opened:
        asked.setdefault(r["opened"], set()).add(r["asked"])
    closed = [r for r in after if r["state"] == "closed" and r["closed"] > before[-1]["closed"]]
    return {
        "took_over_s": round(by_builtin[0] - bad_s, 2) if by_builtin else None,
        "without_plan": sum(not r["is_valid"] for r in during),
        "opened": after[0]["opened"] - before[-1]["opened"],
        "opened_after_s": round(opened[0]["opened_s"] - bad_s, 2) if opened else None,
        "asked_while_open": sum(max(each) - min(each) for each in asked.values()),
        "closed_after_s": round(closed[0]["at_s"] - opened[-1]["opened_s"], 2) if closed and opened else None,
        "named": sorted(named), "is_named": bool(named) and named <= set(FAULTS[mode]),
        "last_is_named": after[0]["last"] in FAULTS[mode],
    }  # fmt: skip


def missed(seen: dict[str, Any], begin_s: float, end_s: float) -> dict[str, int]:
    """Packets of a game between two instants, and those not answered within their period."""
    sent = [at_s for at_s in seen["sent_each"] if begin_s <= at_s < end_s]
    in_time = sum(ms <= PERIOD_MS for at_s, ms in seen["each"] if begin_s <= at_s < end_s)
    return {"packets": len(sent), "missed": len(sent) - in_time}


def _between(seen: dict[str, Any], begin_s: float, end_s: float) -> list[tuple[float, float]]:
    return [(at_s, ms) for at_s, ms in seen["each"] if begin_s <= at_s < end_s]


@contextlib.contextmanager
def _two_agents(ports: Sequence[int], model: Model, folder: Path) -> Iterator[Watch]:
    """An agent with a planner at the first port, and one without at the second."""
    http = _ports(2)
    url = f"http://127.0.0.1:{model.port}"
    agents = [
        _agent(
            ports[0], http[0], folder / "a", METABONK_USE_SIMA2="1", METABONK_LLM_BACKEND="ollama",
            METABONK_LLM_BASE_URL=url,
        ),
        _agent(ports[1], http[1], folder / "b", METABONK_USE_SIMA2="0"),
    ]  # fmt: skip
    try:
        yield Watch(http, agents)
    finally:
        for agent in agents:
            agent.terminate()
        for agent in agents:
            agent.wait(60)


def go_first(besides: int) -> None:
    """Every process below this one, but for the model's, before all others on the machine."""
    for process in psutil.Process().children(recursive=True):
        if process.pid == besides:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            for thread in process.threads():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setscheduler(thread.id, os.SCHED_RR, os.sched_param(FIRST))


Round = tuple[dict[str, Any], list[list[FloatArray]]]
"""What was found of one fault, and the answers of both agents meanwhile, with the planner first."""


def one_round(modes: Sequence[str], fault_s: float, seed: int, first: bool) -> dict[str, Round]:
    """These faults one after another, with one pair of agents."""
    mine, spans = seed % 2, {}
    with tempfile.TemporaryDirectory() as name, contextlib.closing(Model()) as model:
        folder, ports = Path(name), _ports(2)
        with (
            foreign_game(ports, picture(folder), ("--each", "--seed", str(seed))) as finish,
            _two_agents([ports[mine], ports[1 - mine]], model, folder) as watch,
        ):
            for mode in modes:
                begun = len(watch.rows)
                watch.until(lambda row: str(row["made_by"]).startswith("ollama"), BEGIN_S, "a plan by the model")
                if first and begun == 0:
                    go_first(model.pid)
                bad_s = model.turn(mode)
                watch.watch(fault_s * LASTS[mode])
                good_s = model.turn("good")
                watch.until(lambda row: row["state"] == "closed", CLOSE_S, "a closed breaker")
                spans[mode] = begun, len(watch.rows), bad_s, good_s, round(os.getloadavg()[0], 2)
            seen = finish()
    with_planner, other = seen[mine], seen[1 - mine]
    found: dict[str, Round] = {}
    for mode, (begun, ended, bad_s, good_s, load) in spans.items():
        blocks = blocks_of([_between(with_planner, bad_s, good_s), _between(other, bad_s, good_s)])
        told = judged(mode, watch.rows[begun:ended], bad_s, good_s)
        answered = {"with": missed(with_planner, bad_s, good_s), "off": missed(other, bad_s, good_s)}
        found[mode] = {**told, **answered, "load": load}, blocks
    return found


def kept_round(folder: Path, modes: Sequence[str], fault_s: float, seed: int, first: bool) -> dict[str, Round]:
    """A round of these faults: what was kept and is of these sources, the others new and kept from now on."""
    made_of, found = fingerprint(SOURCES), dict[str, Round]()
    paths = {mode: folder / f"{mode}-{fault_s:g}-{seed}{'-first' if first else ''}.json" for mode in modes}
    for mode in modes:
        if paths[mode].exists():
            part = json.loads(paths[mode].read_text(encoding="utf-8"))
            if part["made_of"] == made_of:
                found[mode] = part["found"], [[np.asarray(side) for side in block] for block in part["blocks"]]
    missing = [mode for mode in modes if mode not in found]
    for mode, (told, blocks) in one_round(missing, fault_s, seed, first).items() if missing else ():
        folder.mkdir(parents=True, exist_ok=True)
        rows = [[np.round(side, 4).tolist() for side in block] for block in blocks]
        write_atomically(paths[mode], json.dumps({"made_of": made_of, "found": told, "blocks": rows}) + "\n")
        found[mode] = told, blocks
    return found


def summary(rounds: Sequence[dict[str, Any]], blocks: list[list[FloatArray]], seed: int) -> dict[str, Any]:
    """All rounds of one fault; times are the worst of them, None where it did not happen in one."""

    def worst(key: str) -> float | None:
        values = [each[key] for each in rounds]
        return None if None in values else max(values)

    counts = {f"missed_{side}": sum(each[side]["missed"] for each in rounds) for side in ("with", "off")}
    return {
        "rounds": len(rounds), "packets": sum(each["with"]["packets"] for each in rounds), **counts,
        "extra_missed": counts["missed_with"] - counts["missed_off"],
        **differences(blocks, ("with", "off"), seed),
        **{key: worst(key) for key in ("took_over_s", "without_plan", "opened_after_s", "asked_while_open")},
        "opened_least": min(each["opened"] for each in rounds),
        "closed_after_s": {"least": _shortest(rounds), "most": worst("closed_after_s")},
        "named_in": sum(each["is_named"] and each["last_is_named"] for each in rounds),
        "names": sorted({name for each in rounds for name in each["named"]}),
        "load_most": max(each["load"] for each in rounds), "each": list(rounds),
    }  # fmt: skip


def _shortest(rounds: Sequence[dict[str, Any]]) -> float | None:
    values = [each["closed_after_s"] for each in rounds]
    return None if None in values else min(values)


def totals(faults: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The worst of all faults."""
    each = list(faults.values())

    def largest(values: Sequence[Any]) -> Any:
        return None if None in values else max(values)

    extra = [r["with"]["missed"] - r["off"]["missed"] for f in each for r in f["each"]]
    return {
        "extra_missed_in_a_round": dict(bootstrap(extra)._asdict()),
        "p50_difference_most_ms": max(f["p50_difference_ms"]["value"] for f in each),
        "rounds": sum(f["rounds"] for f in each), "missed_off": sum(f["missed_off"] for f in each),
        "packets": sum(f["packets"] for f in each), "extra_missed": sum(f["extra_missed"] for f in each),
        "extra_missed_most": max(f["extra_missed"] for f in each),
        "p99_difference_most_ms": max(f["p99_difference_ms"]["value"] for f in each),
        "p99_difference_high_ms": max(f["p99_difference_ms"]["high"] for f in each),
        "took_over_most_s": largest([f["took_over_s"] for f in each]),
        "without_plan": sum(f["without_plan"] for f in each),
        "opened_least": min(f["opened_least"] for f in each),
        "asked_while_open": sum(f["asked_while_open"] for f in each),
        "closed_after_most_s": largest([f["closed_after_s"]["most"] for f in each]),
        "named_in": sum(f["named_in"] for f in each), "load_most": max(f["load_most"] for f in each),
    }  # fmt: skip


def main() -> None:
    """Every fault, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fault-s", type=float, default=60.0)
    parser.add_argument("--only", nargs="+", choices=tuple(FAULTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", action="store_true", help="before everything else on the machine")
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rounds: dict[str, list[dict[str, Any]]] = {mode: [] for mode in args.only or FAULTS}
    blocks: dict[str, list[list[FloatArray]]] = {mode: [] for mode in rounds}
    for k in range(args.rounds):
        for mode, (found, more) in kept_round(
            args.parts, list(rounds), args.fault_s, args.seed + k, args.first
        ).items():
            rounds[mode].append(found)
            blocks[mode] += more
            print(mode, json.dumps(found), file=sys.stderr, flush=True)
    faults = {mode: summary(rounds[mode], blocks[mode], args.seed) for mode in rounds}
    values = {"hz": 60, "fault_s": args.fault_s, "first": args.first, "all": totals(faults), "faults": faults}
    publish("planner_faults", values, args.out)


if __name__ == "__main__":
    main()
