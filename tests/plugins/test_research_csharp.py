"""ResearchPlugin's stepping in C# with Python's client: lock-step, the same bits twice, and clients that die."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import LinkClosed, LinkRefused, LinkTimeout, ProtocolError
from agent.core.types import NEUTRAL, Action
from agent.link.research import ResearchAddress, ResearchClient, ResearchLink, ResearchMap, ResearchStep
from agent.link.research_map import TERMINATED
from tests.link.game_side import Recorder
from tests.plugins.host import PluginHost
from tools.scripts.csharp import Toolchain

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def host(toolchain: Toolchain, built: Path, tmp_path: Path) -> Iterator[PluginHost]:
    with PluginHost(toolchain, built, "research", "--dir", str(tmp_path), "--seed", "3", "--patience", "3") as host:
        yield host


@pytest.fixture
def address(tmp_path: Path) -> ResearchAddress:
    return ResearchAddress(0, str(tmp_path))


def scripted(count: int) -> Iterator[Action]:
    """The same actions as `host replay` plays."""
    x = 1
    for _ in range(count):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        move = (float((x >> 16 & 3) - 1), float((x >> 18 & 3) - 1))
        fire, ability, interact, submit = (bool(x >> n & 1) for n in (20, 21, 22, 23))
        yield Action(move, (0, 0), fire, ability, interact, (0, 0) if submit else None)


def replay(toolchain: Toolchain, built: Path, folder: Path, steps: int) -> dict[str, Any]:
    folder.mkdir()
    command = [
        toolchain.dotnet, "exec", built / "host.dll", "replay", "--dir", folder, "--seed", "3", "--steps", str(steps),
    ]  # fmt: skip
    done = subprocess.run(command, env=toolchain.environment(), capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_the_map_has_the_size_and_the_names_that_clients_know(host: PluginHost, tmp_path: Path) -> None:
    assert (tmp_path / "megabonk_env_0").stat().st_size == 21_224
    assert (tmp_path / "megabonk_env_0_beat").stat().st_size == 20
    host.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_for_50000_steps(toolchain: Toolchain, built: Path, tmp_path: Path) -> None:
    first, second = (replay(toolchain, built, tmp_path / name, 50_000) for name in "ab")
    assert first["hash"] == second["hash"]
    assert first["episodes"] == second["episodes"] >= 3


def test_python_sees_to_the_bit_what_the_game_gives(
    host: PluginHost, address: ResearchAddress, toolchain: Toolchain, built: Path, tmp_path: Path
) -> None:
    digest, episodes = hashlib.sha256(), 0

    def add(step: ResearchStep) -> None:
        nonlocal episodes
        digest.update(struct.pack("<fiiiii", step.reward, step.done, step.step, step.time_ms, 84, 84))
        digest.update(step.pixels.tobytes())
        episodes += step.done

    actions = scripted(10_000)
    with ResearchClient(address, SystemClock()) as client:
        step = client.reset()
        add(step)
        for _ in range(3000):
            step = client.reset() if step.done else client.step(next(actions))
            add(step)
    wanted = replay(toolchain, built, tmp_path / "r", 3000)
    assert digest.hexdigest() == wanted["hash"]
    assert episodes == wanted["episodes"]


@pytest.mark.parametrize("table", ["score", "counters"])
def test_rewards_an_end_and_a_new_run(
    toolchain: Toolchain, built: Path, tmp_path: Path, address: ResearchAddress, table: str
) -> None:
    options = ("research", "--dir", str(tmp_path), "--seed", "3", "--rewards", table)
    with PluginHost(toolchain, built, *options) as host, ResearchClient(address, SystemClock()) as client:
        step = client.reset()
        assert (step.step, step.reward, step.done) == (0, 0.0, False)
        total, steps = 0.0, 0
        while not step.done:
            step = client.step(Action(fire=steps % 2 == 0))
            steps += 1
            assert step.step == steps
            total += step.reward
        world = host.ask()
        wanted = step.time_ms / 60_000
        if table == "counters":
            assert step.reward < -4
            wanted = 0.02 * world["kills"] + 0.5 * (world["levels"] - 1) - world["taken"] / 100 - 5
        assert total == pytest.approx(wanted, abs=1e-3)
        after = client.step(NEUTRAL)
        assert after.done and after.reward == 0 and after.step == step.step
        again = client.reset()
        assert (again.step, again.done, again.time_ms) == (0, False, 0)


def test_every_input_reaches_the_world(host: PluginHost, address: ResearchAddress) -> None:
    with ResearchClient(address, SystemClock()) as client:
        client.reset()
        before = host.ask()
        client.step(Action(move=(0.5, -0.25)))
        assert host.ask()["move"] == [0.5, -0.25]
        client.step(Action(fire=True))
        assert host.ask()["jumps"] == before["jumps"] + 1
        client.step(Action(ability=True))
        assert host.ask()["sliding"]
        client.step(Action(interact=True))
        assert host.ask()["interactions"] == before["interactions"] + 1


def test_a_thousand_steps_are_exactly_a_thousand(host: PluginHost, address: ResearchAddress) -> None:
    with ResearchClient(address, SystemClock()) as client:
        client.reset()
        before = host.ask()["steps"]
        for _ in range(1000):
            if client.step(Action(fire=False)).done:
                client.reset()
        assert host.ask()["steps"] - before == 1000


@pytest.mark.slow
def test_lock_step_goes_at_2000_steps_a_second(host: PluginHost, address: ResearchAddress) -> None:
    """Shown by the first stretch of ten steps that nothing else on the machine held up.

    A pause of the program's own in each step holds up every stretch. tools/bench/plugins.py measures the rate of long
    stretches on a quiet machine.
    """
    clock, best = SystemClock(), 0.0
    deadline_s = clock.now_s() + 60.0
    with ResearchClient(address, clock) as client:
        client.reset()
        actions = itertools.cycle(scripted(1000))
        while best < 2000 and clock.now_s() < deadline_s:
            start_s = clock.now_s()
            for action in itertools.islice(actions, 10):
                if client.step(action).done:
                    client.reset()
            best = max(best, 10 / (clock.now_s() - start_s))
    assert best >= 2000


def test_a_client_that_thinks_for_long_is_waited_for(host: PluginHost, address: ResearchAddress) -> None:
    with ResearchClient(address, SystemClock()) as client:
        client.reset()
        ran_on = host.ask()["ran_on"]
        time.sleep(1.2)
        report = host.ask()
        assert report["status"] == 1 and report["ran_on"] == ran_on


def test_heartbeats_without_an_action_do_not_hold_the_game_for_ever(host: PluginHost, address: ResearchAddress) -> None:
    with ResearchClient(address, SystemClock()) as client:
        client.reset()
        time.sleep(3.5)
        assert host.ask()["status"] == 2
        assert client.map.game_status == 2
        assert client.step(NEUTRAL).step >= 1
        assert host.ask()["status"] == 1


_VICTIM = """
import sys
from agent.core.clock import SystemClock
from agent.core.types import Action
from agent.link.research import ResearchAddress, ResearchClient
client = ResearchClient(ResearchAddress(0, sys.argv[1]), SystemClock())
client.reset()
print("up", flush=True)
while True:
    if client.step(Action(move=(1.0, 0.0))).done:
        client.reset()
"""


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
def test_a_client_killed_in_lock_step_frees_the_game_within_a_second(
    host: PluginHost, address: ResearchAddress, tmp_path: Path, sign: signal.Signals
) -> None:
    command = [sys.executable, "-c", _VICTIM, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None and victim.stdout.readline() == "up\n"
        time.sleep(0.2)
        host.ask()
        os.kill(victim.pid, sign)
        report, deadline_s = host.ask(), time.monotonic() + 60.0
        longest_gap_s = report["longest_gap_s"]
        while not (report["status"] == 2 and report["ran_on"] > 5) and time.monotonic() < deadline_s:
            time.sleep(0.1)
            report = host.ask()
            longest_gap_s = max(longest_gap_s, report["longest_gap_s"])
        victim.kill()
    assert longest_gap_s <= 1.0
    assert report["status"] == 2 and report["ran_on"] > 5
    with ResearchClient(address, SystemClock()) as client:
        assert client.reset().step == 0


def test_the_link_serves_packets_one_an_answer(host: PluginHost, address: ResearchAddress) -> None:
    assert asyncio.run(serve_200_packets(host, address)) == 200


async def serve_200_packets(host: PluginHost, address: ResearchAddress) -> int:
    listener = Recorder()
    link = ResearchLink(address, listener, SystemClock())
    task = asyncio.ensure_future(link.run())
    try:
        await listener.until(lambda: listener.packets)
        assert link.is_up and listener.ups == 1
        for count in range(1, 200):
            assert link.send(Action(move=(1.0, 0.0)))
            assert not link.send(Action())
            await listener.until(lambda: len(listener.packets) == count + 1)  # noqa: B023
        runs = [p.state.run for p in listener.packets]
        assert [r.sequence for r in runs if r] == list(range(1, 201))
        assert runs[-1] is not None and runs[-1].capture_time_us > runs[0].capture_time_us  # type: ignore[union-attr]
        await asyncio.to_thread(host.stop)
        await listener.until(lambda: listener.downs)
        assert "ended" in listener.downs[0] and not link.is_up
    finally:
        task.cancel()
    assert link.counters.closed == 1
    return len(listener.packets)


def test_refusals_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LinkRefused, match="is the game with ResearchPlugin running"):
        ResearchMap(ResearchAddress(7, str(tmp_path)))
    (tmp_path / "megabonk_env_7").write_bytes(b"\0" * 100)
    (tmp_path / "megabonk_env_7_beat").write_bytes(b"\0" * 8)
    with pytest.raises(ProtocolError, match="100 bytes are too few for 84×84"):
        ResearchMap(ResearchAddress(7, str(tmp_path)))
    (tmp_path / "megabonk_env_7").write_bytes(b"\0" * 21_224)
    with ResearchClient(ResearchAddress(7, str(tmp_path)), SystemClock(), patience_s=0.2) as client:
        with pytest.raises(LinkTimeout, match="no observation within 0.2 s"):
            client.reset()
        client.map.flag = TERMINATED
        with pytest.raises(LinkClosed):
            client._answer()


def test_a_picture_half_written_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "megabonk_env_0").write_bytes(b"\0" * 21_224)
    (tmp_path / "megabonk_env_0_beat").write_bytes(b"\0" * 8)
    shared = ResearchMap(ResearchAddress(0, str(tmp_path)))
    assert shared.read() is not None
    shared._shared.write(4, (3).to_bytes(4, "little"))
    assert shared.read() is None
    shared.close()


@pytest.mark.slow
def test_the_agent_plays_it(host: PluginHost, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    environ = {**os.environ, "MEGABONK_RESEARCH_SHM_DIR": str(tmp_path), "METABONK_USE_RESEARCH_SHM": "1"}
    command = [
        sys.executable, "-m", "agent", "play", "--policy", "random", "--seconds", "3600", "--no-http",
        "--report", str(report),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as agent:
        deadline_s = time.monotonic() + 120.0
        while host.ask()["steps"] < 200 and agent.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.05)
        agent.send_signal(signal.SIGINT)
        _, errors = agent.communicate(timeout=240)
    assert agent.returncode == 0, errors
    result = json.loads(report.read_text(encoding="utf-8"))
    link = result["games"][0]["link"]
    assert link["acted"] > 150 and link["corrupt"] == 0
    assert abs(link["received"] - link["acted"]) <= 2
    refused = subprocess.run([*command, "--game", "arena"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert refused.returncode == 2 and "METABONK_USE_RESEARCH_SHM" in refused.stderr


def test_the_picture_is_upright(host: PluginHost, address: ResearchAddress) -> None:
    with ResearchClient(address, SystemClock()) as client:
        pixels = client.reset().pixels
    assert [tuple(map(int, pixels[y, x])) for y, x in ((3, 3), (3, 80), (80, 3), (80, 80))] == [
        (200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 200),
    ]  # fmt: skip
    assert pixels.dtype == np.uint8
