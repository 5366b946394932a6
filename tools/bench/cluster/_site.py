"""A learner and workers as processes of their own, for benches: started, killed, looked at.

Owns the processes through keepers, as a cluster does; without Ray.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from agent.cluster.keeper import Keeper, agent_words
from agent.core.clock import SystemClock
from agent.learner.remote.rollout_log import Entry, read_entries

TOKEN: Final = "bench-" + "t" * 26
LOOK_S: Final = 0.25


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def status(port: int, host: str = "127.0.0.1") -> dict[str, Any] | None:
    """What a process says of itself, None where it does not answer."""
    request = urllib.request.Request(f"http://{host}:{port}/status", headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            found: dict[str, Any] = json.loads(reply.read())
            return found
    except (OSError, urllib.error.URLError, ValueError):
        return None


class Site:
    """One learner, and workers of `games` games each, that reach it at `learner_at`."""

    def __init__(self, folder: Path, workers: int, games: int, *, learner_at: str = "") -> None:
        self.folder = folder
        self.port, *self.pages = free_ports(1 + workers)
        self.learner_at = learner_at or f"http://127.0.0.1:{self.port}"
        env = {"METABONK_HTTP_TOKEN": TOKEN, "METABONK_WEIGHTS_DIR": str(folder / "weights")}
        env |= {"METABONK_USE_SIMA2": "0", "METABONK_USE_VLM_MENU": "0", "OMP_NUM_THREADS": "1"}
        self.env = env
        self.clock = SystemClock()
        self.learner = Keeper(
            "learner", agent_words("learner", "--port", str(self.port)), folder, self.clock, env=env
        )  # fmt: skip
        self.workers = [
            Keeper(
                f"worker-{i}",
                agent_words(
                    "play", "--game", "arena", "--games", str(games), "--seed", str(i * games), "--learner",
                    self.learner_at, "--http-port", str(page), "--no-open-page", "--no-record",
                ),
                folder, self.clock, env=env,
            )
            for i, page in enumerate(self.pages)
        ]  # fmt: skip
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def _keep(self) -> None:
        while not self._ended.is_set():
            for keeper in (self.learner, *self.workers):
                keeper.ensure()
            self._ended.wait(LOOK_S)

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        for keeper in (*self.workers, self.learner):
            keeper.stop()

    def entries(self) -> list[Entry]:
        """The learner's log, as it is on disk now."""
        return read_entries(self.folder / "weights" / "rollouts" / "log.jsonl")[0]

    def remote(self, worker: int) -> dict[str, Any] | None:
        """What a worker says of its learner."""
        found = status(self.pages[worker])
        return None if found is None else found.get("learning_elsewhere")

    def begun(self, limit_s: float = 240.0) -> None:
        """Wait until every worker acts with the learner's weights."""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            found = [self.remote(i) for i in range(len(self.pages))]
            if all(each is not None and each["version"] > 0 for each in found):
                return
            time.sleep(0.5)
        raise RuntimeError(f"not every worker follows the learner after {limit_s:.0f} s: {found}")


def processor_s(keeper: Keeper) -> float:
    """Seconds of processor time that a kept process and what it started have taken."""
    import psutil

    total = 0.0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(keeper.pid)
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def load_average() -> float:
    """Processes that wanted to run in the last minute; a machine that others use too is no quiet one."""
    return round(os.getloadavg()[0], 1)
