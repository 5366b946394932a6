"""Removing the plugins: the game and its upload setting are as before, everything is kept, or nothing happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.core.errors import SettingsError
from agent.setup.game_folder import GameFolder
from agent.setup.install import BACKUPS, InstallOptions, install
from agent.setup.remove import RemoveOptions, remove, save_homes
from tests.setup.test_install import everything, make_game

QUIET: list[str] = []
SAVED = b'{"cfGameSettings": {"camera_shake": 1, "upload_score_to_leaderboard": 0, "quick_reset": 1}}'


@pytest.fixture
def game(tmp_path: Path) -> GameFolder:
    return make_game(tmp_path / "steamapps" / "common" / "Megabonk")


@pytest.fixture
def installed(game: GameFolder, tmp_path: Path) -> GameFolder:
    built = tmp_path / "built"
    built.mkdir()
    for name in ("BonkLink.dll", "ResearchPlugin.dll"):
        (built / name).write_bytes(b"MZ new")
    install(game, InstallOptions(from_=built, research=True), say=QUIET.append)
    game.config.parent.mkdir(parents=True, exist_ok=True)
    for name in ("com.metabonk.bonklink.cfg", "com.megabonk.research.cfg", "of_others.cfg"):
        (game.config.parent / name).write_bytes(b"[Network]\nPort = 5555\n")
    return game


def outside_backups(game: GameFolder) -> dict[str, bytes]:
    return {name: data for name, data in everything(game.root).items() if BACKUPS not in name}


def crashed(game: GameFolder, home: Path | None) -> Path | None:
    """As it is after the game ended while an agent drove: the file with the user's value, and the setting off."""
    (game.config.parent / "com.metabonk.bonklink.upload-setting").write_bytes(b"1")
    if home is None:
        return None
    saved = home / "Studio" / "Megabonk" / "Saves" / "config.json"
    saved.parent.mkdir(parents=True)
    saved.write_bytes(SAVED)
    return saved


def test_the_game_is_as_it_was_and_what_is_removed_is_kept(game: GameFolder, tmp_path: Path) -> None:
    before = everything(game.root)
    built = tmp_path / "built"
    built.mkdir()
    for name in ("BonkLink.dll", "ResearchPlugin.dll"):
        (built / name).write_bytes(b"MZ new")
    install(game, InstallOptions(from_=built, research=True), say=QUIET.append)
    game.config.parent.mkdir(parents=True, exist_ok=True)
    game.config.write_bytes(b"[Network]")
    done = remove(game, RemoveOptions(), homes=[], say=QUIET.append)
    assert len(done) == 3 and outside_backups(game) == before
    kept = {Path(name).name for name in everything(game.root) if BACKUPS in name}
    assert {"BonkLink.dll", "ResearchPlugin.dll", "com.metabonk.bonklink.cfg"} <= kept
    assert remove(game, RemoveOptions(), homes=[], say=QUIET.append) == []


def test_plugins_and_settings_of_others_stay_and_a_dry_run_changes_nothing(installed: GameFolder) -> None:
    (installed.plugins / "Other.dll").write_bytes(b"MZ other")
    before = everything(installed.root)
    assert remove(installed, RemoveOptions(dry_run=True), homes=[], say=QUIET.append)
    assert everything(installed.root) == before
    with pytest.raises(SettingsError, match=r"--bepinex: Other.dll"):
        remove(installed, RemoveOptions(bepinex=True), homes=[], say=QUIET.append)
    assert everything(installed.root) == before, "a step that fails undoes the ones before it"
    remove(installed, RemoveOptions(), homes=[], say=QUIET.append)
    names = {Path(name).name for name in outside_backups(installed)}
    assert {"Other.dll", "of_others.cfg", "winhttp.dll"} <= names and "BonkLink.dll" not in names


def test_the_upload_setting_that_a_crash_left_off_is_given_back(installed: GameFolder, tmp_path: Path) -> None:
    home = tmp_path / "LocalLow"
    saved = crashed(installed, home)
    assert saved is not None
    other = home / "Studio" / "Othergame" / "config.json"
    other.parent.mkdir()
    other.write_bytes(SAVED)
    remove(installed, RemoveOptions(), homes=[home], say=QUIET.append)
    assert saved.read_bytes() == SAVED.replace(b'leaderboard": 0', b'leaderboard": 1') and other.read_bytes() == SAVED
    assert not list(installed.config.parent.glob("*.upload-setting"))
    kept = [p for p in installed.root.rglob("config.json") if BACKUPS in str(p)]
    assert len(kept) == 1 and kept[0].read_bytes() == SAVED, "the user's own file is kept as it was"


def test_where_the_setting_cannot_be_given_back_nothing_is_removed_and_the_way_is_said(installed: GameFolder) -> None:
    crashed(installed, None)
    before = everything(installed.root)
    with pytest.raises(SettingsError, match="start the game once and wait for the menu.*--leave-uploads-off"):
        remove(installed, RemoveOptions(), homes=[], say=QUIET.append)
    assert everything(installed.root) == before
    assert remove(installed, RemoveOptions(leave_uploads_off=True), homes=[], say=QUIET.append)
    assert not (installed.plugins / "BonkLink.dll").exists()


def test_without_plugins_of_others_bepinex_goes_too(installed: GameFolder) -> None:
    remove(installed, RemoveOptions(bepinex=True), homes=[], say=QUIET.append)
    assert sorted(outside_backups(installed)) == ["GameAssembly.dll", "Megabonk.exe"]
    kept = {Path(name).name for name in everything(installed.root)}
    assert {"winhttp.dll", "coreclr.dll", "of_others.cfg", "BonkLink.dll"} <= kept


def test_settings_are_looked_for_in_the_prefixes_of_the_games_own_library(game: GameFolder) -> None:
    user = game.root.parents[1] / "compatdata" / "3405340" / "pfx" / "drive_c" / "users" / "steamuser"
    user.mkdir(parents=True)
    assert user / "AppData" / "LocalLow" in save_homes(game)


def test_the_command_says_what_it_did(installed: GameFolder, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plugins", "remove", "--game-dir", str(installed.root)]
    assert run(command) == 0
    assert "BonkLink.dll" in capsys.readouterr().out
    assert run(command) == 0
    assert "nothing of the plugins is there" in capsys.readouterr().out
