"""Kills in a cluster that Ray places: a worker, a raylet, Ray's head, the learner; what goes on meanwhile.

    python -m tools.bench.cluster.ray_kills [--runs 8] [--seed 0] [--out docs/results/cluster_ray_kills.json]

`cluster up` runs in this network namespace, `cluster join` in another one, over a pair of virtual cards: two machines
as far as Ray and the workers can see. It needs the right to make namespaces (root), and Ray. Each run kills one process
(SIGKILL) and waits until it runs again and every worker has had a new rollout journaled. `others_went_on`: the
processes of play and the learner that were not killed have the same number as before. `back_s` is the time until the
killed process runs again; for the learner, until it answers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil

from agent.learner.remote.rollout_log import read_entries
from tools.bench._result_file import ROOT, publish
from tools.bench.cluster._site import TOKEN, load_average, status
from tools.bench.cluster.chaos import checked

SPACE: Final = "metabonk-bench"
CARDS: Final = ("mbbench0", "mbbench1")
HOSTS: Final = ("10.77.0.1", "10.77.0.2")
PORT, RAY_PORT = 8471, 6479
TARGETS: Final = ("worker", "learner", "raylet", "head")
LIMIT_S: Final = 180.0


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


class TwoMachines:
    """Two network namespaces with a cable between them."""

    def __enter__(self) -> TwoMachines:
        _ip("netns", "add", SPACE)
        _ip("link", "add", CARDS[0], "type", "veth", "peer", "name", CARDS[1])
        _ip("link", "set", CARDS[1], "netns", SPACE)
        _ip("addr", "add", f"{HOSTS[0]}/24", "dev", CARDS[0])
        _ip("link", "set", CARDS[0], "up")
        for words in (("addr", "add", f"{HOSTS[1]}/24", "dev", CARDS[1]), ("link", "set", CARDS[1], "up")):
            _ip("netns", "exec", SPACE, "ip", *words)
        _ip("netns", "exec", SPACE, "ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["ip", "link", "del", CARDS[0]], check=False)
        subprocess.run(["ip", "netns", "del", SPACE], check=False)


class Cluster:
    """`cluster up` here and `cluster join` in the other namespace, with one worker each."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "metabonk-apex" / "cluster"
        self.weights = folder / "weights"
        env = os.environ | {
            "METABONK_HTTP_TOKEN": TOKEN, "METABONK_WEIGHTS_DIR": str(self.weights), "XDG_DATA_HOME": str(folder),
            "METABONK_USE_SIMA2": "0", "METABONK_USE_VLM_MENU": "0", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        words = ["--workers", "1", "--port", str(PORT), "--ray-port", str(RAY_PORT), "--cpus", "2"]
        agent = [sys.executable, "-m", "agent", "cluster"]
        joins = ["ip", "netns", "exec", SPACE, *agent, "join", "--head", HOSTS[0], "--host", HOSTS[1], *words]
        self.log = folder / "cluster.log"
        out = self.log.open("ab")
        self.processes = [
            subprocess.Popen(each, cwd=ROOT, env=env, stdout=out, stderr=out)
            for each in ([*agent, "up", "--host", HOSTS[0], *words], joins)
        ]  # fmt: skip

    def pid(self, name: str) -> int:
        """The number of a kept process, 0 where none runs."""
        try:
            pid = int(json.loads((self.state / f"{name}.json").read_text())["pid"])
            return pid if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else 0
        except (OSError, ValueError, KeyError, psutil.Error):
            return 0

    def pids(self) -> dict[str, int]:
        """The numbers of all that can be killed."""
        found = {name: self.pid(name) for name in ("learner", *map(worker_of, HOSTS))}
        for name, keeper, program in (
            ("raylet", f"ray-{_flat(HOSTS[1])}", "raylet"),
            ("head", "ray-head", "gcs_server"),
        ):
            found[name] = self._below(self.pid(keeper), program)
        return found

    def _below(self, pid: int, program: str) -> int:
        try:
            below = psutil.Process(pid).children(recursive=True) if pid else []
            return next((c.pid for c in below if c.name() == program), 0)
        except psutil.Error:
            return 0

    def taken(self) -> dict[str, int]:
        """Rollouts in the log by worker."""
        count: dict[str, int] = {}
        for entry in read_entries(self.weights / "rollouts" / "log.jsonl")[0]:
            if entry.step == "taken":
                worker = entry.instance.split()[0]
                count[worker] = count.get(worker, 0) + 1
        return count

    def close(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(90)
            except subprocess.TimeoutExpired:
                process.kill()


def _flat(host: str) -> str:
    return host.replace(".", "-")


def worker_of(host: str) -> str:
    """The name of a machine's worker."""
    return f"worker-{_flat(host)}-0"


def until(holds: Any, limit_s: float = LIMIT_S) -> float:
    """Seconds until something holds, −1 where it did not in time."""
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < limit_s:
        if holds():
            return round(time.monotonic() - begun_s, 2)
        time.sleep(0.2)
    return -1.0


def one_run(cluster: Cluster, target: str, rng: random.Random) -> dict[str, Any]:
    """One kill, and what came of it."""
    time.sleep(rng.uniform(1.0, 5.0))
    name = worker_of(rng.choice(HOSTS)) if target == "worker" else target
    before, pushed = cluster.pids(), cluster.taken()
    os.kill(before[name], signal.SIGKILL)

    def is_back() -> bool:
        new = cluster.pids()[name]
        answers = target != "learner" or status(PORT, HOSTS[0]) is not None
        return new not in (0, before[name]) and answers

    back_s = until(is_back)
    played = ("learner", *map(worker_of, HOSTS))
    after = cluster.pids()
    went_on = all(after[each] == before[each] for each in played if each != name)

    def is_journaled() -> bool:
        now = cluster.taken()
        return sum(now[worker] > pushed.get(worker, 0) for worker in now) >= 2

    journaled_s = until(is_journaled)
    return {
        "target": target, "back_s": back_s, "others_went_on": went_on, "both_workers_journaled_after_s": journaled_s,
        "load_average": load_average(),
    }  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", default=",".join(TARGETS), help="which are killed, in turn")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    targets = options.targets.split(",")
    until_s, rng, runs = time.monotonic() + 60 * options.minutes, random.Random(options.seed), []
    with tempfile.TemporaryDirectory(prefix="mb", ignore_cleanup_errors=True) as name, TwoMachines():
        cluster = Cluster(Path(name))
        try:
            begun_s = until(lambda: len(cluster.taken()) >= 2 and all(cluster.pids().values()))
            print({"begun_s": begun_s, **cluster.pids()}, flush=True)
            if begun_s < 0:
                raise RuntimeError(f"the cluster did not begin:\n{cluster.log.read_text()[-3000:]}")
            while len(runs) < options.runs and time.monotonic() < until_s:
                runs.append(one_run(cluster, targets[len(runs) % len(targets)], rng))
                print(runs[-1], flush=True)
            log = checked(read_entries(cluster.weights / "rollouts" / "log.jsonl")[0], set())
        finally:
            cluster.close()
            print(cluster.log.read_text()[-2000:])
            for path in cluster.state.glob("*.log"):
                print(f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}")
        publish("cluster_ray_kills", {"begun_s": begun_s, "runs": runs, "rollout_log": log}, options.out)


if __name__ == "__main__":
    main()
