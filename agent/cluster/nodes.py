"""A machine of a cluster: Ray's own processes, kept alive, and the keepers that Ray places.

Each process of the plan has a detached actor named after it, whose tasks are never tried twice: it may find the process
running already, and adopts it. Where Ray is killed, processes go on; Ray is started again, and keepers find them. Ray
shows no dashboard and asks every connection for the token.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import psutil
import structlog

from agent.cluster.keeper import Keeper
from agent.cluster.plan import NAMESPACE, RAY_PORT, Placed, ray_token
from agent.concurrency.supervise import Failure, attempt
from agent.core.clock import Clock, SystemClock

LOOK_S: Final = 1.0
CALL_S: Final = 10.0
STORE_BYTES: Final = 80 << 20
"""Of Ray's store of objects, the least that it takes: nothing of ours goes through it."""
ACTOR: Final = "keep-"
DOWN: Final = "down"
RAYS: Final = ("raylet", "gcs_server")
MARK: Final = "RAY_NODE_OF_METABONK"
"""A variable by which Ray's own processes of one machine of one cluster are known."""
log = structlog.get_logger(__name__)


def ray_env(token: str) -> dict[str, str]:
    """What each process of Ray is told: what keepers start is not ended with them, and sees the cards."""
    return {
        "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ray_token(token), "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "120",
        "RAY_kill_child_processes_on_worker_exit": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "METABONK_HTTP_TOKEN": token,
    }  # fmt: skip


def ray_words(host: str, head: str, port: int, cpus: int) -> list[str]:
    """The command line of this machine's Ray; it heads the cluster where it is told no other head."""
    role = ["--head", "--port", str(port), "--include-dashboard=false"] if not head else ["--address", f"{head}:{port}"]
    words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address", host, *role]
    words += ["--num-cpus", str(cpus), "--object-store-memory", str(STORE_BYTES), "--disable-usage-stats"]
    return words


class KeeperActor:
    """What Ray runs for each process: a thread that keeps it alive. Its methods are the actor's."""

    def __init__(self, placed: Placed, folder: str, env: dict[str, str]) -> None:
        self._keeper = Keeper(placed.name, placed.words, Path(folder), SystemClock(), env=env)
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="keep", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                if not self._ended.is_set():
                    attempt(self._keeper.ensure)
            self._ended.wait(LOOK_S)

    def status(self) -> dict[str, Any]:
        """The process, as its keeper knows it."""
        return {**self._keeper.status(), "keeper_pid": os.getpid()}

    def stop(self) -> bool:
        """End the process for good."""
        self._ended.set()
        with self._lock:
            self._keeper.stop()
        return True


class Node:
    """This machine in the cluster. head: the address of Ray's head, "" where it is here."""

    def __init__(
        self, host: str, head: str, port: int, token: str, folder: Path, clock: Clock, *, cpus: int | None = None
    ) -> None:
        self.host, self._head, self._port, self._token, self._folder = host, head, port, token, folder
        self._clock = clock
        cpus = cpus if cpus is not None else (os.cpu_count() or 1)
        name = "ray-head" if not head else f"ray-{host.replace(':', '-').replace('.', '-')}"
        self._mark = f"{name} of {folder}"
        self.ray = Keeper(
            name,
            ray_words(host, head, port, cpus), folder, clock, env=ray_env(token) | {MARK: self._mark},
        )  # fmt: skip

    @property
    def address(self) -> str:
        """Where Ray's head is."""
        return f"{self._head or self.host}:{self._port}"

    def keep(self, placed: Sequence[Placed], ended: Callable[[], bool]) -> str:
        """Keep Ray and the keepers alive until told to end; why it ended: stopped, or the cluster is down."""
        os.environ.update(ray_env(self._token))  # Ray reads its token once, when it is first imported
        over = threading.Event()
        threading.Thread(target=self._keep_ray, args=(over,), name="keep ray", daemon=True).start()
        try:
            return self._keep(placed, ended)
        finally:
            over.set()

    def _keep_ray(self, over: threading.Event) -> None:
        """Start Ray again where it was killed: a call of Ray's waits a minute for a head that is gone."""
        while not over.wait(LOOK_S):
            if not self.ray.is_up:
                attempt(lambda: end_leftovers(self._mark))
                attempt(self.ray.ensure)

    def _keep(self, placed: Sequence[Placed], ended: Callable[[], bool]) -> str:
        connected = False
        while not ended():
            found = attempt(lambda: self._look(placed, connected))  # noqa: B023
            if isinstance(found, Failure):
                log.warning("cluster_not_reached", reason=found.reason)
                attempt(disconnect)
                connected = False
            elif found == DOWN:
                return DOWN
            else:
                connected = True
            self._clock_wait(2.0, ended)
        return "stopped"

    def _clock_wait(self, seconds: float, ended: Callable[[], bool]) -> None:
        until_s = self._clock.now_s() + seconds
        while self._clock.now_s() < until_s and not ended():
            threading.Event().wait(0.1)

    def _look(self, placed: Sequence[Placed], connected: bool) -> str:
        """Connect where that is to be done, and see to each keeper; DOWN where the cluster was told to end."""
        import ray

        if not connected:
            disconnect()
            connect(self.address, self._token, self.host)
        if self._head and is_down():
            return DOWN
        here = ray.get_runtime_context().get_node_id()
        for each in placed:
            self._see_to(each, here)
        return ""

    def _see_to(self, placed: Placed, here: str) -> None:
        """Have a keeper of this process on this machine."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        with contextlib.suppress(ValueError):
            actor = ray.get_actor(ACTOR + placed.name, namespace=NAMESPACE)
            state: Any = attempt(lambda: ray.get(actor.status.remote(), timeout=CALL_S))
            if not isinstance(state, Failure):
                return
            ray.kill(actor)  # of a machine that was lost, or that hangs; its process is found again
        kept: Any = ray.remote(KeeperActor)
        kept.options(
            name=ACTOR + placed.name, namespace=NAMESPACE, lifetime="detached", max_restarts=-1, max_task_retries=0,
            num_cpus=placed.cpus, scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=here, soft=False),
        ).remote(placed, str(self._folder), ray_env(self._token))  # fmt: skip
        log.info("placed", process=placed.name)

    def stop(self, placed: Sequence[Placed], *, tells: bool) -> None:
        """End this machine's processes and its Ray. tells: the other machines are told that the cluster is down."""
        if tells:
            attempt(lambda: tell_down(self.address, self._token, self.host))
        for each in placed:
            attempt(lambda name=each.name: stop_keeper(name))  # type: ignore[misc]
        attempt(disconnect)
        for each in placed:  # also where Ray was gone before
            Keeper(each.name, each.words, self._folder, self._clock).stop()
        self.ray.stop()


def end_leftovers(mark: str) -> None:
    """End what a Ray of this machine that was killed has left: it holds the ports. Only processes with our mark."""
    for process in psutil.process_iter(["name"]):
        if process.info["name"] in RAYS:
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == mark:
                    process.kill()
                    process.wait(CALL_S)


def connect(address: str, token: str, host: str) -> None:
    """Connect this process to a cluster; raises what Ray raises."""
    os.environ.update(ray_env(token))
    import ray

    before = signal.getsignal(signal.SIGTERM)
    ray.init(
        address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR, _node_ip_address=host,
        configure_logging=False,
    )  # fmt: skip
    signal.signal(signal.SIGTERM, before)  # Ray's own would end this process before it ends what it keeps


def disconnect() -> None:
    """Leave the cluster."""
    import ray

    ray.shutdown()


def stop_keeper(name: str) -> None:
    """End a keeper and its process."""
    import ray

    actor = ray.get_actor(ACTOR + name, namespace=NAMESPACE)
    ray.get(actor.stop.remote(), timeout=60.0)
    ray.kill(actor)


class _Sign:
    """An actor whose being there says that the cluster is told to end."""

    def ready(self) -> bool:
        return True


def tell_down(address: str, token: str, host: str) -> None:
    """Tell every machine that the cluster ends."""
    import ray

    if not ray.is_initialized():
        connect(address, token, host)
    sign: Any = ray.remote(_Sign)
    actor = sign.options(
        name=DOWN, namespace=NAMESPACE, lifetime="detached", num_cpus=0, get_if_exists=True
    ).remote()  # fmt: skip
    ray.get(actor.ready.remote(), timeout=CALL_S)


def is_down() -> bool:
    """True where the cluster was told to end."""
    import ray

    try:
        ray.get_actor(DOWN, namespace=NAMESPACE)
    except ValueError:
        return False
    return True


def cluster_status() -> dict[str, Any]:
    """Machines and kept processes, as Ray knows them; of a process that does not answer, why."""
    import ray
    from ray.util import list_named_actors

    nodes = [
        {"host": n["NodeManagerAddress"], "up": n["Alive"], "cpus": n.get("Resources", {}).get("CPU", 0.0)}
        for n in ray.nodes()
    ]
    processes = []
    for found in list_named_actors(all_namespaces=True):
        if found["namespace"] != NAMESPACE or not found["name"].startswith(ACTOR):
            continue
        actor = ray.get_actor(found["name"], namespace=NAMESPACE)
        state = attempt(lambda a=actor: ray.get(a.status.remote(), timeout=CALL_S))  # type: ignore[misc]
        said = {"why": state.reason, "up": False} if isinstance(state, Failure) else state
        processes.append({"name": found["name"].removeprefix(ACTOR), **said})
    return {"nodes": nodes, "processes": sorted(processes, key=lambda p: str(p["name"]))}


__all__ = ["RAY_PORT", "KeeperActor", "Node", "cluster_status", "connect", "disconnect", "is_down", "tell_down"]
