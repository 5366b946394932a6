"""What the plugin must not do to its game: end it by a fault of its own, fill its memory, spend or quit."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.core.types import NEUTRAL, Action
from tests.plugins.host import Client, PluginHost, free_port
from tools.scripts.csharp import Toolchain


@pytest.fixture
def game(toolchain: Toolchain, built: Path, tmp_path: Path) -> Iterator[PluginHost]:
    written = ("Network.Port", free_port(), "Capture.JpegHz", "30")
    with PluginHost(toolchain, built, "BonkLink", str(tmp_path), *written, program="stubs/fakegame.dll") as game:
        yield game


def wait_for_log(game: PluginHost, part: str) -> str:
    """The log's line that holds `part`, when it is there."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if found := [line for line in game.ask()["log"] if part in line]:
            return str(found[0])
        time.sleep(0.02)
    raise AssertionError(f"never said: {part}: {game.ask()['log']}")


def break_pictures(game: PluginHost, client: Client) -> str:
    client.frame()
    game.ask(**{"break": "_parts._frames._jpeg"})
    said = wait_for_log(game, "that picture is left out")
    client.newest(3)
    return said


def break_reading(game: PluginHost, client: Client) -> str:
    game.ask(**{"break": "_parts._server._nowS"})
    client.send(NEUTRAL)
    return wait_for_log(game, "client 1 gone")


def break_accepting(game: PluginHost, client: Client) -> str:
    game.ask(**{"break": "_parts._server._transport"})
    with Client(game.port) as other:
        other.newest(3)
        return wait_for_log(game, "the thread BonkLink accept ended")


@pytest.mark.parametrize("fault", [break_pictures, break_reading, break_accepting])
def test_a_fault_in_a_thread_is_said_and_the_game_goes_on(
    game: PluginHost, fault: Callable[[PluginHost, Client], str]
) -> None:
    with Client(game.port) as client:
        client.packet()
        assert "NullReferenceException" in fault(game, client)
        fixed_steps = game.ask()["fixed_steps"]
        time.sleep(0.1)
        assert game.ask()["fixed_steps"] > fixed_steps


def test_pictures_of_many_screen_sizes_give_their_textures_back(game: PluginHost) -> None:
    with Client(game.port) as client:
        for width in (640, 800, 960, 1280):
            game.set(screen=[width, 360])
            client.frame()
            client.frame()
            client.frame()
        assert game.ask()["textures"] <= 1, "only that of the picture that is on its way"


def pressed_by(game: PluginHost, client: Client, action: Action) -> list[str]:
    """The names of the buttons that one press of an agent pressed."""
    client.send(NEUTRAL)
    client.newest(3)
    before = len(game.ask()["pressed"])
    client.send(action)
    client.newest(3)
    return list(game.ask()["pressed"][before:])


EXIT, PURCHASE, ITEM, POWER = (Action(click=(230, y)) for y in (157, 132, 107, 82))
"""Clicks on buttons that lie at 900 of 1280 pixels; a pixel of the picture is four of the screen."""


def test_an_agent_can_leave_the_shop_and_the_settings_but_buy_nothing_there(game: PluginHost) -> None:
    with Client(game.port) as client:
        for window in ("W_Shop", "W_Unlocks", "W_Settings"):
            game.set(isMainMenu=True, window=window, start=8)
            assert pressed_by(game, client, Action(fire=True)) == ["B_Back"], window
            assert pressed_by(game, client, Action(ability=True)) == ["B_Back"], window
            assert pressed_by(game, client, ITEM) == [], window


def test_no_button_that_quits_or_buys_can_be_pressed(game: PluginHost) -> None:
    with Client(game.port) as client:
        game.set(isMainMenu=True, window="Menu", start=6)
        assert pressed_by(game, client, EXIT) == []
        assert pressed_by(game, client, Action(fire=True)) == ["B_Play"]
        game.set(window="W_Character", confirm=False, start=7)
        assert pressed_by(game, client, PURCHASE) == []
        assert "B_Purchase" not in pressed_by(game, client, Action(fire=True))
        # A button of another name that quits and buys all the same.
        assert pressed_by(game, client, POWER) == ["B_Power"]
        assert game.ask()["exits_and_buys"] == 0


def count_per_s(game: PluginHost, client: Client, key: str) -> float:
    """How often a second the fake game counted `key` while two seconds of packets came."""
    before, begun = game.ask()[key], time.monotonic()
    while time.monotonic() < begun + 2:
        client.packet()
    return float((game.ask()[key] - before) / (time.monotonic() - begun))


def test_one_query_finds_all_that_is_used_and_no_frame_has_two(game: PluginHost) -> None:
    """Chests, shrines and portals have one base type: with charge shrines and pickups, three queries twice a second."""
    names = ("chest", "moai", "final portal", "pot", "charge shrine", "pickup")
    game.set(things=[[name, [x, 0, 2 * x]] for x, name in enumerate(names)])
    with Client(game.port) as client:
        client.packet()
        until = time.monotonic() + 60
        while (scene := client.packet().state.scene) is None or len(scene.object_kinds) < 5:
            assert time.monotonic() < until
        found = {(int(kind), round(at[0])) for kind, at in zip(scene.object_kinds, scene.object_positions, strict=True)}
        assert found == {(4, 0), (5, 1), (6, 2), (5, 4), (1, 5)}, "each once, by its kind; the pot is not listed"
        assert 4 <= count_per_s(game, client, "queries") <= 6.5 and game.ask()["most_queries"] == 1


def test_the_game_s_enemies_are_walked_20_times_a_second_and_one_that_comes_is_there_at_once(
    toolchain: Toolchain, built: Path, tmp_path: Path
) -> None:
    """Without pictures, which take the fake game longer than all else: it draws as often as it can."""
    written = ("Network.Port", free_port(), "Capture.EnableJpeg", "False", "Performance.UpdateHz", "240")
    arguments = ("BonkLink", str(tmp_path), *written, "Fake.Fps", "240")
    with PluginHost(toolchain, built, *arguments, program="stubs/fakegame.dll") as game:
        check_walks(game)


def check_walks(game: PluginHost) -> None:
    def rows(*numbers: int, dead: int = 0) -> list[list[object]]:
        return [[n, [n, 0, 0], 10.0, n % 5, False, n == dead] for n in numbers]

    game.set(enemies=rows(1, 2, 3))
    with Client(game.port) as client:
        client.newest(6)
        assert 10 < count_per_s(game, client, "enemy_walks") <= 22, "states go out 240 times a second"
        for enemies in (rows(1, 2, 3, 4), rows(1, 2, 3, 4, dead=2), rows(9, 8, 7, 6)):
            game.set(enemies=enemies)
            wanted, until = [row[0] for row in enemies if not row[5]], time.monotonic() + 60
            while (seen := client.packet().state.enemies[:, 0].tolist()) != wanted:
                assert time.monotonic() < until, seen


def test_maps_under_wine_are_files_that_linux_sees_and_an_action_that_ended_does_not_begin_again(
    toolchain: Toolchain, built: Path
) -> None:
    command = [toolchain.dotnet, "exec", built / "host.dll", "parts"]
    done = subprocess.run(command, env=toolchain.environment(), capture_output=True, text=True, check=True)
    parts = json.loads(done.stdout)
    assert parts["folders"] == ["/dev/shm", None, "Z:\\dev\\shm"]
    # A long frame ends the press; in the short frames after it its time is not over yet.
    assert parts["held"] == [True, True, False, False, False]
