"""Taking the plugins out of a game's folder again: the game and its upload setting are as they were before.

Everything goes into the folder of backups, so that it can be put back; all steps are undone where a later one fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.core.errors import SettingsError
from agent.core.folders import home_folder
from agent.setup.changes import Changes
from agent.setup.game_folder import PLUGINS, GameFolder
from agent.setup.install import BACKUPS, DISABLED, next_backup, said_in_one_line

IDS: Final = ("com.metabonk.bonklink", "com.megabonk.research")
WRITTEN: Final = ("bonklink-game-data.json",)
"""What a plugin writes beside its configuration."""
LOADER: Final = ("winhttp.dll", "doorstop_config.ini", ".doorstop_version", "dotnet")
UPLOAD_SETTING: Final = ".upload-setting"
_KEY: Final = re.compile(rb'("upload_score_to_leaderboard"\s*:\s*)(-?\d+(?:\.\d+)?|true|false)')
_SAVES: Final = ("*/[Mm]ega[Bb]onk", "*/*/[Mm]ega[Bb]onk")
_MAX_SAVE_BYTES: Final = 4 << 20


@dataclass(frozen=True, kw_only=True)
class RemoveOptions:
    """From which game, and what else."""

    game_dir: Path | None = None
    """The folder with Megabonk.exe, or one above it. Default: Steam's libraries are searched."""
    bepinex: bool = False
    """Remove BepInEx too, where no plugins of others are in it."""
    leave_uploads_off: bool = False
    """Go on where the game's own setting for uploads cannot be given back."""
    dry_run: bool = False
    """Say what would be done, and do nothing."""


def remove(
    game: GameFolder, options: RemoveOptions, homes: Iterable[Path] | None = None, say: Callable[[str], None] = print
) -> list[str]:
    """Do all that is asked, or nothing; returns what was done. Raises SettingsError with the remedy.

    homes: folders in which games keep their settings (`AppData/LocalLow`). Default: where Windows and Proton have them.
    """
    changes = Changes(next_backup(game), dry_run=options.dry_run, say=say)
    with said_in_one_line(game), changes.together():
        _give_uploads_back(game, list(save_homes(game) if homes is None else homes), options, changes)
        for path in _ours(game):
            changes.set_aside(path)
        if options.bepinex:
            _remove_bepinex(game, changes)
        return list(changes.done)


def save_homes(game: GameFolder) -> list[Path]:
    """Where games keep their settings: Windows' own folder, and that of each Proton prefix of the game's library."""
    library, home = game.root.parent.parent, home_folder()
    users = [home] if home is not None else []
    users += sorted(library.glob("compatdata/*/pfx/drive_c/users/steamuser"))
    return [user / "AppData" / "LocalLow" for user in users]


def _ours(game: GameFolder) -> list[Path]:
    """Every file that the installation or the plugins made."""
    found = [game.plugins / name for name in PLUGINS] + game.older_copies()
    found += sorted(path for name in PLUGINS for path in game.plugins.rglob(name + DISABLED))
    config = game.config.parent
    for plugin in IDS:
        found += [config / f"{plugin}.cfg", *sorted(config.glob(f"{plugin}{UPLOAD_SETTING}*"))]
    found += [folder / name for folder in (config, game.plugins, game.bepinex) for name in WRITTEN]
    return [path for path in found if path.is_file()]


# --- the upload setting ----------------------------------------------------------------------------------------


def _give_uploads_back(game: GameFolder, homes: list[Path], options: RemoveOptions, changes: Changes) -> None:
    """Where the game ended while an agent drove, its setting is off; the plugin that would give it back goes now."""
    kept = [game.config.parent / f"{plugin}{UPLOAD_SETTING}" for plugin in IDS]
    kept = [path for path in kept if path.is_file()]
    if not kept:
        return
    text = kept[0].read_text(encoding="ascii", errors="replace").strip()
    value = text if re.fullmatch(r"-?\d{1,9}", text) else "1"
    files = _settings_files(homes)
    for path in files:
        changes.write(path, _KEY.sub(rb"\g<1>" + value.encode(), path.read_bytes()))
    if files or options.leave_uploads_off:
        return
    raise SettingsError(
        f"{kept[0]}: the game ended while an agent played, and its own setting for uploads is off; start the game once "
        "and wait for the menu, which gives it back, then remove; or add --leave-uploads-off and set it in the game"
    )


def _settings_files(homes: list[Path]) -> list[Path]:
    """The game's files that hold the setting as JSON."""
    folders = [folder for home in homes for pattern in _SAVES for folder in home.glob(pattern) if folder.is_dir()]
    found = {
        path.resolve()
        for folder in folders
        for path in folder.rglob("*.json")
        if path.is_file() and path.stat().st_size <= _MAX_SAVE_BYTES and _KEY.search(path.read_bytes())
    }
    return sorted(found)


# --- BepInEx ---------------------------------------------------------------------------------------------------


def _remove_bepinex(game: GameFolder, changes: Changes) -> None:
    ours = set(_ours(game))
    others = sorted(p.name for p in game.plugins.rglob("*.dll") if p not in ours) if game.plugins.is_dir() else []
    if others:
        raise SettingsError(
            f"--bepinex: {', '.join(others[:5])} in {game.plugins} are not ours and need it; leave it out"
        )
    for name in LOADER:
        changes.set_aside(game.root / name)
    for path in sorted(game.bepinex.iterdir()) if game.bepinex.is_dir() else ():
        if path in (game.plugins, game.config.parent):  # some of their files are in the backup already
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                changes.set_aside(file)
        elif path.name != BACKUPS:
            changes.set_aside(path)
