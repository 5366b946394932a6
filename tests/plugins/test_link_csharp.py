"""BonkLink's server in C# with the scripted world: every field out, every input in, upright pictures, one player."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core.settings import Settings
from agent.core.types import NEUTRAL, Action, GameState
from agent.link.imaging import decode_frame
from agent.setup.doctor import check_game
from agent.setup.find_game import find_game
from tests.plugins.host import Client, PluginHost
from tools.scripts.csharp import Toolchain

# As the world's fields are set, and as the state shows them.
FIELDS: dict[str, tuple[Any, Any]] = {
    "position": ([1.5, 2.5, -3.5], lambda s: list(s.position)),
    "velocity": ([-1.5, 0.25, 3.5], lambda s: list(s.velocity)),
    "health": (41.5, lambda s: s.health),
    "max_health": (142.0, lambda s: s.max_health),
    "game_time_s": (61.25, lambda s: s.game_time_s),
    "is_playing": (True, lambda s: s.is_playing),
    "is_paused": (True, lambda s: s.is_paused),
    "current_menu": ("Encounter", lambda s: s.current_menu),
    "options": (["Höhe", "Bow (New)", ""], lambda s: list(s.level_up_options)),
    "level": (17, lambda s: s.run.level),
    "xp": (0.75, lambda s: s.run.xp_fraction),
    "kills": (70_000, lambda s: s.run.kills),
    "gold": (123_456, lambda s: s.run.gold),
    "dealt": (1024.5, lambda s: s.run.damage_dealt),
    "taken": (33.25, lambda s: s.run.damage_taken),
    "seed": (2**63 + 5, lambda s: s.run.run_seed),
    "yaw": (1.25, lambda s: s.scene.camera_yaw_rad),
    "pitch": (-0.5, lambda s: s.scene.camera_pitch_rad),
}


@pytest.fixture(scope="module")
def host(toolchain: Toolchain, built: Path) -> Iterator[PluginHost]:
    with PluginHost(toolchain, built, "link", "--human", "1") as host:
        host.set(frozen=True)
        yield host


@pytest.fixture
def client(host: PluginHost) -> Iterator[Client]:
    with Client(host.port) as client:
        client.packet()
        yield client


def state_of(client: Client) -> GameState:
    return client.newest().state


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_changes_in_the_world_changes_in_python(host: PluginHost, client: Client, name: str) -> None:
    value, seen = FIELDS[name]
    before = seen(state_of(client))
    assert before != value
    host.set(**{name: value})
    assert seen(state_of(client)) == value
    host.set(**{name: before})
    assert seen(state_of(client)) == before


def test_enemies_arrive_with_their_kinds_and_objects_with_theirs(host: PluginHost, client: Client) -> None:
    host.set(enemies=[[1, 2, 3, 4.5, 7], [-1, -2, -3, 9.5, 0x83]], objects=[[4, 1, 0, 2], [6, -8, 0, 9.5]])
    state = state_of(client)
    assert state.enemies.tolist() == [[1, 2, 3, 4.5], [-1, -2, -3, 9.5]]
    assert state.scene is not None
    assert state.scene.enemy_kinds.tolist() == [7, 0x83]
    assert state.scene.object_kinds.tolist() == [4, 6]
    assert state.scene.object_positions.tolist() == [[1, 0, 2], [-8, 0, 9.5]]
    host.set(enemies=[], objects=[])
    assert len(state_of(client).enemies) == 0


def test_a_reward_and_an_end_are_carried_once(host: PluginHost, client: Client) -> None:
    host.set(reward=2.5, ended=True, won=True)
    runs = [p.state.run for p in (client.packet() for _ in range(20)) if p.state.run is not None]
    assert [r.reward for r in runs if r.reward] == [2.5]
    assert [r.run_won for r in runs if r.run_ended] == [True]


def test_without_a_client_the_world_is_not_read_and_what_it_paid_then_is_not_the_next_client_s(
    host: PluginHost,
) -> None:
    deadline = time.monotonic() + 60
    while host.ask()["present"] and time.monotonic() < deadline:
        time.sleep(0.01)
    before = host.ask()
    host.set(reward=2.5, ended=True, won=True)
    while (after := host.ask())["ticks"] < before["ticks"] + 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert after["ticks"] >= before["ticks"] + 10 and after["reads"] == before["reads"]
    with Client(host.port) as client:
        runs = [p.state.run for p in (client.packet() for _ in range(10)) if p.state.run is not None]
    assert len(runs) == 10 and not any(r.reward or r.run_ended or r.run_won for r in runs)


def test_what_the_server_stamps_is_right(client: Client) -> None:
    runs = [p.state.run for p in (client.packet() for _ in range(30)) if p.state.run is not None]
    steps = np.diff([r.sequence for r in runs])
    assert len(runs) == 30 and (steps >= 1).all()
    times_us = np.diff([r.capture_time_us for r in runs]) / steps
    assert 10_000 < np.median(times_us) < 25_000
    assert runs[0].capture_size_px == (320, 180) and runs[0].screen_size_px == (1280, 720) and runs[0].rows_top_down


def test_human_presses_between_two_packets_are_not_lost(host: PluginHost, client: Client) -> None:
    pressed = {
        "move": [0.5, -0.25], "look": [0.125, 1.0], "fire": True, "ability": True, "interact": True,
        "ui_click": True, "click": [0.25, 0.75],
    }  # fmt: skip
    released = {**pressed, "fire": False, "ability": False, "interact": False, "ui_click": False, "click": [0, 0]}
    for frame in (pressed, released):
        assert host.process.stdin is not None
        host.process.stdin.write('{"human": ' + str(frame).replace("'", '"').lower() + "}\n")
    host.process.stdin.flush()
    host._line(), host._line()
    humans = [p.state.human for p in (client.packet() for _ in range(20))]
    clicks = [h for h in humans if h is not None and h.ui_click]
    assert len(clicks) == 1
    assert clicks[0].fire and clicks[0].ability and clicks[0].interact and clicks[0].click == (0.25, 0.75)
    assert {h.look for h in humans if h is not None} == {(0.0, 0.0), (0.125, 1.0)}, "a turn is told once a sample"
    assert humans[-1] is not None and humans[-1].move == (0.5, -0.25) and humans[-1].look == (0.0, 0.0)
    assert not humans[-1].fire


def act(client: Client, host: PluginHost, action: Action, ticks: int = 3) -> dict[str, Any]:
    """Hold an action for some packets, then let go; returns what the world felt while it was held."""
    for _ in range(ticks):
        client.send(action)
        client.packet()
    felt = host.ask()
    client.send(NEUTRAL)
    client.newest()
    return felt


def test_every_input_of_play_reaches_the_world(host: PluginHost, client: Client) -> None:
    host.set(current_menu="", yaw=0.0, pitch=0.0)
    before = host.ask()
    assert act(client, host, Action(move=(0.5, -0.25)))["move"] == [0.5, -0.25]
    assert act(client, host, Action(look=(1.0, 0.0)))["yaw"] > 0.05
    assert act(client, host, Action(look=(0.0, -1.0)))["pitch"] < -0.05
    jumped = act(client, host, Action(fire=True))
    assert jumped["jumps"] == before["jumps"] + 1 and jumped["jump_held"]
    assert act(client, host, Action(ability=True))["sliding"]
    assert act(client, host, Action(interact=True))["interactions"] == before["interactions"] + 1
    after = host.ask()
    assert after["move"] == [0, 0] and not after["jump_held"] and not after["sliding"]


def test_a_press_shorter_than_a_tick_is_not_lost(host: PluginHost, client: Client) -> None:
    host.set(current_menu="")
    before = host.ask()["jumps"]
    client.newest()
    client.socket.sendall(b"".join(map(_bytes, (Action(fire=True), NEUTRAL, NEUTRAL))))
    client.newest()
    assert host.ask()["jumps"] == before + 1


def _bytes(action: Action) -> bytes:
    from agent.link.wire import encode_action

    return encode_action(action)


def test_menus_are_driven_by_submit_cancel_focus_and_clicks(host: PluginHost, client: Client) -> None:
    host.set(current_menu="MainMenu")
    assert act(client, host, Action(fire=True))["menu"] == "CharacterSelect"
    assert act(client, host, Action(ability=True))["menu"] == "MainMenu"
    host.set(current_menu="LevelUp", options=["a", "b", "c"])
    client.newest()
    assert act(client, host, Action(move=(0.0, -1.0)))["focused"] == 1
    felt = act(client, host, Action(fire=True))
    assert felt["last_pressed"] == 1 and felt["menu"] == ""
    host.set(current_menu="LevelUp")
    client.newest()
    presses = host.ask()["presses"]
    missed = act(client, host, Action(click=(2, 2)), ticks=1)
    assert missed["presses"] == presses and missed["menu"] == "LevelUp"
    # The third card lies at 440…840 × 320…410 of 1280 × 720 screen pixels.
    hit = act(client, host, Action(click=(160, 91)), ticks=1)
    assert hit["presses"] == presses + 1 and hit["last_pressed"] == 2


def test_a_held_press_counts_once_and_is_none_in_a_menu_that_opened_under_it(host: PluginHost, client: Client) -> None:
    host.set(current_menu="")
    client.newest()
    presses = host.ask()["presses"]
    client.send(Action(fire=True))
    client.newest()
    host.set(current_menu="LevelUp")
    for _ in range(10):
        client.send(Action(fire=True))
        client.packet()
    assert host.ask()["presses"] == presses
    client.send(NEUTRAL)
    client.newest()
    for _ in range(10):
        client.send(Action(fire=True))
        client.packet()
    assert host.ask()["presses"] == presses + 1


def test_an_action_is_held_for_150_ms_and_then_neutral(host: PluginHost, client: Client) -> None:
    host.set(current_menu="")
    client.send(Action(move=(1.0, 0.0)))
    client.newest(3)
    assert host.ask()["move"] == [1.0, 0.0]
    for _ in range(12):
        client.packet()
    assert host.ask()["move"] == [0, 0]


@pytest.mark.parametrize("rows", ["bottom-up", "top-down"])
@pytest.mark.parametrize("format", ["jpeg", "raw_rgb"])
def test_the_asymmetric_picture_arrives_upright(toolchain: Toolchain, built: Path, format: str, rows: str) -> None:
    arguments = ("link", "--format", format, "--rows", rows, "--capture", "100x62")
    with PluginHost(toolchain, built, *arguments) as host, Client(host.port) as client:
        packet = client.frame()
        assert packet.state.run is not None
        pixels = decode_frame(packet.frame, packet.state.run.rows_top_down)
    assert pixels.shape == (62, 100, 3)
    corners = {(12, 10): (200, 0, 0), (12, 90): (0, 200, 0), (50, 10): (0, 0, 200), (50, 90): (200, 200, 200)}
    for (y, x), colour in corners.items():
        assert np.abs(pixels[y, x].astype(int) - colour).max() <= (8 if format == "jpeg" else 0)


def empty(host: PluginHost) -> None:
    """Wait until no client is left."""
    deadline = time.monotonic() + 60
    while host.ask()["present"] and time.monotonic() < deadline:
        time.sleep(0.01)


def test_the_next_owner_inherits_nothing(host: PluginHost) -> None:
    host.set(current_menu="")
    empty(host)
    with Client(host.port) as new:
        with Client(host.port) as old:
            old.packet()
            old.send(Action(move=(1.0, 0.0)))
            old.newest()
            old.send(Action(move=(1.0, 0.0)))
        new.newest(2)
        assert host.ask()["move"] == [0, 0]
        new.send(Action(move=(0.0, 1.0)))
        new.newest()
        assert host.ask()["move"] == [0.0, 1.0]


def test_watchers_get_packets_and_never_cut_off_a_player(host: PluginHost) -> None:
    """`doctor`, `find_game` and a second agent beside a playing one, 20 times: nothing of the player is lost."""
    host.set(current_menu="")
    empty(host)
    settings = Settings.model_validate({"link": {"port": host.port}})
    with Client(host.port) as player:
        player.packet()
        player.send(Action(move=(0.5, 0.0)))
        player.newest()
        owner, sent = host.ask()["owner"], 1
        for _ in range(20):
            assert asyncio.run(find_game("127.0.0.1", (host.port,))) is not None
            findings = asyncio.run(check_game(settings))
            assert [f.level for f in findings] == ["ok"]
            with Client(host.port) as second:
                for _ in range(3):
                    second.packet()
                    second.send(Action(move=(-1.0, -1.0), fire=True))
                    player.packet()
                    player.send(Action(move=(0.5, 0.0)))
                    sent += 1
                report = host.ask()
                assert report["owner"] == owner and report["move"] == [0.5, 0.0] and not report["jump_held"]
        player.newest()
        report = host.ask()
        assert report["owner"] == owner and report["heard"] == sent == 61


def test_a_reward_an_end_and_a_press_are_told_to_each_client_once(host: PluginHost) -> None:
    with Client(host.port) as first, Client(host.port) as second:
        clients = (first, second)
        for client in clients:
            client.packet()
        host.set(reward=2.5, ended=True)
        host.ask(human={"move": [0, 0], "look": [0, 0], "fire": True, "ability": False, "interact": False,
                        "ui_click": False, "click": [0, 0]})  # fmt: skip
        host.ask(human={"move": [0, 0], "look": [0, 0], "fire": False, "ability": False, "interact": False,
                        "ui_click": False, "click": [0, 0]})  # fmt: skip
        for client in clients:
            packets = [client.packet() for _ in range(40)]
            runs = [p.state.run for p in packets if p.state.run is not None]
            assert [r.reward for r in runs if r.reward] == [2.5] and sum(r.run_ended for r in runs) == 1
            assert sum(p.state.human is not None and p.state.human.fire for p in packets) == 1
            assert sum(bool(p.frame) for p in packets) >= 3


def test_a_player_that_stands_still_loses_the_game_to_one_that_goes_on_acting(host: PluginHost) -> None:
    host.set(current_menu="")
    empty(host)
    with Client(host.port) as still, Client(host.port) as second:
        still.send(NEUTRAL)
        still.newest()
        owner = host.ask()["owner"]
        begun_s = time.monotonic()
        while host.ask()["owner"] == owner and time.monotonic() < begun_s + 60:
            second.packet()
            second.send(Action(move=(1.0, 0.0)))
        assert time.monotonic() - begun_s > 4.5
        assert host.ask()["owner"] not in (0, owner)
        still.send(Action(move=(-1.0, 0.0)))
        second.newest()
        second.send(Action(move=(1.0, 0.0)))
        second.newest()
        assert host.ask()["move"] == [1.0, 0.0]


def test_of_too_many_clients_the_oldest_that_does_not_play_goes(host: PluginHost) -> None:
    empty(host)
    before = host.ask()["clients"]
    crowd = [Client(host.port)]
    try:
        crowd[0].packet()
        crowd[0].send(NEUTRAL)
        crowd[0].newest()
        for _ in range(16):
            crowd.append(Client(host.port))
            crowd[-1].packet()
        report = host.ask()
        assert report["clients"] == before + 17 and report["present"] == 16
        crowd[0].packet()
        with pytest.raises(ConnectionError):
            for _ in range(2000):
                crowd[1].packet()
    finally:
        for client in crowd:
            client.close()


def test_a_client_that_reads_nothing_holds_up_nothing(host: PluginHost) -> None:
    with Client(host.port) as deaf:
        ticks, deadline_s = host.ask()["ticks"], time.monotonic() + 60.0
        while host.ask()["ticks"] - ticks <= 60 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert host.ask()["ticks"] - ticks > 60
        deaf.send(Action(move=(0.5, 0.0)))
        while host.ask()["move"] != [0.5, 0.0] and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert host.ask()["move"] == [0.5, 0.0]


def test_the_same_over_a_pipe(toolchain: Toolchain, built: Path, tmp_path: Path) -> None:
    """.NET's named pipes are Unix sockets on this system."""
    path = tmp_path / "p"
    with PluginHost(toolchain, built, "link", "--pipe", str(path)) as host:
        for move in (0.25, 0.75):
            with Client(str(path)) as client:
                host.set(current_menu="")
                client.packet()
                deadline_s = time.monotonic() + 60
                while host.ask()["move"] != [move, 0.0] and time.monotonic() < deadline_s:
                    client.send(Action(move=(move, 0.0)))
                    client.packet()
                assert host.ask()["owner"] and time.monotonic() < deadline_s
        with Client(str(path)) as first, Client(str(path)) as second:
            second.newest()
            assert host.ask()["clients"] == 4
            first.newest()


def test_oversized_and_impossible_actions(host: PluginHost) -> None:
    host.set(current_menu="")
    with Client(host.port) as client:
        client.packet()
        before = host.ask()
        body = _bytes(Action(move=(1.0, 1.0)))[4:]
        client.socket.sendall((2000).to_bytes(4, "little") + body * 100)
        client.send(Action(move=(-0.5, 0.0)))
        client.newest()
        assert host.ask()["move"] == [-0.5, 0.0]
        client.socket.sendall((-7).to_bytes(4, "little", signed=True))
        with pytest.raises((ConnectionError, TimeoutError)):
            for _ in range(200):
                client.packet()
        after = host.ask()
    assert after["oversized"] == before["oversized"] + 1
    assert not after["present"]


def test_the_port_in_use_is_said(toolchain: Toolchain, built: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError, match="Address already in use"):
            PluginHost(toolchain, built, "link", "--port", str(port))
