"""Installing the plugins into a game's folder: BepInEx from the user's zip, the plugins, configuration kept.

Every step does nothing where its work is done already; all of them are undone where a later one fails.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from agent.core.errors import SettingsError
from agent.setup.changes import Changes
from agent.setup.game_folder import CORE, PLUGINS, GameFolder

BACKUPS: Final = "metabonk-backup"
CACHES: Final = ("interop", "cache", "unity-libs")
DISABLED: Final = ".disabled"
PROJECTS_OF: Final = {"BonkLink.dll": "plugins/BonkLink", "ResearchPlugin.dll": "mods/ResearchPlugin"}
PROJECTS: Final = Path(__file__).resolve().parents[2]
"""Where the sources of the plugins are, in a checkout."""


@dataclass(frozen=True, kw_only=True)
class InstallOptions:
    """What to install, into which game, and from where."""

    game_dir: Path | None = None
    """The folder with Megabonk.exe, or one above it. Default: Steam's libraries are searched."""
    from_: Path | None = None
    """A folder with the built assemblies. Default: they are built with the .NET SDK."""
    install: bool = True
    """Install the plugins; without it they are left as they are."""
    research: bool = False
    """Install ResearchPlugin too, which steps the game in lock-step. Without it, one that is there is disabled."""
    install_bepinex: bool = False
    """Unpack BepInEx first."""
    bepinex_zip: Path | None = None
    """BepInEx-Unity.IL2CPP-win-x64-6.*.zip, downloaded by you."""
    bepinex_sha256: str | None = None
    """The checksum that the download page shows."""
    clean_bepinex_cache: bool = False
    """Let BepInEx make its assemblies again."""
    restore_config: bool = False
    """Put the newest kept configuration back."""
    dry_run: bool = False
    """Say what would be done, and do nothing."""


def install(game: GameFolder, options: InstallOptions, say: Callable[[str], None] = print) -> list[str]:
    """Do all that is asked, or nothing; returns what was done. Raises SettingsError with the remedy."""
    if game.is_native:
        raise SettingsError(f"{game.root}: the Linux build takes no plugins; force Proton in Steam first")
    changes = Changes(next_backup(game), dry_run=options.dry_run, say=say)
    with said_in_one_line(game), changes.together():
        if options.install_bepinex:
            _install_bepinex(game, options, changes)
        if options.clean_bepinex_cache:
            for name in CACHES:
                changes.set_aside(game.bepinex / name)
        if options.restore_config:
            _restore_config(game, changes)
        if options.install:
            _install_plugins(game, options, changes)
        return list(changes.done)


@contextmanager
def said_in_one_line(game: GameFolder) -> Iterator[None]:
    """A context that changes the game's folder: what the disk refuses becomes a SettingsError."""
    try:
        yield
    except PermissionError as error:
        raise SettingsError(f"{error.filename}: may not be changed; close the game, then try again") from error
    except OSError as error:
        raise SettingsError(f"{error.filename or game.root}: {error.strerror or error}") from error


def next_backup(game: GameFolder) -> Path:
    """A folder for what is replaced now, numbered on."""
    folder = game.bepinex / BACKUPS
    numbers = [int(p.name) for p in folder.glob("*") if p.name.isdigit()]
    return folder / f"{max(numbers, default=0) + 1:04}"


# --- BepInEx ---------------------------------------------------------------------------------------------------


def _install_bepinex(game: GameFolder, options: InstallOptions, changes: Changes) -> None:
    path = options.bepinex_zip
    if path is None:
        raise SettingsError("--install-bepinex: name the downloaded file with --bepinex-zip FILE")
    if not path.is_file():
        raise SettingsError(f"--bepinex-zip {path}: no such file")
    _check_sum(path, options.bepinex_sha256)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in _checked_members(archive, path):
                changes.write(game.root / member.filename, archive.read(member))
    except zipfile.BadZipFile as error:
        raise SettingsError(f"--bepinex-zip {path}: {error}; download it again") from error


def _check_sum(path: Path, wanted: str | None) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if wanted is None:
        raise SettingsError(
            f"--bepinex-zip {path}: its SHA-256 is {found}; compare it with the one on the download page, "
            f"then add --bepinex-sha256 {found}"
        )
    if wanted.strip().lower() != found:
        raise SettingsError(f"--bepinex-zip {path}: SHA-256 is {found}, not {wanted}; download it again")


def _checked_members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    members = [m for m in archive.infolist() if not m.is_dir()]
    names = {m.filename for m in members}
    for name in names:
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name:
            raise SettingsError(f"--bepinex-zip {path}: {name} would be written outside the game's folder")
    if not {"winhttp.dll", f"BepInEx/core/{CORE}"} <= names:
        raise SettingsError(f"--bepinex-zip {path}: not BepInEx 6 for Unity IL2CPP on Windows x64 (no {CORE})")
    return members


# --- the plugins -----------------------------------------------------------------------------------------------


def _install_plugins(game: GameFolder, options: InstallOptions, changes: Changes) -> None:
    if not game.has_bepinex and not (options.dry_run and options.install_bepinex):
        raise SettingsError(f"{game.root}: BepInEx 6 for IL2CPP is not there; --install-bepinex --bepinex-zip FILE")
    wanted = PLUGINS if options.research else PLUGINS[:1]
    built = options.from_ if options.from_ is not None else _build(game, wanted)
    plugins = {}
    for name in wanted:
        path = built / name
        if not path.is_file():
            raise SettingsError(f"{path}: no such file; the folder must hold {' and '.join(wanted)}")
        plugins[name] = path.read_bytes()
        if not plugins[name].startswith(b"MZ"):
            raise SettingsError(f"{path}: not an assembly")
    if game.config.is_file() and _is_changed(game, plugins):
        changes.keep(game.config)
    unwanted = [game.plugins / name for name in PLUGINS if name not in wanted]
    for path in (*game.older_copies(), *unwanted):
        disabled = path.with_name(path.name + DISABLED)
        if path.is_file() and disabled.exists():
            changes.set_aside(disabled)
        changes.move(path, disabled)
    for name, data in plugins.items():
        changes.write(game.plugins / name, data)


def _is_changed(game: GameFolder, plugins: dict[str, bytes]) -> bool:
    paths = [(game.plugins / name, data) for name, data in plugins.items()]
    return any(not path.is_file() or path.read_bytes() != data for path, data in paths)


def _build(game: GameFolder, wanted: Sequence[str]) -> Path:
    """Build the wanted projects against the game's own assemblies; returns the folder with the results."""
    dotnet = shutil.which("dotnet")
    if not (PROJECTS / "plugins" / "BonkLink").is_dir():
        raise SettingsError("the plugins' sources lie beside the program only in its repository; use --from FOLDER")
    if dotnet is None:
        remedy = "get it from https://dotnet.microsoft.com, or use --from FOLDER"
        raise SettingsError(f"the .NET SDK, which builds the plugins, is not installed; {remedy}")
    if not (game.interop / "Assembly-CSharp.dll").is_file():
        raise SettingsError(f"{game.interop}: start the game once with BepInEx, so that it makes its assemblies")
    out = PROJECTS / "build" / "plugins"
    for name in wanted:
        project = PROJECTS_OF[name]
        command = [dotnet, "build", str(PROJECTS / project), "-c", "Release", "-o", str(out), f"-p:GameDir={game.root}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SettingsError(f"{' '.join(command)}: {(done.stdout + done.stderr).strip()[-2000:]}")
    return out


def _restore_config(game: GameFolder, changes: Changes) -> None:
    name = game.config.relative_to(game.root)
    kept = sorted((game.bepinex / BACKUPS).glob(f"*/{name.as_posix()}"))
    if not kept:
        raise SettingsError(f"--restore-config: there is no backup of {name} in {game.bepinex / BACKUPS}")
    changes.write(game.config, kept[-1].read_bytes())
