"""The commands `plugins install`, `plugins remove` and `plugins status`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App

from agent.commands.doctor import report
from agent.commands.options import FLAT
from agent.core.settings import ConfigOption
from agent.setup.install import InstallOptions
from agent.setup.remove import RemoveOptions

app = App(name="plugins", help="The plugins in Megabonk's folder: install, update or remove them, say what is wrong.")


@dataclass(frozen=True, kw_only=True)
class StatusOptions(ConfigOption):
    """Where to look."""

    game_dir: Path | None = None
    """The folder with Megabonk.exe, or one above it. Default: Steam's libraries are searched."""


_INSTALL: Final = InstallOptions()
_REMOVE: Final = RemoveOptions()
_STATUS: Final = StatusOptions()


@app.command
def install(options: Annotated[InstallOptions, FLAT] = _INSTALL) -> int:
    """Install or update BonkLink in Megabonk's folder, and with --research ResearchPlugin.

    The plugins are built with the .NET SDK against the installed game, or taken from --from. All that is replaced is
    kept in BepInEx/metabonk-backup; if a step fails, all are undone. Exits with 1 where something is still wrong.
    """
    from agent.core.settings import Settings
    from agent.setup.game_folder import choose_game, inspect
    from agent.setup.install import install as install_plugins

    game = choose_game(options.game_dir)
    print(f"game: {game.root}")
    if not install_plugins(game, options):
        print("everything is in place already")
    findings = inspect(game, wanted_port=Settings().link.port)
    code = report([finding for finding in findings if finding.level != "ok"])
    return 0 if options.dry_run else code


@app.command
def remove(options: Annotated[RemoveOptions, FLAT] = _REMOVE) -> int:
    """Remove BonkLink and ResearchPlugin from Megabonk's folder, and give the game's upload setting back.

    What is removed lies in BepInEx/metabonk-backup; if a step fails, all are undone. Close the game first.
    """
    from agent.setup.game_folder import choose_game
    from agent.setup.remove import remove as remove_plugins

    game = choose_game(options.game_dir)
    print(f"game: {game.root}")
    if not remove_plugins(game, options):
        print("nothing of the plugins is there")
    return 0


@app.command
def status(options: Annotated[StatusOptions, FLAT] = _STATUS) -> int:
    """Say what is installed in Megabonk's folder, and what is wrong there with its remedy; exits with 1 then."""
    from agent.core.settings import load_settings
    from agent.setup.game_folder import choose_game, inspect

    settings = load_settings(options.config, os.environ)
    return report(inspect(choose_game(options.game_dir), wanted_port=settings.link.port))
