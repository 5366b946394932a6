"""Resets of lock-step in the fake game that boots, fades, ends or whose client dies; the game always goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import LinkRefused, LinkTimeout
from agent.core.types import NEUTRAL
from agent.link.research import ResearchAddress, ResearchClient
from tests.plugins.host import PluginHost
from tools.bench import plugin_sessions
from tools.scripts.csharp import Toolchain

ROOT = Path(__file__).resolve().parents[2]
RESETTING = """
import sys, time
from agent.core.clock import SystemClock
from agent.link.research import ResearchAddress, ResearchClient
client = ResearchClient(ResearchAddress(0, sys.argv[1]), SystemClock(), patience_s=600)
print("up", flush=True)
client.reset()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def game(toolchain: Toolchain, built: Path, folder: Path) -> Iterator[PluginHost]:
    """A game that boots: it has no data yet. A new run may take 3 s, and is asked for anew each half second."""
    written = ("Fake.NewRun.PatienceS", "3", "Fake.NewRun.AgainS", "0.5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEGABONK_RESEARCH_SHM_DIR", str(folder))
        with PluginHost(
            toolchain, built, "ResearchPlugin", str(folder), *written, program="stubs/fakegame.dll"
        ) as game:
            yield game


@pytest.fixture
def address(folder: Path) -> ResearchAddress:
    return ResearchAddress(0, str(folder))


def until(game: PluginHost, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline_s = time.monotonic() + 60
    while not holds(seen := game.ask()):
        assert time.monotonic() < deadline_s, seen
        time.sleep(0.02)
    return seen


def is_stepped(seen: dict[str, Any]) -> bool:
    return bool(seen["capture_delta_s"] > 0 and seen["vsyncs"] == 0 and seen["frame_rate"] == -1)


def test_a_reset_without_a_run_frees_the_game_and_the_next_one_succeeds_once_its_data_is_there(
    game: PluginHost, address: ResearchAddress
) -> None:
    game.set(data=False, isMainMenu=False, timeScale=1.5, vsyncs=2, frameRate=75, fixedDelta=0.01)
    with ResearchClient(address, SystemClock(), patience_s=2.0) as client:
        with pytest.raises(LinkTimeout):
            client.reset()
        assert is_stepped(game.ask())
        free = until(game, lambda seen: any("no new run within 3 s" in line for line in seen["log"]))
        assert (free["capture_delta_s"], free["vsyncs"], free["frame_rate"]) == (0, 2, 75)
        assert (free["time_scale"], free["fixed_delta_s"]) == (pytest.approx(1.5), pytest.approx(0.01))
        assert client.map.game_status == 2 and free["starts"] == 0
    with ResearchClient(address, SystemClock(), patience_s=60) as client:
        timer = threading.Timer(0.3, lambda: game.set(data=True, isMainMenu=True))
        timer.start()
        assert client.reset().step == 0
        timer.join()
        assert game.ask()["starts"] == 1
        game.set(lost=2)
        assert client.reset().step == 0, "a wish that came to nothing is told again"
        assert game.ask()["restarts"] == 3


def test_a_reset_whose_run_ends_in_the_menu_before_it_began_is_asked_for_again(
    game: PluginHost, address: ResearchAddress
) -> None:
    with ResearchClient(address, SystemClock(), patience_s=60) as client:
        before = game.set(isMainMenu=True, isLoading=True)
        client.map.flag = 3
        until(game, lambda seen: seen["starts"] > before["starts"])
        game.set(isMainMenu=True, isLoading=False)
        until(game, lambda seen: client.map.flag == 2)
        seen = game.ask()
        assert seen["starts"] == before["starts"] + 2
        assert not any("no new run" in line for line in seen["log"][len(before["log"]) :])


def test_a_reset_is_not_answered_by_the_run_that_another_reset_asked_for(
    game: PluginHost, address: ResearchAddress
) -> None:
    game.set(isMainMenu=True, fade=0, runRuns=True)
    with ResearchClient(address, SystemClock(), patience_s=60) as client:
        client.reset()  # the game has a run that can be begun anew, whichever test came before
        begun, deadline_s = game.set(fade=2)["runs_begun"], time.monotonic() + 60
        client.map.flag = 3
        while client.map.flag == 3:  # taken in a moment, and the old run fades for a few more
            assert time.monotonic() < deadline_s
        client.reset()
        assert game.ask()["runs_begun"] == begun + 2
        for _ in range(3):
            assert client.step(NEUTRAL).time_ms > 0
    game.set(fade=0, runRuns=False)


@pytest.mark.parametrize("sign", [None, signal.SIGKILL], ids=["goodbye", "killed"])
def test_a_client_that_leaves_while_a_new_run_begins_frees_the_game(
    game: PluginHost, folder: Path, address: ResearchAddress, sign: signal.Signals | None
) -> None:
    until(game, lambda seen: not is_stepped(seen))
    game.set(lost=10_000, timeScale=1.25, vsyncs=1, frameRate=60)
    if sign is None:
        with ResearchClient(address, SystemClock()) as client:
            client.map.flag = 3
            until(game, is_stepped)
    else:
        command = [sys.executable, "-c", RESETTING, str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as victim:
            assert victim.stdout is not None and victim.stdout.readline() == b"up\n"
            until(game, is_stepped)
            time.sleep(0.3)
            os.kill(victim.pid, sign)
    free = until(game, lambda seen: not is_stepped(seen))
    assert (free["capture_delta_s"], free["vsyncs"], free["frame_rate"]) == (0, 1, 60)
    assert free["time_scale"] == pytest.approx(1.25)
    wanted = "said goodbye" if sign is None else "asked for a new run is gone"
    assert wanted in [line for line in free["log"] if "runs on" in line][-1]
    game.set(lost=0)


def test_a_run_that_was_wished_for_during_the_boot_outlives_it(
    toolchain: Toolchain, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run is asked for when the boot is over: from the first one, and not from the menu."""
    monkeypatch.setenv("MEGABONK_RESEARCH_SHM_DIR", str(tmp_path))
    is_booted = threading.Event()

    def runs() -> list[int]:
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            with (
                contextlib.suppress(LinkRefused),
                ResearchClient(ResearchAddress(0, str(tmp_path)), SystemClock(), patience_s=60) as client,
            ):
                first = client.reset()
                assert is_booted.wait(60)
                return [first.step, client.reset().step]
        raise AssertionError("the game never made its map")

    program, written = "stubs/fakegame.dll", ("Fake.BootPauseS", "0.5")
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(runs)
        with PluginHost(toolchain, built, "ResearchPlugin", str(tmp_path), *written, program=program) as game:
            is_booted.set()
            assert begun.result(timeout=120) == [0, 0]
            seen = game.ask()
    assert (seen["starts"], seen["restarts"]) == (1, 1)


@pytest.mark.slow
def test_a_game_that_is_killed_or_quits_is_acted_in_again(toolchain: Toolchain, built: Path) -> None:
    seen = plugin_sessions.restarts(toolchain, built, 4)
    assert seen["downs"] == 4 and seen["bad_packets"] == 0 and seen["maps_left"] == 0
    assert seen["acting_again_s_max"] <= 2.0
    assert {"the game has died", "the game ended"} & set(seen["reasons"])
