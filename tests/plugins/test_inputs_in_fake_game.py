"""Every input reaches the fake game exactly once: its frames come at 30 to 240 a second, its fixed steps at 50.

Its own fixed step runs before the plugin's or after it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.core.clock import SystemClock
from agent.core.types import NEUTRAL, Action
from agent.link.research import ResearchAddress, ResearchClient
from tests.plugins.host import Client, PluginHost, free_port
from tools.scripts.csharp import Toolchain

PRESSES = 60
PRESS_S = 0.025
"""How long a button is held, and how long it is up: shorter than a frame at 30 a second."""


RATES = [(30, False), (30, True), (60, False), (144, True), (240, False)]
OTHER_RATES = [(60, True), (144, False), (240, True)]


@pytest.fixture(
    scope="module", params=[*RATES, *(pytest.param(rate, marks=pytest.mark.slow) for rate in OTHER_RATES)], ids=str
)
def game(
    request: pytest.FixtureRequest, toolchain: Toolchain, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PluginHost]:
    folder = tmp_path_factory.mktemp("config")
    fps, is_game_first = request.param
    written = [*("Network.Port", free_port()), *("Capture.EnableJpeg", "False"), *("Fake.Fps", str(fps))]
    written += ["Fake.GameFirst", str(is_game_first)]
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


def test_each_move_is_seen_by_fixed_steps_once_and_in_order(game: PluginHost) -> None:
    moves = [[(n % 5 + 1) / 8, (n % 7 - 8) / 8] for n in range(20)]
    with Client(game.port) as client:
        client.send(NEUTRAL)
        game.set(axes=[-1.0, 1.0])
        before = len(settle(game, client, "fixed_steps", 1)["moves"])
        deadline_s = time.monotonic() + 60
        for move in moves:
            while game.ask()["moved"] != move:
                assert time.monotonic() < deadline_s, f"{move} never acted"
                client.send(Action(move=(move[0], move[1])))
                time.sleep(0.01)
        seen = settle(game, client, "fixed_steps", 0)["moves"][before:]
        game.set(axes=[0.0, 0.0])
    # On a slow machine an action may run out before it is sent again: neutral in between is no other move.
    acted = [move for move, _ in itertools.groupby(move for move in seen if move != [0, 0])]
    assert acted == moves and seen[-1] == [0, 0]


def test_a_turn_is_as_far_at_every_frame_rate(game: PluginHost) -> None:
    with Client(game.port) as client:
        client.send(NEUTRAL)
        settle(game, client, "fixed_steps", 1)
        game.set(rotation=[0, 0, 0])
        start_s = time.monotonic()
        while time.monotonic() < start_s + 1.0:
            client.send(Action(look=(0.5, -0.25)))
            time.sleep(0.01)
        client.send(NEUTRAL)
        turned_s = time.monotonic() - start_s
        pitch, yaw = settle(game, client, "fixed_steps", 0)["rotation"]
    assert yaw == pytest.approx(90 * turned_s, abs=12)
    assert pitch == pytest.approx(yaw / 2, abs=0.01)


@pytest.mark.parametrize(
    ("action", "button"),
    [(Action(fire=True), "B_Confirm"), (Action(ability=True), "B_Back"), (Action(click=(50, 137)), "B_Confirm")],
    ids=["submit", "cancel", "click"],
)
def test_each_press_on_a_menu_is_one(game: PluginHost, action: Action, button: str) -> None:
    game.set(isMainMenu=True, window="W_Character")
    with Client(game.port) as client:
        client.send(NEUTRAL)
        client.newest(3)
        before = len(game.ask()["pressed"])
        for count in range(1, 9):
            client.send(action)
            deadline_s = time.monotonic() + 60
            while len(game.ask()["pressed"]) - before < count:
                assert time.monotonic() < deadline_s, "a press is lost"
                time.sleep(0.005)
            if action.click is None:
                client.send(NEUTRAL)
        client.newest(4)
        assert game.ask()["pressed"][before:] == [button] * 8
    game.set(isMainMenu=False)


@pytest.mark.parametrize("is_game_first", [False, True], ids=["plugin first", "game first"])
def test_the_action_of_a_step_acts_within_it_and_its_observation_shows_it(
    toolchain: Toolchain, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_game_first: bool
) -> None:
    monkeypatch.setenv("MEGABONK_RESEARCH_SHM_DIR", str(tmp_path))
    address = ResearchAddress(0, str(tmp_path))
    arguments = ("ResearchPlugin", str(tmp_path), "Fake.GameFirst", str(is_game_first))
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game:
        game.set(held=["Jump", "Interact"], paints=True)
        with ResearchClient(address, SystemClock()) as client:
            start = client.reset().pixels
            for number in range(1, 21):
                move = (number / 20, -number / 20)
                pressed = bool(number % 2)
                action = Action(move=move, fire=pressed, ability=pressed, interact=pressed)
                pixels = client.step(action).pixels
                above, below = (pixels[row, 9].astype(int) - (0, 0, start[row, 9, 2] * (row < 42)) for row in (9, 70))
                done = (number + 1) // 2
                assert above.tolist() == [int(128 + 100 * move[0]), int(128 + 100 * move[1]), done]
                assert (below - (*start[70, 9, :2], 0)).tolist() == [done, done, pressed]
            game.set(encounter="levelup")
            client.step(NEUTRAL)
            client.step(Action(click=(0, 0)))
            assert game.ask()["pressed"] == ["UpgradeButton (0)"], "the fourth button submits on a menu"
