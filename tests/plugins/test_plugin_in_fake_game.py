"""BonkLink's whole plugin, loaded by a fake game that holds the members that the plugin knows.

It shows that each member reaches the wire and each action the member. That the real game has these members is known
from public sources only.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core.types import NEUTRAL, Action, GameState, HumanInput
from agent.games.arena.calibration import load_calibration
from agent.link.imaging import decode_frame
from tests.plugins.host import Client, PluginHost, free_port
from tools.scripts.csharp import Toolchain

# The game's member, a value, what the state must show then.
MEMBERS: tuple[tuple[str, Any, Any], ...] = (
    ("feet", [1.5, 2.5, -3.5], lambda s: s.position == (1.5, 2.5, -3.5)),
    ("velocity", [4.0, -1.0, 0.5], lambda s: s.velocity == (4.0, -1.0, 0.5)),
    ("hp", 41, lambda s: s.health == 41),
    ("maxHp", 155, lambda s: s.max_health == 155),
    ("runTimer", 61.5, lambda s: s.game_time_s == 61.5),
    ("level", 9, lambda s: s.run.level == 9),
    ("progress", 0.75, lambda s: s.run.xp_fraction == 0.75),
    ("kills", 321, lambda s: s.run.kills == 321),
    ("goldInt", 98, lambda s: s.run.gold == 98),
    ("rotation", [10, 90, 0], lambda s: s.scene.camera_yaw_rad == pytest.approx(math.pi / 2)),
    ("rotation", [10, 0, 0], lambda s: s.scene.camera_pitch_rad == pytest.approx(-math.radians(10))),
    ("isPlaying", False, lambda s: not s.is_playing),
    ("isPlaying", True, lambda s: s.is_playing and not s.is_paused),
    ("paused", True, lambda s: s.is_paused),
    ("paused", False, lambda s: not s.is_paused),
    ("isLoading", True, lambda s: s.current_menu == "Loading" and not s.is_playing),
    ("isLoading", False, lambda s: s.current_menu == ""),
    ("isMainMenu", True, lambda s: s.current_menu == "MainMenu"),
    ("window", "W_Settings", lambda s: s.current_menu == "SubMenu"),
    ("scene", "BootScene", lambda s: s.current_menu == "Boot"),
    ("scene", "MainMenu", lambda s: s.current_menu == "SubMenu"),
    ("window", "W_Character", lambda s: s.current_menu == "CharacterSelect"),
    ("window", "Maps And Stats", lambda s: s.current_menu == "MapSelect"),
    ("isMainMenu", False, lambda s: s.current_menu == ""),
    ("pauseMenu", True, lambda s: s.current_menu == "Pause"),
    ("pauseMenu", False, lambda s: s.current_menu == ""),
    ("encounter", "levelup", lambda s: s.current_menu == "LevelUp" and s.level_up_options[1] == "card 1 (Rare): +1"),
    ("encounter", "moai", lambda s: s.current_menu == "Encounter" and len(s.level_up_options) == 3),
    ("encounter", "chest", lambda s: s.current_menu == "Chest"
        and s.level_up_options == ("Oats (Common): +25 max HP",)),
    ("encounter", "shrine", lambda s: s.current_menu == "Encounter"
        and s.level_up_options == ("Armor +5 % (Epic)",)),
    ("encounter", "", lambda s: s.current_menu == "" and s.level_up_options == ()),
    ("damage", {"Bow": 10.5, "Aura": 20.25}, lambda s: s.run.damage_dealt == 30.75),
    ("mapSeed", 4242, lambda s: s.run.run_seed == 4242),
    ("enemies", [[7, [1, 2, 3], 12.5, 6, False, False], [8, [4, 5, 6], 1.0, 0, True, False],
        [9, [0, 0, 0], 0, 0, False, True]],
        lambda s: s.enemies.tolist() == [[1, 2, 3, 12.5], [4, 5, 6, 1]] and s.scene.enemy_kinds.tolist() == [6, 0x80]),
    ("things", [["chest", [1, 0, 2]], ["pickup", [3, 0, 4]]],
        lambda s: sorted(s.scene.object_kinds.tolist()) == [1, 4]),
    ("isGameOver", True, lambda s: s.current_menu == "Death" and not s.is_playing),
    ("results", True, lambda s: s.current_menu == "Results"),
    ("isGameOver", False, lambda s: s.current_menu == ""),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@pytest.fixture(scope="module")
def game(toolchain: Toolchain, built: Path, folder: Path) -> Iterator[PluginHost]:
    written = ("Network.Port", free_port(), "Capture.JpegHz", "20")
    with PluginHost(toolchain, built, "BonkLink", str(folder), *written, program="stubs/fakegame.dll") as game:
        yield game


@pytest.fixture
def client(game: PluginHost) -> Iterator[Client]:
    with Client(game.port) as client:
        client.packet()
        yield client


def eventually(client: Client, holds: Any) -> GameState:
    state = client.newest(3).state
    for _ in range(120):
        if holds(state):
            return state
        state = client.packet().state
    raise AssertionError(f"never: {state} {state.run} {state.scene}")


def test_every_member_of_the_game_reaches_the_wire(game: PluginHost, client: Client) -> None:
    for member, value, holds in MEMBERS:
        game.set(**{member: value})
        try:
            eventually(client, holds)
        except AssertionError as error:
            raise AssertionError(f"{member} = {value}") from error


def test_damage_taken_is_what_health_and_shield_lost(game: PluginHost, client: Client) -> None:
    game.set(mapSeed=1, hp=100, shield=20.0)
    eventually(client, lambda s: s.run.run_seed == 1)
    before = eventually(client, lambda s: s.health == 100).run.damage_taken  # type: ignore[union-attr]
    game.set(shield=5.0)
    game.set(hp=90)
    eventually(client, lambda s: s.health == 90)
    game.set(hp=95)
    after = eventually(client, lambda s: s.run.damage_taken - before == 25)
    assert after.run is not None and after.run.damage_taken == before + 25


@pytest.mark.parametrize("won_by", ["tierVictory", "bossDead", "victory", None])
def test_an_end_is_told_once_with_its_win(game: PluginHost, client: Client, won_by: str | None) -> None:
    game.set(**({won_by: True} if won_by else {}), isGameOver=True)
    runs = [p.state.run for p in (client.packet() for _ in range(20)) if p.state.run is not None]
    assert [r.run_won for r in runs if r.run_ended] == [won_by is not None]
    game.set(isGameOver=False, tierVictory=False, bossDead=False, victory=False, results=False)
    eventually(client, lambda s: s.current_menu == "")


def test_no_player_is_no_fault(game: PluginHost, client: Client) -> None:
    game.set(player=False)
    eventually(client, lambda s: s.max_health == 0 and s.scene is None)
    log = game.set(player=True)["log"]
    eventually(client, lambda s: s.scene is not None)
    assert not [line for line in log if "failed" in line]


def test_what_this_game_lacks_is_said_once_each(game: PluginHost, client: Client) -> None:
    log = game.ask()["log"]
    lacking = [line for line in log if "this game has no" in line]
    assert any("InteractableMicrowave" in line for line in lacking)
    assert len(lacking) == len(set(lacking)) and all(line.startswith("warning") for line in lacking)


def hold(client: Client, game: PluginHost, action: Action, packets: int = 4) -> dict[str, Any]:
    for _ in range(packets):
        client.send(action)
        client.packet()
    felt = game.ask()
    client.send(NEUTRAL)
    client.newest(3)
    return felt


def test_actions_reach_the_game_s_own_input(game: PluginHost, client: Client) -> None:
    game.set(rotation=[0, 0, 0])
    before = game.ask()
    assert hold(client, game, Action(move=(0.5, -1.0)))["move"] == [0.5, -1.0]
    jumped = hold(client, game, Action(fire=True), 8)
    assert jumped["jumps"] == before["jumps"] + 1 and jumped["holding_jump"]
    assert hold(client, game, Action(ability=True))["sliding"]
    assert hold(client, game, Action(interact=True), 8)["interactions"] == before["interactions"] + 1
    pitch, yaw = hold(client, game, Action(look=(1.0, 1.0)), 12)["rotation"]
    # Half a turn a second: 12 packets at 60 Hz are about 36 degrees; looking up is a lower pitch in this game.
    assert 15 < yaw < 60 and -40 <= pitch < -15
    after = game.ask()
    assert after["move"] == [0, 0] and not after["holding_jump"] and not after["sliding"]


def test_menus_are_pressed_by_submit_cancel_focus_and_click(game: PluginHost, client: Client) -> None:
    def pressed(action: Action, packets: int = 3) -> list[str]:
        before = len(game.ask()["pressed"])
        hold(client, game, action, packets)
        return list(game.ask()["pressed"][before:])

    game.set(isMainMenu=True, window="Menu")
    client.newest(3)
    assert pressed(Action(fire=True)) == ["B_Play"]
    game.set(window="W_Character")
    client.newest(3)
    assert pressed(Action(fire=True)) == ["B_Confirm"]
    assert pressed(Action(ability=True)) == ["B_Back"]
    game.set(isMainMenu=False, encounter="levelup")
    client.newest(3)
    assert pressed(Action(fire=True)) == ["UpgradeButton (0)"]
    assert pressed(Action(ability=True)) == ["B_Skip"]
    moved = hold(client, game, Action(move=(0.0, -1.0)), 3)
    assert moved["selected"] == "UpgradeButton (1)"
    assert pressed(Action(fire=True)) == ["UpgradeButton (1)"]
    # Cards lie at 500…700 × 300…360 and upwards of 1280 × 720; a capture pixel is four screen pixels.
    assert pressed(Action(click=(150, 82)), 1) == ["UpgradeButton (2)"]
    assert pressed(Action(click=(1, 1)), 1) == []
    game.set(encounter="chest")
    client.newest(3)
    assert pressed(Action(fire=True)) == ["B_Open"]
    game.set(opened=True)
    assert pressed(Action(fire=True)) == ["B_Take"]
    assert pressed(Action(ability=True)) == ["B_Leave"]
    game.set(encounter="shrine")
    client.newest(3)
    assert pressed(Action(fire=True)) == ["offer"]
    game.set(encounter="", pauseMenu=True)
    client.newest(3)
    assert pressed(Action(fire=True)) == ["B_Resume"]
    game.set(pauseMenu=False, isGameOver=True, results=False)
    client.newest(3)
    assert pressed(Action(fire=True)) == ["B_Continue"]
    game.set(results=True)
    client.newest(3)
    assert pressed(Action(fire=True)) == ["B_Restart"]
    game.set(isGameOver=False, results=False)


def test_a_human_plays_until_an_agent_acts_and_again_after_it(game: PluginHost) -> None:
    game.set(held=["Jump"], axes=[0.25, 0.75])
    with Client(game.port) as watcher:
        watcher.newest(5)
        assert game.ask()["move"] == [0.25, 0.75]
        humans = [p.state.human for p in (watcher.packet() for _ in range(3))]
        assert humans[-1] is not None and humans[-1].move == (0.25, 0.75) and humans[-1].fire
        game.set(mouse=[320, 540])
        clicks = [h for h in (watcher.packet().state.human for _ in range(20)) if h is not None and h.ui_click]
        assert len(clicks) == 1 and clicks[0].click == (0.25, 0.25)
        game.set(rotation=[0, 0, 0])
        watcher.newest(3)
        game.set(rotation=[-1, 2, 0])
        looks = [h.look for h in (watcher.packet().state.human for _ in range(20)) if h is not None]
        # 2 degrees to the right and 1 up in a sixtieth of a second, of 3 that are a look of 1.
        assert [look for look in looks if look != (0, 0)] == [pytest.approx((2 / 3, 1 / 3), abs=1e-3)]
        watcher.send(NEUTRAL)
        watcher.newest(3)
        assert game.ask()["move"] == [0, 0]
    with Client(game.port) as other:
        other.newest(5)
        assert game.ask()["move"] == [0.25, 0.75]
    game.set(held=[], axes=[0, 0])


def test_what_the_agent_does_is_not_taken_for_a_persons_and_what_a_person_does_is_told_meanwhile(
    game: PluginHost, client: Client
) -> None:
    def told(ticks: int, action: Action) -> list[HumanInput]:
        found = []
        for _ in range(ticks):
            client.send(action)
            human = client.packet().state.human
            assert human is not None, "the plugin tells of a person without being asked"
            found.append(human)
        return found

    game.set(rotation=[0, 0, 0], player=True)
    told(5, NEUTRAL)
    before = game.ask()["rotation"]
    until = time.monotonic() + 60
    while game.ask()["rotation"][1] <= before[1] + 10:  # packets that wait are read faster than the game turns
        assert time.monotonic() < until, "the agent does not turn"
        assert not any(human.is_pressed for human in told(10, Action((1.0, 0.0), (0.5, -0.25), True, True, True)))
    game.set(held=["Jump"], axes=[0.0, 1.0])
    assert any(human.fire and human.move == (0.0, 1.0) for human in told(10, Action(look=(0.5, 0.0))))
    game.set(held=[], axes=[0, 0])
    told(5, NEUTRAL)
    game.set(rotation=[0, game.ask()["rotation"][1] + 170, 0])
    assert not any(human.is_pressed for human in told(10, NEUTRAL)), "the game set its camera"


def test_what_an_agent_did_is_not_sent_until_the_menu(game: PluginHost, client: Client, folder: Path) -> None:
    kept = folder / "com.metabonk.bonklink.upload-setting"
    game.set(isMainMenu=True)
    client.newest(5)
    client.close()
    with Client(game.port) as watcher:
        watcher.newest(5)
        before = game.set(upload=1)
        assert before["upload_setting"] == 1 and not kept.exists()
        assert len(before["sent"]) == before["upload_methods"] == 14
        game.set(isMainMenu=False)
        watcher.send(NEUTRAL)
        watcher.newest(4)
        blocked = game.set(upload=1)
        assert blocked["sent"] == [] and blocked["upload_setting"] == 0 and kept.read_text() == "1"
        assert any("of this run are not uploaded" in line for line in blocked["log"])
    with Client(game.port) as watcher:
        watcher.newest(6)
        assert game.set(upload=1)["sent"] == [], "the run that the agent played is not over"
        game.set(isMainMenu=True)
        watcher.newest(4)
        after = game.set(upload=1)
        assert len(after["sent"]) == 14 and after["upload_setting"] == after["upload_saved"] == 1
        assert not kept.exists()
    game.set(isMainMenu=False)


def test_the_user_s_upload_setting_comes_back_after_a_crash(toolchain: Toolchain, built: Path, tmp_path: Path) -> None:
    kept = tmp_path / "com.metabonk.bonklink.upload-setting"
    kept.write_text("3")
    written = ("Network.Port", free_port(), "Fake.Folded", "PauseHandler.OnControllerDisconnected")
    with PluginHost(toolchain, built, "BonkLink", str(tmp_path), *written, program="stubs/fakegame.dll") as game:
        found = game.ask()
        assert found["upload_setting"] == found["upload_saved"] == 3 and not kept.exists()
        # An empty or shared body is no place for a patch: the detour would change all that share it.
        assert "PauseHandler.OnGameOverlayActivated" in found["patched"]
        assert not [name for name in found["patched"] if "533" in name or "OnControllerDisconnected" in name]
        (said,) = (line for line in found["log"] if "OnControllerDisconnected" in line)
        assert "shares its code with AlwaysUi.OnApplicationFocus, which is empty" in said


def test_two_patched_methods_of_one_body_are_both_refused(toolchain: Toolchain, built: Path, tmp_path: Path) -> None:
    twins = ("SteamStatsManager.QueueUpload", "SteamAchievementsManager.QueueUpload")
    written = ("Network.Port", free_port(), *(w for name in twins for w in ("Fake.Twin", name)))
    with PluginHost(toolchain, built, "BonkLink", str(tmp_path), *written, program="stubs/fakegame.dll") as game:
        found = game.ask()
    assert not set(twins) & set(found["patched"]) and "SteamUserStats.StoreStats" in found["patched"]
    for name in twins:
        assert any(name in line and "another method that is patched" in line for line in found["log"])


def test_no_member_that_is_patched_is_missing_and_pauses_are_blocked_while_driven(
    game: PluginHost, client: Client
) -> None:
    found = game.set(pauseEvents=1)
    assert not [line for line in found["log"] if line.startswith("warning: patches")]
    assert len(found["patched"]) == 22 and "AlwaysUi.OnApplicationFocus" not in found["patched"]
    client.send(NEUTRAL)
    client.newest(3)
    driven = game.set(pauseEvents=1)
    assert driven["pauses"] == found["pauses"] > 0


def test_the_screen_arrives_upright_on_both_kinds_of_graphics(game: PluginHost, client: Client) -> None:
    packet = client.frame()
    assert packet.state.run is not None and packet.state.run.capture_size_px == (320, 180)
    pixels = decode_frame(packet.frame, packet.state.run.rows_top_down)
    assert pixels.shape == (180, 320, 3)
    for (y, x), colour in {(40, 40): (200, 0, 0), (40, 280): (0, 200, 0), (140, 40): (0, 0, 200)}.items():
        assert np.abs(pixels[y, x].astype(int) - colour).max() <= 10


def picture_ages_ms(client: Client) -> Iterator[float]:
    """How old new pictures are in the packets that bring them, by the game's own two times; the first two left out."""
    client.frame(), client.frame()
    while True:
        run = client.frame().state.run
        if run is not None and run.frame_time_us:
            yield (run.capture_time_us - run.frame_time_us) / 1000


def test_a_picture_carries_the_time_of_its_capture(game: PluginHost, client: Client) -> None:
    # A busy machine makes pictures older, so one of each is waited for that it did not hold up.
    usual = next(age for age in picture_ages_ms(client) if 0 < age < 66)
    game.set(pictureDelayS=0.05)
    try:
        late = picture_ages_ms(client)
        assert min(islice(late, 4)) > max(50, usual + 25)
        assert next(age for age in late if age < usual + 120) > 50
    finally:
        game.set(pictureDelayS=0)
    bare = next(p for p in iter(client.packet, None) if not p.frame).state.run
    assert bare is not None and bare.frame_time_us == 0


def test_the_game_s_tables_are_written_once_and_the_arena_reads_them(game: PluginHost, folder: Path) -> None:
    path = folder / "bonklink-game-data.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["game_version"] == "1.0.69" and document["xp_for_levels"] == [7, 23, 45]
    assert document["stages"][0]["miniboss_left_s"] == [420]
    loaded = load_calibration(path)
    assert loaded.taken["weapons"] == 1 and loaded.catalog.rules.weapons[0][0] == 12.5
    assert game.ask()["background"]
