"""The command `doctor`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from rich.console import Console

from agent.commands.options import FLAT
from agent.core.settings import ConfigOption

if TYPE_CHECKING:
    from agent.setup.doctor import Finding


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(ConfigOption):
    """Where to look."""

    game_dir: Path | None = None
    """Look into this folder of Megabonk too. Default: the one that Steam knows, where there is one."""


_DEFAULT: Final = DoctorOptions()


def doctor(options: Annotated[DoctorOptions, FLAT] = _DEFAULT) -> int:
    """Look for what would keep the agent from playing well; one line a fault, with its remedy."""
    from agent.core.clock import SystemClock
    from agent.core.folders import home_folder
    from agent.core.settings import load_settings
    from agent.setup.doctor import diagnose
    from agent.setup.game_folder import find_games, inspect, open_game, steam_folders

    settings = load_settings(options.config, os.environ)
    if options.game_dir is not None:
        games = [open_game(options.game_dir)]
    else:
        games = find_games(steam_folders(os.environ, home_folder()))
    findings = asyncio.run(diagnose(settings, SystemClock()))
    for game in games:
        findings += inspect(game, wanted_port=settings.link.port)
    return report(findings)


def report(findings: list[Finding]) -> int:
    """Print the findings; 0 where nothing is wrong, 1 where something is."""
    console = Console()
    for finding in findings:
        console.print(finding.line(), highlight=False, markup=False, soft_wrap=True)
    return 1 if any(finding.level == "fault" for finding in findings) else 0
