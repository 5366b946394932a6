"""Every input reaches the fake game exactly once: its frames come at 30 to 240 a second, its fixed steps at 50.

Its own fixed step runs before the plugin's or after it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.core.clock import SystemClock
from agent.core.types import NEUTRAL, Action
from agent.link.research import ResearchAddress, ResearchClient
from tests.plugins.host import Client, PluginHost
from tools.scripts.csharp import Toolchain

PRESSES = 60
PRESS_S = 0.025
"""How long a button is held, and how long it is up: shorter than a frame at 30 a second."""


@pytest.fixture(scope="module", params=[(30, False), (30, True), (60, False), (144, True), (240, False)])
def game(
    request: pytest.FixtureRequest, toolchain: Toolchain, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PluginHost]:
    folder = tmp_path_factory.mktemp("config")
    fps, is_game_first = request.param
    written = ("Network.Port", "0", "Capture.EnableJpeg", "False", "Fake.Fps", str(fps))
    written += ("Fake.GameFirst", str(is_game_first))
    with PluginHost(toolchain, built, "BonkLink", str(folder), *written, program="stubs/fakegame.dll") as game:
        yield game


def settle(game: PluginHost, client: Client, field: str, wanted: int) -> dict[str, Any]:
    """Let the game go on with neutral actions until the field stands, and a little longer."""
    deadline = time.monotonic() + 60
    while (found := game.ask())[field] < wanted and time.monotonic() < deadline:
        client.send(NEUTRAL)
        time.sleep(0.02)
    for _ in range(10):
        client.send(NEUTRAL)
        time.sleep(0.02)
    return game.ask() if found[field] >= wanted else found


def test_sixty_presses_of_each_button_are_sixty(game: PluginHost) -> None:
    with Client(game.port) as client:
        client.send(NEUTRAL)
        before = settle(game, client, "fixed_steps", 1)
        # The human's own button does not count beside the agent's.
        game.set(held=["Jump", "Interact", "Slide"])
        for _ in range(PRESSES):
            for action in (Action(fire=True, ability=True, interact=True), NEUTRAL):
                client.send(action)
                time.sleep(PRESS_S)
        after = settle(game, client, "slides", before["slides"] + PRESSES)
        counted = {name: after[name] - before[name] for name in ("jumps", "interactions", "slides")}
        assert counted == dict.fromkeys(counted, PRESSES)
        assert not after["holding_jump"] and not after["sliding"] and after["holding_wallrun"]
        game.set(held=[])


def test_a_button_that_is_held_is_one_press_and_wallrun_is_the_agent_s_where_it_has_a_key(game: PluginHost) -> None:
    with Client(game.port) as client:
        client.send(NEUTRAL)
        game.set(wallrunBound=True)
        before = settle(game, client, "fixed_steps", 1)
        for _ in range(20):
            client.send(Action(fire=True, ability=True, interact=True))
            time.sleep(0.02)
        held = game.ask()
        assert held["holding_jump"] and held["holding_wallrun"] and held["sliding"]
        assert [held[n] - before[n] for n in ("jumps", "interactions", "slides", "jump_holds")] == [1, 1, 1, 1]
        assert not settle(game, client, "fixed_steps", 0)["holding_wallrun"]
        game.set(wallrunBound=False)


def test_the_action_of_a_step_acts_within_it(
    toolchain: Toolchain, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEGABONK_RESEARCH_SHM_DIR", str(tmp_path))
    address = ResearchAddress(0, str(tmp_path))
    with PluginHost(toolchain, built, "ResearchPlugin", str(tmp_path), program="stubs/fakegame.dll") as game:
        game.set(held=["Jump", "Interact"])
        with ResearchClient(address, SystemClock()) as client:
            client.reset()
            start = game.ask()
            for number in range(1, 9):
                move = (number / 8, -number / 8)
                client.step(Action(move=move, fire=bool(number % 2), interact=bool(number % 2)))
                seen = game.ask()
                assert seen["moved"] == list(move)
                done = (number + 1) // 2
                assert (seen["jumps"] - start["jumps"], seen["interactions"] - start["interactions"]) == (done, done)
