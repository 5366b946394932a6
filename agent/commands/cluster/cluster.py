"""The commands `cluster up`, `cluster join`, `cluster status` and `cluster down`."""

from __future__ import annotations

import os
import signal
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App
from rich.console import Console
from rich.table import Table

from agent.cluster.plan import RAY_PORT, Plan, check_ray, state_folder
from agent.commands.cluster.learner import PORT
from agent.commands.options import FLAT
from agent.core.errors import SettingsError
from agent.core.settings import ConfigOption, load_settings, plain_host

if TYPE_CHECKING:
    from agent.cluster.nodes import Node

app = App(name="cluster", help="Place a learner and workers on many machines by Ray, and keep them alive.")


@dataclass(frozen=True, kw_only=True)
class WorkerOptions(ConfigOption):
    """What the workers of this machine play."""

    host: str = "127.0.0.1"
    """This machine's address, as the others reach it. Other than loopback needs METABONK_HTTP_TOKEN."""
    workers: int = 2
    """How many `play --learner` run on this machine."""
    games: int = 1
    """Games of each."""
    game: str = "arena"
    """As of `play`."""
    policy: str = "pilot"
    """As of `learner`; the same on all machines."""
    port: int = PORT
    """Port of the learner."""
    learner: str | None = None
    """Where workers reach the learner, such as a proxy with TLS. Default: http://, the head's address, and the port."""
    ray_port: int = RAY_PORT
    """Port of Ray's head."""
    cpus: int | None = None
    """Processors that Ray is told of. Default: all."""


@dataclass(frozen=True, kw_only=True)
class UpOptions(WorkerOptions):
    """The machine that learns."""

    weights: Path | None = None
    """Weights to begin with, as of `learner`."""


@dataclass(frozen=True, kw_only=True)
class JoinOptions(WorkerOptions):
    """Which cluster."""

    head: str = "127.0.0.1"
    """Address of the machine where `cluster up` runs."""


@dataclass(frozen=True, kw_only=True)
class WhichOptions(ConfigOption):
    """Which cluster."""

    head: str = "127.0.0.1"
    """Address of the machine where `cluster up` runs."""
    host: str = "127.0.0.1"
    """This machine's address, as the others reach it."""
    ray_port: int = RAY_PORT
    """Port of Ray's head."""


_UP: Final = UpOptions()
_JOIN: Final = JoinOptions()
_WHICH: Final = WhichOptions()
PROBE_S: Final = 5.0


@app.command
def up(options: Annotated[UpOptions, FLAT] = _UP) -> int:
    """Begin a cluster: Ray's head, the learner and this machine's workers; keeps them alive until interrupted."""
    token = _token(options, options.host)
    plan = _plan(options, options.host, "" if options.weights is None else str(options.weights.resolve()))
    placed = [plan.learner(), *plan.players()]
    node = _node(options, "", token)
    say = Console(stderr=True).print
    say(
        f"The cluster is at {node.address}; on others: `cluster join --head {options.host} --host ADDRESS`",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    with _stopping() as ended:
        node.keep(placed, ended.is_set)
    say("ending the cluster", highlight=False)
    node.stop(placed, tells=True)
    return 0


@app.command
def join(options: Annotated[JoinOptions, FLAT] = _JOIN) -> int:
    """Add this machine's workers to a cluster; keeps them alive until interrupted, or until the cluster ends."""
    token = _token(options, options.head)
    placed = _plan(options, options.head, "").players()
    node = _node(options, options.head, token)
    with _stopping() as ended:
        why = node.keep(placed, ended.is_set)
    Console(stderr=True).print(f"leaving: {'the cluster ends' if why == 'down' else why}", highlight=False)
    node.stop(placed, tells=False)
    return 0


@app.command
def status(options: Annotated[WhichOptions, FLAT] = _WHICH) -> int:
    """Show machines and processes of a cluster."""
    _reached(options)
    from agent.cluster.nodes import cluster_status

    found = cluster_status()
    console = Console()
    for node in found["nodes"]:
        console.print(f"{node['host']}: {'up' if node['up'] else 'gone'}, {node['cpus']:g} processors", highlight=False)
    table = Table("process", "up", "pid", "starts", "adopted")
    for each in found["processes"]:
        row = [str(each.get(key, "")) for key in ("name", "up", "pid", "starts", "adopted")]
        table.add_row(*row)
    console.print(table)
    return 0 if all(each["up"] for each in found["processes"]) else 1


@app.command
def down(options: Annotated[WhichOptions, FLAT] = _WHICH) -> int:
    """End a cluster: every machine ends its processes."""
    token = _reached(options)
    from agent.cluster.nodes import tell_down

    tell_down(f"{options.head}:{options.ray_port}", token, options.host)
    Console(stderr=True).print("Told every machine to end.", highlight=False)
    return 0


def _token(options: WorkerOptions, head: str) -> str:
    """The token of learner and Ray; raises SettingsError where other machines are reached without one."""
    from agent.http.learner.service import check_host
    from agent.http.token import load_token

    check_ray()
    given = load_settings(options.config, os.environ).general.http_token.get_secret_value().strip()
    for name, host in (("--host", options.host), ("--head", head)):
        try:
            plain_host(host)
        except ValueError as error:
            raise SettingsError(f"{name} {host}: {error}") from error
        check_host(host, given, name)
    return load_token(given)


def _plan(options: WorkerOptions, head: str, weights: str) -> Plan:
    from agent.learner.remote.calls import learner_address

    plan = Plan(
        host=options.host, head=head, port=options.port, workers=options.workers, games=options.games,
        game=options.game, policy=options.policy, weights=weights,
        learner_at="" if options.learner is None else learner_address(options.learner),
    )  # fmt: skip
    plan.check()
    return plan


def _node(options: WorkerOptions, head: str, token: str) -> Node:
    from agent.cluster.nodes import Node
    from agent.core.clock import SystemClock
    from agent.core.folders import data_folder

    folder = state_folder(data_folder())
    return Node(options.host, head, options.ray_port, token, folder, SystemClock(), cpus=options.cpus)


def _reached(options: WhichOptions) -> str:
    """Connect to the cluster, and give the token; raises SettingsError where it does not answer."""
    from agent.cluster.nodes import connect
    from agent.concurrency.supervise import Failure, attempt
    from agent.http.token import load_token

    check_ray()
    token = load_token(load_settings(options.config, os.environ).general.http_token.get_secret_value())
    address = f"{options.head}:{options.ray_port}"
    try:
        socket.create_connection((options.head, options.ray_port), PROBE_S).close()  # Ray itself would wait for minutes
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"no cluster answers at {address}: {reason}; is `cluster up` running there?") from error
    found = attempt(lambda: connect(address, token, options.host))
    if isinstance(found, Failure):
        raise SettingsError(f"no cluster answers at {address}: {found.reason[:200]}; is `cluster up` running there?")
    return token


class _stopping:
    """A context with an event that Ctrl-C and a polite kill set."""

    def __enter__(self) -> threading.Event:
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        return ended

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
