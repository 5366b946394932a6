"""The plugins' C# over many sessions, without the game: watchers beside a player, and games that end in lock-step.

    python -m tools.bench.plugin_sessions [watchers] [restarts] [--count 20] [--out FILE]

watchers: `doctor`, the search for a game and a second agent, each `count` times, beside `play` on the C# server;
whether the player lost its connection or one action. restarts: the fake game with ResearchPlugin is killed or quits
`count` times under a client; how soon after the game's next first frame the client acts again. Without names, both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tools.bench._result_file import publish
from tools.scripts import csharp
from tools.scripts.csharp import Toolchain

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from agent.core.clock import SystemClock  # noqa: E402
from agent.core.types import NEUTRAL, Packet  # noqa: E402
from agent.link.research import ResearchAddress, ResearchLink  # noqa: E402
from agent.setup.find_game import find_game  # noqa: E402
from tools.bench.plugins import Host  # noqa: E402

WAIT_S = 120.0
"""A session that does not begin within this time hangs."""


def _agent(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    environ = {**os.environ, **options}
    command = [sys.executable, "-m", "agent", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _play(port: int, report: Path, *more: str) -> subprocess.Popen[str]:
    game = f"bonklink://127.0.0.1:{port}"
    words = ("--game", game, "--policy", "random", "--no-http", "--no-record", "--report", str(report))
    return _agent("play", *words, *more)


def _until_acting(host: Host) -> dict[str, Any]:
    deadline_s = time.perf_counter() + WAIT_S
    while not (seen := host.ask())["heard"]:
        if time.perf_counter() > deadline_s:
            raise RuntimeError("the player never acted")
        time.sleep(0.05)
    return seen


def watchers(toolchain: Toolchain, built: Path, count: int) -> dict[str, Any]:
    """Look at a game and play it beside an agent that plays; what the first agent lost."""
    host = Host(toolchain, built, "link")
    with tempfile.TemporaryDirectory() as folder:
        report, second = Path(folder) / "player.json", Path(folder) / "second.json"
        player = _play(host.port, report, "--seconds", "3600")
        owner = _until_acting(host)["owner"]
        owners, found, doctors, refused = set(), 0, 0, 0
        for _ in range(count):
            found += asyncio.run(find_game("127.0.0.1", (host.port,))) is not None
            doctor = _agent("doctor", METABONK_BONKLINK_PORT=str(host.port))
            text, _ = doctor.communicate(timeout=WAIT_S)
            doctors += f"127.0.0.1:{host.port} answers" in text
            _play(host.port, second, "--seconds", "1").communicate(timeout=WAIT_S)
            refused += json.loads(second.read_text(encoding="utf-8"))["games"][0]["link"]["actions_sent"]
            owners.add(host.ask()["owner"])
        player.terminate()
        player.communicate(timeout=WAIT_S)
        link = json.loads(report.read_text(encoding="utf-8"))["games"][0]["link"]
    seen = host.ask()
    host.stop()
    return {
        "rounds": count,
        "games_found": found,
        "doctors_satisfied": doctors,
        "clients": seen["clients"],
        "player_stayed_owner": owners == {owner},
        "player_disconnects": link["connects"] - 1,
        "player_actions_sent": link["actions_sent"],
        "actions_that_counted": seen["counted"],
        # A client that closes says goodbye with a neutral action, which its counter leaves out.
        "player_actions_lost": link["actions_sent"] + 1 - seen["counted"],
        "second_agent_actions_that_did_not_count": refused,
        "host_longest_gap_s": round(seen["longest_gap_s"], 4),
    }


class _Actor:
    """Answers each packet at once, and remembers when the link came up and when a step came."""

    def __init__(self) -> None:
        self.link: ResearchLink | None = None
        self.downs: list[str] = []
        self.first_s = self.acted_s = 0.0
        self.steps = self.bad = 0

    def on_up(self) -> None:
        self.steps, self.first_s, self.acted_s = 0, 0.0, 0.0

    def on_packet(self, packet: Packet, received_at_s: float) -> None:
        assert self.link is not None
        self.first_s = self.first_s or time.perf_counter()
        self.steps += 1
        if self.steps == 2:
            self.acted_s = time.perf_counter()
        self.link.send(NEUTRAL)

    def on_bad_packet(self, reason: str) -> None:
        self.bad += 1

    def on_down(self, reason: str) -> None:
        self.downs.append(reason)


class _FakeGame:
    """The fake game with ResearchPlugin; its first frame was drawn when this is made."""

    def __init__(self, toolchain: Toolchain, built: Path, folder: Path) -> None:
        command = [toolchain.dotnet, "exec", built / "stubs" / "fakegame.dll", "ResearchPlugin", folder]
        environ = {**toolchain.environment(), "MEGABONK_RESEARCH_SHM_DIR": str(folder)}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.back_s = time.perf_counter()

    def end(self, kills: bool) -> None:
        """Kill it, or let it quit as a player does, which unloads no plugin."""
        if kills:
            self.process.kill()
        self.process.communicate(None if kills else '{"quit": true}\n', timeout=WAIT_S)


async def _acting(actor: _Actor) -> float:
    deadline_s = time.perf_counter() + WAIT_S
    while actor.steps < 20:
        if time.perf_counter() > deadline_s:
            raise RuntimeError(f"the client does not act: {actor.link.last_error if actor.link else None}")
        await asyncio.sleep(0.005)
    return actor.acted_s


async def _gone(actor: _Actor, downs: int) -> None:
    deadline_s = time.perf_counter() + WAIT_S
    while len(actor.downs) == downs:
        if time.perf_counter() > deadline_s:
            raise RuntimeError("the client never saw the end of its game")
        await asyncio.sleep(0.005)


async def _restarts(toolchain: Toolchain, built: Path, folder: Path, count: int) -> dict[str, Any]:
    actor = _Actor()
    actor.link = ResearchLink(ResearchAddress(0, str(folder)), actor, SystemClock())
    running = asyncio.ensure_future(actor.link.run())
    again_s = []
    game = await asyncio.to_thread(_FakeGame, toolchain, built, folder)
    await _acting(actor)
    for number in range(count):
        downs = len(actor.downs)
        await asyncio.to_thread(game.end, number % 2 == 0)
        if number % 4 >= 2:
            # Every second time the game is back before the client could tell that it was gone.
            await _gone(actor, downs)
        actor.steps = 0
        game = await asyncio.to_thread(_FakeGame, toolchain, built, folder)
        again_s.append(max(0.0, await _acting(actor) - game.back_s))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await asyncio.to_thread(game.end, False)
    return {
        "restarts": count,
        "acting_again_s_max": round(max(again_s), 3),
        "acting_again_s_median": round(statistics.median(again_s), 3),
        "downs": len(actor.downs),
        "bad_packets": actor.bad,
        "reasons": sorted({reason.split(": ", 1)[1].split(";")[0] for reason in actor.downs}),
    }


def restarts(toolchain: Toolchain, built: Path, count: int) -> dict[str, Any]:
    """Kill a game in lock-step, or let it quit, `count` times; how long its client takes to act again."""
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(_restarts(toolchain, built, Path(folder), count))
        return {**seen, "maps_left": len(list(Path(folder).glob("megabonk_env_*")))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    cases = {"watchers": watchers, "restarts": restarts}
    if unknown := set(args.names) - set(cases):
        parser.error(f"{', '.join(unknown)}: there are {', '.join(cases)}")
    toolchain = csharp.find()
    csharp.install(toolchain)
    with tempfile.TemporaryDirectory() as work:
        built = Path(work) / "built"
        csharp.build(toolchain, built)
        values = {name: cases[name](toolchain, built, args.count) for name in args.names or cases}
        publish("plugin_sessions", values, args.out)


if __name__ == "__main__":
    main()
