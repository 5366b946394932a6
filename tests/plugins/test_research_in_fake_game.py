"""ResearchPlugin's whole plugin, loaded by the fake game: one frame a step, and nothing moves between two steps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.core.clock import SystemClock
from agent.core.rewards.tables import load_weights
from agent.core.types import NEUTRAL, Action
from agent.link.research import ResearchAddress, ResearchClient, ResearchLink
from tests.link.game_side import Recorder
from tests.plugins.host import PluginHost
from tests.plugins.test_research_csharp import _VICTIM
from tools.scripts.csharp import Toolchain

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def game(toolchain: Toolchain, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginHost]:
    monkeypatch.setenv("MEGABONK_RESEARCH_SHM_DIR", str(tmp_path))
    monkeypatch.setenv("MEGABONK_SEED", "1234")
    arguments = ("ResearchPlugin", str(tmp_path))
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game:
        yield game


@pytest.fixture
def address(tmp_path: Path) -> ResearchAddress:
    return ResearchAddress(0, str(tmp_path))


def test_a_step_is_one_frame_and_the_game_stands_still_between_two(game: PluginHost, address: ResearchAddress) -> None:
    with ResearchClient(address, SystemClock()) as client:
        assert client.reset().step == 0
        assert game.ask()["starts"] == 1, "from the menu a run is started"
        assert game.ask()["seeded"] == 1234
        before = game.ask()
        for number in range(1, 101):
            assert client.step(Action(move=(0.5, -0.5))).step == number
        after = game.ask()
        assert after["fixed_steps"] - before["fixed_steps"] in (100, 101)
        assert after["clock_s"] - before["clock_s"] == pytest.approx(2.0, abs=0.03)
        assert after["move"] == [0.5, -0.5]
        still = game.ask()["clock_s"]
        time.sleep(0.5)
        assert game.ask()["clock_s"] == pytest.approx(still, abs=0.021) and game.ask()["time_scale"] == 0
        client.reset()
        assert game.ask()["restarts"] == 1
    time.sleep(0.3)
    free = game.ask()
    assert free["capture_delta_s"] == 0 and free["time_scale"] == 1
    assert any("said goodbye" in line for line in free["log"])


def test_without_a_client_no_run_is_seeded_and_no_score_is_held_back(game: PluginHost) -> None:
    before = game.set(isMainMenu=False, upload=1)
    after = game.set(humanRuns=100, upload=1)
    assert (after["runs_begun"] - before["runs_begun"], after["runs_of_another_seed"]) == (100, 0)
    assert after["engine_seedings"] == 0 and after["own_generator"] and after["upload_setting"] == 1
    assert len(after["sent"]) == after["upload_methods"]
    assert (after["fixed_delta_s"], after["vsyncs"]) == (pytest.approx(0.02), 1)


def test_a_client_that_left_gives_everything_back_but_its_run_s_score(
    game: PluginHost, address: ResearchAddress
) -> None:
    game.set(fixedDelta=0.01, vsyncs=2, frameRate=75, timeScale=1.5)
    with ResearchClient(address, SystemClock()) as client:
        client.reset()
        client.step(NEUTRAL)
        held = game.ask()
        assert (held["runs_begun"], held["runs_of_another_seed"]) == (1, 1)
        assert (held["fixed_delta_s"], held["vsyncs"], held["frame_rate"]) == (pytest.approx(0.02), 0, -1)
    deadline = time.monotonic() + 60
    while game.ask()["fixed_delta_s"] != pytest.approx(0.01) and time.monotonic() < deadline:
        time.sleep(0.05)
    free = game.set(upload=1)
    assert (free["fixed_delta_s"], free["vsyncs"], free["frame_rate"]) == (pytest.approx(0.01), 2, 75)
    assert free["capture_delta_s"] == 0 and free["time_scale"] == pytest.approx(1.5) and free["own_generator"]
    assert free["sent"] == [] and free["upload_setting"] == 0, "the seeded run's score was uploaded"
    game.set(humanRuns=1, isMainMenu=True)
    own = game.ask()
    assert own["runs_of_another_seed"] == 2, "the engine goes on from a value that nobody chose, once"
    assert game.set(humanRuns=5)["runs_of_another_seed"] == 2
    time.sleep(0.1)
    assert len(game.set(upload=1)["sent"]) == own["upload_methods"] and game.ask()["upload_setting"] == 1


def test_a_reset_waits_for_the_new_run_and_for_a_game_that_boots(game: PluginHost, address: ResearchAddress) -> None:
    game.set(runTimer=30.0, runRuns=True, fade=0.5, data=False)
    with ResearchClient(address, SystemClock(), patience_s=60) as client:
        timer = threading.Timer(0.5, lambda: game.set(data=True))
        timer.start()
        first = client.reset()
        timer.join()
        assert first.step == 0 and first.time_ms < 1000, "a frame of the menu or of an old run was shown"
        assert game.ask()["starts"] == 1
        for _ in range(3):
            for _ in range(5):
                assert client.step(NEUTRAL).time_ms > first.time_ms
            before = client.step(NEUTRAL).time_ms
            again = client.reset()
            assert again.time_ms < before, "a frame of the old run was shown"
    assert game.ask()["runs_begun"] == 4


@pytest.mark.parametrize("table", ["", "counters"])
def test_rewards_come_from_the_game_s_counters_and_an_end_is_done(
    toolchain: Toolchain, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """Without a word the agent's own default is paid: the score in minutes, and nothing for death."""
    monkeypatch.setenv("MEGABONK_RESEARCH_SHM_DIR", str(tmp_path))
    monkeypatch.setenv("MEGABONK_REWARD_TABLE", table)
    pays, arguments = load_weights(table or "score"), ("ResearchPlugin", str(tmp_path))
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game:
        game.set(hp=100, maxHp=100, kills=3, level=1, progress=0.0)
        with ResearchClient(ResearchAddress(0, str(tmp_path)), SystemClock()) as client:
            client.reset()
            assert client.step(NEUTRAL).reward == 0
            game.set(kills=5, level=2)
            assert client.step(NEUTRAL).reward == pytest.approx(2 * pays.kill + pays.level, abs=1e-6)
            game.set(hp=75)
            assert client.step(NEUTRAL).reward == pytest.approx(0.25 * pays.damage, abs=1e-6)
            game.set(runTimer=90.0)
            assert client.step(NEUTRAL).reward == pytest.approx(1.5 * pays.minute, abs=1e-6)
            game.set(isGameOver=True)
            ended = client.step(NEUTRAL)
            assert ended.done and ended.reward == pytest.approx(pays.death, abs=1e-6)
            game.set(isGameOver=False)
            assert not client.reset().done
            game.set(isGameOver=True, tierVictory=True, runTimer=1140.0)
            won = client.step(NEUTRAL).reward
            assert won == pytest.approx(pays.win + 20 * pays.minute, abs=1e-5), "a tier that was won is no death"
        assert any(f"reward {pays.name}" in line for line in game.ask()["log"])


def test_buttons_reach_the_game_and_menus_are_submitted(game: PluginHost, address: ResearchAddress) -> None:
    with ResearchClient(address, SystemClock()) as client:
        client.reset()
        jumps = game.ask()["jumps"]
        for _ in range(4):
            client.step(Action(fire=True))
        assert game.ask()["jumps"] == jumps + 1
        client.step(Action(ability=True))
        assert game.ask()["sliding"]
        game.set(encounter="levelup")
        client.step(NEUTRAL)
        client.step(Action(fire=True))
        assert game.ask()["pressed"][-1] == "UpgradeButton (0)"
        game.set(encounter="")
        log = game.ask()["log"]
    assert any("not uploaded" in line for line in log) and game.ask()["upload_setting"] == 0
    assert not [line for line in log if "failed" in line]


def test_the_picture_is_the_screen_upright(game: PluginHost, address: ResearchAddress) -> None:
    with ResearchClient(address, SystemClock()) as client:
        client.reset()
        pixels = client.step(NEUTRAL).pixels
    assert [tuple(map(int, pixels[y, x])) for y, x in ((9, 9), (9, 70), (70, 9), (70, 70))] == [
        (200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 200),
    ]  # fmt: skip


def test_the_link_answers_an_end_with_a_new_run(game: PluginHost, address: ResearchAddress) -> None:
    async def play() -> None:
        listener = Recorder()
        link = ResearchLink(address, listener, SystemClock())
        task = asyncio.ensure_future(link.run())
        try:
            for count in range(1, 31):
                await listener.until(lambda: len(listener.packets) == count)  # noqa: B023
                if count == 10:
                    await asyncio.to_thread(lambda: game.set(isGameOver=True))
                ended = listener.packets[-1].state.run.run_ended  # type: ignore[union-attr]
                if ended:
                    await asyncio.to_thread(lambda: game.set(isGameOver=False))
                assert link.send(NEUTRAL)
        finally:
            task.cancel()
        ends = [n for n, p in enumerate(listener.packets) if p.state.run is not None and p.state.run.run_ended]
        assert len(ends) == 1 and 9 < ends[0] < 20
        assert 0 <= listener.packets[ends[0]].state.run.reward < 0.01  # type: ignore[union-attr]

    asyncio.run(play())
    assert game.ask()["restarts"] + game.ask()["starts"] == 2


def test_a_session_of_it_is_recorded_replays_and_is_played_again(
    game: PluginHost, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, report = tmp_path / "rec", tmp_path / "r.json"
    words = ["--policy", "random", "--no-http", "--no-learn"]
    assert run(["play", "--game", "research://0", *words, "--seconds", "1.5", "--record-to", str(folder)]) == 0
    capfd.readouterr()
    assert run(["replay", str(folder)]) == 0
    compared = int(capfd.readouterr().out.split(" decisions of random")[0].split()[-1])
    assert compared > 20
    again = ["play", "--game", f"replay:{folder}", "--fast", *words, "--report", str(report)]
    assert run(again) == 0
    (played,) = json.loads(report.read_text(encoding="utf-8"))["games"]
    assert played["link"]["received"] == played["link"]["acted"] >= compared


@pytest.mark.slow
def test_a_killed_client_frees_the_game_within_a_second(game: PluginHost, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _VICTIM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None and victim.stdout.readline() == b"up\n"
        time.sleep(0.2)
        os.kill(victim.pid, signal.SIGKILL)
    killed_s, held_s, overslept_s = time.monotonic(), 0.0, 0.0
    while (first := game.ask())["capture_delta_s"] != 0 and held_s < 60.0:
        held_s = time.monotonic() - killed_s
        time.sleep(0.05)
        overslept_s += time.monotonic() - killed_s - held_s - 0.05
    assert first["capture_delta_s"] == 0 and first["time_scale"] == 1
    assert held_s <= 1.0 + overslept_s, "a second, and what this machine kept even a sleeper waiting"
    second, begun_s, deadline_s = game.ask(), time.monotonic(), time.monotonic() + 60.0
    first = second
    while second["clock_s"] - first["clock_s"] <= 0.3 and time.monotonic() < deadline_s:
        time.sleep(0.05)
        second = game.ask()
    assert 0.3 < second["clock_s"] - first["clock_s"] < time.monotonic() - begun_s + 0.3, "the game runs on by itself"
    assert any("runs on by itself" in line for line in second["log"])
