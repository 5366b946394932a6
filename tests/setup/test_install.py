"""Finding the game, looking into its folder, and installing the plugins, on fake folders of several shapes."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.core.errors import SettingsError
from agent.setup import install as module
from agent.setup.game_folder import CORE, GameFolder, find_games, inspect, open_game, read_config, steam_folders
from agent.setup.install import BACKUPS, InstallOptions, install

ROOT = Path(__file__).resolve().parents[2]
LOADED = "[Info   :   BonkLink] listening at 127.0.0.1:5555\n"


def make_game(root: Path, *, bepinex: bool = True, interop: bool = True, plugins: bytes | None = None) -> GameFolder:
    """A fake game, as it stands after the given steps."""
    files = {"Megabonk.exe": b"MZ", "GameAssembly.dll": b"MZ"}
    if bepinex:
        files |= {"winhttp.dll": b"MZ", f"BepInEx/core/{CORE}": b"MZ", "dotnet/coreclr.dll": b"MZ"}
    if interop:
        files |= {"BepInEx/interop/Assembly-CSharp.dll": b"MZ"}
    if plugins is not None:
        files |= {f"BepInEx/plugins/{n}.dll": plugins for n in ("BonkLink", "ResearchPlugin")}
        files["BepInEx/config/com.metabonk.bonklink.cfg"] = b"[Network]\n# port\nPort = 5555\n"
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return GameFolder(root)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    folder.mkdir()
    for name in ("BonkLink.dll", "ResearchPlugin.dll"):
        (folder / name).write_bytes(b"MZ new " + name.encode())
    return folder


def everything(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def bepinex_zip(path: Path, extra: dict[str, bytes] | None = None) -> tuple[Path, str]:
    with zipfile.ZipFile(path, "w") as archive:
        names = {"winhttp.dll": b"MZ 1", "doorstop_config.ini": b"x", f"BepInEx/core/{CORE}": b"MZ 2"}
        for name, data in {**names, "dotnet/coreclr.dll": b"MZ 3", **(extra or {})}.items():
            archive.writestr(name, data)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


# --- finding --------------------------------------------------------------------------------------------------------


def test_steam_s_library_file_leads_to_the_game_on_another_disk(tmp_path: Path) -> None:
    steam, other = tmp_path / "home" / ".local" / "share" / "Steam", tmp_path / "disk 2"
    (steam / "steamapps").mkdir(parents=True)
    text = f'"libraryfolders"\n{{\n "0"\n {{\n  "path"\t\t"{steam}"\n }}\n "1"\n {{\n  "path"  "{other}"\n }}\n}}\n'
    (steam / "steamapps" / "libraryfolders.vdf").write_text(text, encoding="utf-8")
    make_game(other / "steamapps" / "common" / "Megabonk")
    (found,) = find_games(steam_folders({}, tmp_path / "home", windows=False))
    assert found.root == other / "steamapps" / "common" / "Megabonk"


def test_windows_places_and_double_backslashes(tmp_path: Path) -> None:
    environ = {"ProgramFiles(x86)": str(tmp_path / "x86")}
    steam = tmp_path / "x86" / "Steam"
    assert steam in list(steam_folders(environ, tmp_path, windows=True))
    from agent.setup.game_folder import libraries

    (steam / "steamapps").mkdir(parents=True)
    (steam / "steamapps" / "libraryfolders.vdf").write_text('"path" "D:\\\\Steam Games"', encoding="utf-8")
    assert [str(p) for p in libraries(steam)][1] == "D:\\Steam Games"


def test_one_game_behind_two_links_is_one(tmp_path: Path) -> None:
    steam = tmp_path / ".local/share/Steam"
    make_game(steam / "steamapps/common/Megabonk")
    (tmp_path / ".steam").mkdir()
    (tmp_path / ".steam/steam").symlink_to(steam)
    assert len(find_games(steam_folders({}, tmp_path, windows=False))) == 1


def test_a_folder_above_the_game_is_enough_and_another_is_refused(tmp_path: Path) -> None:
    make_game(tmp_path / "common" / "Megabonk")
    assert open_game(tmp_path).root == tmp_path / "common" / "Megabonk"
    (tmp_path / "empty").mkdir()
    for folder, message in ((tmp_path / "empty", "there is no Megabonk.exe"), (tmp_path / "none", "no such folder")):
        with pytest.raises(SettingsError, match=message):
            open_game(folder)


# --- looking --------------------------------------------------------------------------------------------------------


def faults(game: GameFolder, port: int = 5560) -> list[str]:
    return [f.line() for f in inspect(game, wanted_port=port) if f.level == "fault"]


def test_a_good_folder_has_no_fault(tmp_path: Path) -> None:
    game = make_game(tmp_path, plugins=b"MZ")
    (game.bepinex / "LogOutput.log").write_text(LOADED, encoding="utf-8")
    assert faults(game) == []
    assert any("BonkLink was loaded" in f.what for f in inspect(game, wanted_port=5560))


def _without(*names: str) -> Callable[[GameFolder], None]:
    return lambda game: [(game.root / name).unlink() for name in names][0]


def _with(name: str, text: str = "x") -> Callable[[GameFolder], None]:
    def write(game: GameFolder) -> None:
        (game.root / name).parent.mkdir(parents=True, exist_ok=True)
        (game.root / name).write_text(text, encoding="utf-8")

    return write


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_without("winhttp.dll"), "loader winhttp.dll is missing"),
        (_without(f"BepInEx/core/{CORE}"), "another kind of it"),
        (_without("dotnet/coreclr.dll"), "its runtime (dotnet) is missing"),
        (_without("BepInEx/interop/Assembly-CSharp.dll"), "start the game once"),
        (_without("BepInEx/plugins/BonkLink.dll"), "BonkLink.dll is not installed -> python -m agent plugins install"),
        (_with("MelonLoader/x"), "MelonLoader is here"),
        (_with("BepInEx/plugins/old/BonkLink.dll"), "a second copy is in"),
        (_with("BepInEx/config/com.metabonk.bonklink.cfg", "[Network]\nPort = 6000\n"), "METABONK_BONKLINK_PORT=6000"),
        (_with("BepInEx/config/com.metabonk.bonklink.cfg", "[Network]\nPort = zero\n"), "a number from 1 to 65535"),
        (_with("BepInEx/LogOutput.log", "Fatal error: Collecting from unknown thread"), "unknown thread"),
        (_with("BepInEx/LogOutput.log", "BonkLink cannot listen: Address in use"), "the port was taken"),
        (_with("BepInEx/LogOutput.log", "End of Central Directory record"), "--clean-bepinex-cache"),
    ],
)
def test_each_fault_is_named_with_its_remedy(tmp_path: Path, change: Callable[[GameFolder], None], what: str) -> None:
    game = make_game(tmp_path, plugins=b"MZ")
    change(game)
    (line,) = faults(game)
    assert what in line and " -> " in line


def test_the_linux_build_and_a_bare_game(tmp_path: Path) -> None:
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "Megabonk.x86_64").write_bytes(b"x")
    assert "force Proton" in faults(open_game(tmp_path / "native"))[0]
    bare = faults(make_game(tmp_path / "bare", bepinex=False, interop=False))
    assert "--install-bepinex" in bare[0]


# --- installing -----------------------------------------------------------------------------------------------------


def test_an_update_keeps_what_it_replaces_and_a_second_one_does_nothing(tmp_path: Path, built: Path) -> None:
    game = make_game(tmp_path / "g", plugins=b"MZ old")
    done = install(game, InstallOptions(from_=built), lambda text: None)
    assert len(done) == 2
    assert (game.plugins / "BonkLink.dll").read_bytes() == b"MZ new BonkLink.dll"
    kept = game.bepinex / BACKUPS / "0001" / "BepInEx"
    assert (kept / "plugins" / "BonkLink.dll").read_bytes() == b"MZ old"
    assert b"Port = 5555" in (kept / "config" / "com.metabonk.bonklink.cfg").read_bytes()
    before = everything(game.root)
    assert install(game, InstallOptions(from_=built), lambda text: None) == []
    assert everything(game.root) == before


def test_a_dry_run_says_all_and_does_nothing(tmp_path: Path, built: Path) -> None:
    game = make_game(tmp_path / "g", plugins=b"MZ old")
    _with("BepInEx/plugins/sub/BonkLink.dll")(game)
    before, said = everything(game.root), []
    install(game, InstallOptions(from_=built, clean_bepinex_cache=True, dry_run=True), said.append)
    assert everything(game.root) == before
    assert len(said) == 4 and all(text.startswith("would ") for text in said)


def test_bepinex_is_unpacked_once_from_a_zip_with_the_right_sum(tmp_path: Path, built: Path) -> None:
    game = make_game(tmp_path / "g", bepinex=False, interop=False)
    path, checksum = bepinex_zip(tmp_path / "b.zip")
    options = InstallOptions(from_=built, install_bepinex=True, bepinex_zip=path, bepinex_sha256=checksum.upper())
    assert len(install(game, options, lambda text: None)) == 5
    assert game.has_bepinex and (game.plugins / "BonkLink.dll").is_file()
    assert install(game, options, lambda text: None) == []


@pytest.mark.parametrize("wanted", [None, "0" * 64])
def test_a_zip_without_its_sum_is_refused_and_the_sum_found_is_said(tmp_path: Path, built: Path, wanted: str) -> None:
    game = make_game(tmp_path / "g", bepinex=False, interop=False)
    path, checksum = bepinex_zip(tmp_path / "b.zip")
    options = InstallOptions(from_=built, install_bepinex=True, bepinex_zip=path, bepinex_sha256=wanted)
    with pytest.raises(SettingsError, match=checksum):
        install(game, options, lambda text: None)
    assert set(everything(game.root)) == {"GameAssembly.dll", "Megabonk.exe"}


@pytest.mark.parametrize("name", ["../evil.dll", "/evil.dll", "a\\..\\evil.dll", "C:/evil.dll"])
def test_a_zip_that_writes_outside_is_refused(tmp_path: Path, built: Path, name: str) -> None:
    game = make_game(tmp_path / "g", bepinex=False)
    path, checksum = bepinex_zip(tmp_path / "b.zip", {name: b"x"})
    options = InstallOptions(from_=built, install_bepinex=True, bepinex_zip=path, bepinex_sha256=checksum)
    with pytest.raises(SettingsError, match="outside the game's folder"):
        install(game, options, lambda text: None)


def test_a_zip_of_another_loader_is_refused(tmp_path: Path, built: Path) -> None:
    game, path = make_game(tmp_path / "g", bepinex=False), tmp_path / "five.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BepInEx/core/BepInEx.dll", b"MZ")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    options = InstallOptions(from_=built, install_bepinex=True, bepinex_zip=path, bepinex_sha256=checksum)
    with pytest.raises(SettingsError, match="not BepInEx 6"):
        install(game, options, lambda text: None)


def test_all_steps_are_undone_when_the_last_one_fails(tmp_path: Path, built: Path) -> None:
    game = make_game(tmp_path / "g", plugins=b"MZ old")
    _with("BepInEx/plugins/sub/BonkLink.dll")(game)
    _with("BepInEx/cache/x")(game)
    (game.plugins / "ResearchPlugin.dll").unlink()
    (game.plugins / "ResearchPlugin.dll").mkdir()
    path, checksum = bepinex_zip(tmp_path / "b.zip", {"BepInEx/core/more.dll": b"MZ"})
    before = everything(game.root)
    options = InstallOptions(
        from_=built, research=True, install_bepinex=True, bepinex_zip=path, bepinex_sha256=checksum,
        clean_bepinex_cache=True,
    )  # fmt: skip
    said: list[str] = []
    with pytest.raises(SettingsError, match="ResearchPlugin.dll"):
        install(game, options, said.append)
    assert len(said) >= 7, "many steps were done before the failing one"
    assert everything(game.root) == before
    assert not (game.bepinex / BACKUPS).exists()


def test_the_cache_goes_aside_on_request_and_the_configuration_comes_back(tmp_path: Path, built: Path) -> None:
    game = make_game(tmp_path / "g", plugins=b"MZ old")
    install(game, InstallOptions(from_=built, clean_bepinex_cache=True), lambda text: None)
    assert not game.interop.exists()
    game.config.write_text("[Network]\nPort = 1\n", encoding="utf-8")
    install(game, InstallOptions(install=False, restore_config=True), lambda text: None)
    assert b"5555" in game.config.read_bytes()
    bare = make_game(tmp_path / "h")
    with pytest.raises(SettingsError, match="no backup"):
        install(bare, InstallOptions(install=False, restore_config=True), lambda text: None)


def test_an_older_copy_in_a_subfolder_is_disabled(tmp_path: Path, built: Path) -> None:
    game = make_game(tmp_path / "g")
    _with("BepInEx/plugins/sub/BonkLink.dll", "MZ")(game)
    install(game, InstallOptions(from_=built), lambda text: None)
    assert game.older_copies() == []
    assert (game.plugins / "sub" / "BonkLink.dll.disabled").is_file()


def test_research_plugin_is_installed_only_where_it_is_asked_for(tmp_path: Path, built: Path) -> None:
    game = make_game(tmp_path / "g", plugins=b"MZ old")
    research, disabled = (game.plugins / f"ResearchPlugin.dll{end}" for end in ("", ".disabled"))
    disabled.write_bytes(b"MZ older")
    install(game, InstallOptions(from_=built), lambda text: None)
    assert not research.exists() and disabled.read_bytes() == b"MZ old"
    (line,) = (f.line() for f in inspect(game, wanted_port=5560) if "ResearchPlugin" in f.what)
    assert "plugins install --research" in line
    assert install(game, InstallOptions(from_=built), lambda text: None) == []
    install(game, InstallOptions(from_=built, research=True), lambda text: None)
    assert research.read_bytes() == b"MZ new ResearchPlugin.dll"
    (built / "ResearchPlugin.dll").unlink()
    fresh = make_game(tmp_path / "h")
    install(fresh, InstallOptions(from_=built), lambda text: None)
    with pytest.raises(SettingsError, match="ResearchPlugin.dll: no such file"):
        install(fresh, InstallOptions(from_=built, research=True), lambda text: None)


def test_refusals_before_anything_is_done(tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    game = make_game(tmp_path / "g", bepinex=False, interop=False)
    with pytest.raises(SettingsError, match="--install-bepinex"):
        install(game, InstallOptions(from_=built))
    ready = make_game(tmp_path / "h")
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(SettingsError, match="use --from FOLDER"):
        install(ready, InstallOptions())
    (built / "BonkLink.dll").write_bytes(b"text")
    with pytest.raises(SettingsError, match="not an assembly"):
        install(ready, InstallOptions(from_=built))


def test_a_configuration_with_a_byte_order_mark_is_read_and_no_home_has_no_steam() -> None:
    assert read_config("\ufeff[Network]\r\nPort = 6000\r\n") == {("Network", "Port"): "6000"}
    assert list(steam_folders({}, None, windows=False)) == []
