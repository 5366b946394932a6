"""Where Megabonk is installed, and what in its folder would keep the plugins from working.

Looks only; changes nothing. Steam's own files say where its libraries are.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from agent.core.errors import SettingsError
from agent.core.folders import home_folder
from agent.setup.doctor import Finding

GAME_EXE: Final = "Megabonk.exe"
NATIVE_EXE: Final = "Megabonk.x86_64"
PLUGINS: Final = ("BonkLink.dll", "ResearchPlugin.dll")
"""What may be installed; the second one only where it is asked for."""
CONFIG: Final = "com.metabonk.bonklink.cfg"
INSTALL: Final = "python -m agent plugins install"
CORE: Final = "BepInEx.Unity.IL2CPP.dll"
LAUNCH_OPTION: Final = 'WINEDLLOVERRIDES="winhttp=n,b" %command%'
_LIBRARY = re.compile(r'"path"\s+"((?:[^"\\]|\\.)*)"')
_DEPTH = 4


class GameFolder(msgspec.Struct, frozen=True):
    """The folder that holds the game's program, and the paths in it that matter."""

    root: Path

    @property
    def bepinex(self) -> Path:
        return self.root / "BepInEx"

    @property
    def plugins(self) -> Path:
        return self.bepinex / "plugins"

    @property
    def config(self) -> Path:
        return self.bepinex / "config" / CONFIG

    @property
    def interop(self) -> Path:
        return self.bepinex / "interop"

    @property
    def is_native(self) -> bool:
        """True for the Linux build, which BepInEx cannot enter."""
        return (self.root / NATIVE_EXE).is_file() and not (self.root / GAME_EXE).is_file()

    @property
    def has_bepinex(self) -> bool:
        """True where BepInEx 6 for IL2CPP is unpacked, with its loader."""
        return (self.bepinex / "core" / CORE).is_file() and (self.root / "winhttp.dll").is_file()

    def older_copies(self) -> list[Path]:
        """Plugins of ours in folders below plugins/; the game would load them too."""
        found = (p for name in PLUGINS for p in self.plugins.rglob(name))
        return sorted(p for p in found if p.parent != self.plugins)


def steam_folders(environ: Mapping[str, str], home: Path | None, *, windows: bool = os.name == "nt") -> Iterator[Path]:
    """Where Steam itself may be installed; nowhere where no home is known."""
    if windows:
        for variable in ("ProgramFiles(x86)", "ProgramFiles"):
            if environ.get(variable):
                yield Path(environ[variable]) / "Steam"
        yield from _registry()
        return
    if home is None:
        return
    for place in (
        ".steam/steam", ".local/share/Steam", ".var/app/com.valvesoftware.Steam/.local/share/Steam",
        "snap/steam/common/.local/share/Steam",
    ):  # fmt: skip
        yield home / place


def _registry() -> list[Path]:
    found: list[Path] = []
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, r"Software\Valve\Steam") as key:
                found.append(Path(str(winreg.QueryValueEx(key, "SteamPath")[0])))
        except OSError:
            pass
    return found


def libraries(steam: Path) -> Iterator[Path]:
    """Steam's own library and those that its library file names."""
    yield steam
    try:
        text = (steam / "steamapps" / "libraryfolders.vdf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for match in _LIBRARY.finditer(text):
        yield Path(match[1].replace("\\\\", "\\"))


def find_games(steams: Iterable[Path]) -> list[GameFolder]:
    """Installed games in the libraries of these Steams, each once."""
    found: dict[Path, GameFolder] = {}
    for steam in steams:
        for library in libraries(steam):
            root = library / "steamapps" / "common" / "Megabonk"
            if os.path.isfile(root / GAME_EXE) or os.path.isfile(root / NATIVE_EXE):  # also in a home of another
                found.setdefault(root.resolve(), GameFolder(root.resolve()))
    return list(found.values())


def choose_game(folder: Path | None) -> GameFolder:
    """The game in the folder, else the one that Steam knows; raises SettingsError where there is not exactly one."""
    if folder is not None:
        return open_game(folder)
    found = find_games(steam_folders(os.environ, home_folder()))
    if not found:
        raise SettingsError("Megabonk was not found in Steam's libraries; name its folder with --game-dir")
    if len(found) > 1:
        shown = ", ".join(str(game.root) for game in found)
        raise SettingsError(f"Megabonk is there more than once ({shown}); name one with --game-dir")
    return found[0]


def open_game(folder: Path) -> GameFolder:
    """The game in or below a folder that the user names; raises SettingsError where there is none."""
    if not folder.is_dir():
        raise SettingsError(f"--game-dir {folder}: no such folder")
    for depth in range(_DEPTH):
        for name in (GAME_EXE, NATIVE_EXE):
            for program in sorted(folder.glob("*/" * depth + name)):
                return GameFolder(program.parent.resolve())
    raise SettingsError(f"--game-dir {folder}: there is no {GAME_EXE} in it or below; name the game's own folder")


def inspect(game: GameFolder, *, wanted_port: int) -> list[Finding]:
    """Every fault of the folder with its remedy, in the order in which to repair them."""
    findings = [Finding("ok", f"game: {game.root}")]
    if game.is_native:
        remedy = "in Steam, Properties > Compatibility, force Proton 9 or newer"
        return [*findings, Finding("fault", "game: this is the Linux build, which BepInEx cannot enter", remedy)]
    findings += _bepinex(game)
    findings += _plugins(game)
    if game.config.is_file():
        findings.append(_config(game.config, wanted_port))
    log = game.bepinex / "LogOutput.log"
    if log.is_file():
        findings += _log(log.read_text(encoding="utf-8", errors="replace"))
    if sys.platform != "win32":
        findings.append(Finding("note", "proton: the loader needs a launch option", f"in Steam: {LAUNCH_OPTION}"))
    return findings


def _bepinex(game: GameFolder) -> list[Finding]:
    core = game.bepinex / "core"
    if (game.root / "MelonLoader").is_dir():
        return [Finding("fault", "bepinex: MelonLoader is here", "remove MelonLoader and version.dll; one loader only")]
    if not core.is_dir():
        remedy = f"{INSTALL} --install-bepinex --bepinex-zip FILE"
        return [Finding("fault", "bepinex: not installed", remedy)]
    if not (core / CORE).is_file():
        remedy = "remove it and install BepInEx 6 for Unity IL2CPP, win-x64"
        return [Finding("fault", f"bepinex: another kind of it ({core} has no {CORE})", remedy)]
    if not (game.root / "winhttp.dll").is_file():
        remedy = "unpack the zip again, and let the antivirus leave the file alone"
        return [Finding("fault", "bepinex: its loader winhttp.dll is missing", remedy)]
    findings = [Finding("ok", "bepinex: BepInEx 6 for IL2CPP")]
    if not (game.root / "dotnet" / "coreclr.dll").is_file():
        findings.append(Finding("fault", "bepinex: its runtime (dotnet) is missing", "unpack the whole zip again"))
    if not (game.interop / "Assembly-CSharp.dll").is_file():
        remedy = "start the game once, and wait for the menu"
        findings.append(Finding("fault", "bepinex: the game's assemblies are not made yet", remedy))
    return findings


def _plugins(game: GameFolder) -> list[Finding]:
    findings = []
    for name in PLUGINS:
        path = game.plugins / name
        if path.is_file():
            findings.append(Finding("ok", f"plugin: {name}, {path.stat().st_size} bytes"))
        elif name == PLUGINS[0]:
            findings.append(Finding("fault", f"plugin: {name} is not installed", INSTALL))
        else:
            remedy = f"only research:// games need it: {INSTALL} --research"
            findings.append(Finding("note", f"plugin: {name} is not installed", remedy))
    for path in game.older_copies():
        remedy = f"{INSTALL} disables it"
        findings.append(Finding("fault", f"plugin: a second copy is in {path.parent}", remedy))
    return findings


def _config(path: Path, wanted_port: int) -> Finding:
    values = read_config(path.read_bytes().decode("utf-8", "replace"))
    if values.get(("Network", "UseNamedPipe"), "false").lower() == "true":
        name = values.get(("Network", "PipeName"), "BonkLink")
        return Finding("ok", f"config: the game serves a pipe; play --game pipe://{name}")
    text = values.get(("Network", "Port"), "5555")
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        return Finding("fault", f"config: Port = {text} in {path}", "write a number from 1 to 65535")
    if int(text) in (wanted_port, 5555):
        return Finding("ok", f"config: the game listens at port {text}, where it is looked for")
    remedy = f"METABONK_BONKLINK_PORT={text}, or Port = 5555"
    return Finding("fault", f"config: the game listens at port {text}", remedy)


def read_config(text: str) -> dict[tuple[str, str], str]:
    """BepInEx's configuration file: (section, key) to text."""
    values, section = {}, ""
    for line in text.removeprefix("\ufeff").splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values[section, key.strip()] = value.strip()
    return values


_LOG_FAULTS: Final = (
    ("unknown thread", "log: a call came from an unknown thread", f"update it: {INSTALL}"),
    ("BonkLink cannot listen", "log: the port was taken", "end the other program, or change Network.Port"),
    (
        "End of Central Directory",
        "log: BepInEx's download is damaged",
        f"{INSTALL} --clean-bepinex-cache",
    ),
    ("this game lacks a member", "log: the game was updated and lacks members", "look for a newer plugin"),
)


def _log(text: str) -> list[Finding]:
    findings = [Finding("fault", what, remedy) for sign, what, remedy in _LOG_FAULTS if sign in text]
    if "BonkLink" in text and "listening at" in text:
        findings.insert(0, Finding("ok", "log: BonkLink was loaded and listened when the game last ran"))
    elif "Chainloader" in text or "BepInEx" in text:
        findings.insert(0, Finding("note", "log: BepInEx ran, BonkLink did not", "is BonkLink.dll in BepInEx/plugins?"))
    return findings
