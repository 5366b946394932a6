"""Thirty ends of different kinds: signals, kills, crashes, helpers, steps that never return. What is left, and when?

    python -m tools.bench.ends [--out FILE] [--only WORD]

Each case starts a command with an environment that blocks, dies, or leaves helper processes behind, ends it in one way,
and counts the processes that carry its mark. `gone_s` is from the signal (or the game's death) until none is left.
Linux only. About four minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from tools.bench._own_folders import with_own_folders
from tools.bench._result_file import ROOT, publish

MARK: Final = "ENDS_MARK"
LIMIT_S: Final = 10.0
START_S: Final = 90.0
GAME: Final = """
import ctypes, os, signal, subprocess, sys, time
import gymnasium
import numpy as np

WHAT, HELPER, READY = (os.environ[name] for name in ("ENDS_WHAT", "ENDS_HELPER", "ENDS_READY"))


class Ends(gymnasium.Env):
    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(0, 255, (84, 84, 3), np.uint8)

    def __init__(self):
        self.steps = 0
        if HELPER == "forked" and os.fork() == 0:
            while True:
                time.sleep(600)
        if HELPER in ("plain", "session", "daemon"):
            words = ["sleep", "600"] if HELPER != "daemon" else ["sh", "-c", "setsid sleep 600 & exit"]
            self.helper = subprocess.Popen(words, start_new_session=HELPER == "session")
        if WHAT == "made":
            self.ready()
            time.sleep(600)

    def ready(self):
        open(READY, "w").close()

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 20:
            self.ready()
            self.end()
        return self.observation_space.sample(), 1.0, self.steps % 50 == 0, False, {}

    def end(self):
        if WHAT == "sleep":
            time.sleep(600)
        elif WHAT == "loop":
            while True:
                pass
        elif WHAT == "native":
            ctypes.PyDLL(None).pause()
        elif WHAT == "raise":
            raise RuntimeError("the simulator is gone")
        elif WHAT == "exit":
            os._exit(3)
        elif WHAT in ("SIGABRT", "SIGSEGV", "SIGKILL", "SIGSTOP"):
            os.kill(os.getpid(), getattr(signal, WHAT))
"""
PLAY: Final = ("play", "--policy", "random", "--no-http")
EVALUATE: Final = ("evaluate", "--policy", "random", "--episodes", "1000000")
TRAIN: Final = ("train", "--steps", "100000000", "--out", "run")


class Case(NamedTuple):
    """One end: what runs, what the game does at its twentieth step, what it leaves, and what ends it."""

    end: str
    what: str = "plays"
    helper: str = "none"
    command: tuple[str, ...] = PLAY
    after_s: float | None = None
    """Seconds after the start; None: when the game has come to its twentieth step."""

    @property
    def name(self) -> str:
        """The case in words."""
        after = f" after {self.after_s} s" if self.after_s is not None else ""
        helper = f", {self.helper} helper" if self.helper != "none" else ""
        return f"{self.command[0]}, game {self.what}{helper}, {self.end}{after}"


CASES: Final = (
    *(Case(end) for end in ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")),
    *(Case("SIGINT", what) for what in ("sleep", "loop", "native", "SIGSTOP", "made")),
    *(Case("SIGKILL", what) for what in ("sleep", "loop", "native", "SIGSTOP", "made")),
    *(Case("SIGINT", helper=helper) for helper in ("plain", "session", "forked", "daemon")),
    *(Case("SIGKILL", helper=helper) for helper in ("session", "forked")),
    *(Case("SIGINT", what, "session") for what in ("raise", "exit", "SIGABRT", "SIGSEGV", "SIGKILL")),
    Case("SIGTERM", "native", "daemon"),
    *(Case("SIGINT", after_s=after_s) for after_s in (0.3, 0.6, 1.0)),
    Case("SIGHUP", after_s=0.4),
    Case("SIGTERM", "sleep", "session", EVALUATE),
    Case("SIGINT", "plays", "plain", EVALUATE),
    Case("SIGTERM", "plays", "session", TRAIN),
    Case("SIGTERM", command=("host",)),
    Case("SIGINT", "sleep", "plain", ("host",)),
)


def marked(mark: str) -> list[psutil.Process]:
    """The processes that were started with this mark and have not ended."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def words_of(case: Case) -> list[str]:
    """The command line of a case."""
    command, *rest = case.command
    game = ["ends_game:Ends"] if command == "host" else ["--game", "ends_game:Ends"]
    return [sys.executable, "-m", "agent", command, *game, *rest]


def run(case: Case, folder: Path) -> dict[str, Any]:
    """Start, end, and count."""
    mark, ready = f"{os.getpid()}-{folder.name}", folder / "ready"
    (folder / "ends_game.py").write_text(GAME, encoding="utf-8")
    environment = {
        **with_own_folders(folder), "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", MARK: mark, "ENDS_WHAT": case.what,
        "ENDS_HELPER": case.helper, "ENDS_READY": str(ready),
    }  # fmt: skip
    with (folder / "out.txt").open("w") as out:
        process = subprocess.Popen(
            ["env", "--default-signal", *words_of(case)], cwd=folder, env=environment, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    begun_s = time.monotonic()
    if case.after_s is not None:
        time.sleep(case.after_s)
    else:
        while not ready.exists() and process.poll() is None and time.monotonic() - begun_s < START_S:
            time.sleep(0.02)
        time.sleep(0.5)
    ended_s = time.monotonic()
    if case.end == "SIGKILL":
        process.kill()
    else:
        os.killpg(process.pid, getattr(signal, case.end))  # as a terminal does: to the whole group
    gone_s = None
    while time.monotonic() - ended_s < 2 * LIMIT_S:
        process.poll()
        if not marked(mark):
            gone_s = time.monotonic() - ended_s
            break
        time.sleep(0.05)
    left = marked(mark)
    for each in left:
        each.kill()
    process.wait()
    text = (folder / "out.txt").read_text(encoding="utf-8", errors="replace")
    said_last = (text.splitlines() or [""])[-1].replace(str(folder), "…")[:120]
    return {
        "case": case.name, "code": process.returncode, "gone_s": None if gone_s is None else round(gone_s, 2),
        "left": len(left), "tracebacks": text.count("Traceback (most"), "said_last": said_last,
    }  # fmt: skip


def all_cases(only: str) -> Iterator[dict[str, Any]]:
    """Every case's result, said as it comes."""
    for case in CASES:
        if only in case.name:
            with tempfile.TemporaryDirectory(prefix="ends-") as name:
                result = run(case, Path(name))
            print(result, file=sys.stderr, flush=True)
            yield result


def main() -> int:
    """Run all, publish; 1 where a process was left or an end took longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the result file here")
    parser.add_argument("--only", default="", help="the cases whose name holds this")
    args = parser.parse_args()
    results = list(all_cases(args.only))
    gone_s = [r["gone_s"] for r in results]
    values = {
        "ends": len(results), "limit_s": LIMIT_S, "processes_left": sum(r["left"] for r in results),
        "longest_s": None if None in gone_s else max(gone_s, default=None),
        "late": sum(s is None or s > LIMIT_S for s in gone_s),
        "tracebacks": sum(r["tracebacks"] for r in results), "results": results,
    }  # fmt: skip
    publish("ends", values, args.out)
    return 1 if values["late"] or values["processes_left"] else 0


if __name__ == "__main__":
    sys.exit(main())
