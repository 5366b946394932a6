"""Install or update BonkLink and ResearchPlugin in Megabonk's folder.

    python tools/update_plugins.py [--game-dir FOLDER] [--from FOLDER] [--dry-run]

Without --game-dir, Steam's libraries are searched. The plugins are built with the .NET SDK against the installed game,
or taken from --from. All that is replaced is kept in BepInEx/metabonk-backup; if a step fails, all are undone.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from agent.core.errors import AgentError, SettingsError  # noqa: E402
from agent.setup.game_folder import GameFolder, find_games, inspect, open_game, steam_folders  # noqa: E402
from agent.setup.install import InstallOptions, install  # noqa: E402


def parse(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game-dir", type=Path, help="the folder with Megabonk.exe, or one above it")
    parser.add_argument("--from", dest="source", type=Path, help="a folder with the two built assemblies")
    parser.add_argument("--no-install", action="store_true", help="leave the plugins as they are")
    parser.add_argument("--install-bepinex", action="store_true", help="unpack BepInEx first")
    parser.add_argument("--bepinex-zip", type=Path, help="BepInEx-Unity.IL2CPP-win-x64-6.*.zip, downloaded by you")
    parser.add_argument("--bepinex-sha256", help="the checksum that the download page shows")
    parser.add_argument("--clean-bepinex-cache", action="store_true", help="let BepInEx make its assemblies again")
    parser.add_argument("--restore-config", action="store_true", help="put the newest kept configuration back")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    return parser.parse_args(argv)


def choose(folder: Path | None) -> GameFolder:
    """The game that is meant; raises SettingsError where there is none, or more than one."""
    if folder is not None:
        return open_game(folder)
    found = find_games(steam_folders(os.environ, Path.home()))
    if not found:
        raise SettingsError("Megabonk was not found in Steam's libraries; name its folder with --game-dir")
    if len(found) > 1:
        shown = ", ".join(str(game.root) for game in found)
        raise SettingsError(f"Megabonk is there more than once ({shown}); name one with --game-dir")
    return found[0]


def main(argv: list[str]) -> int:
    """Install, then say what is still wrong; 1 where something is, 2 where nothing could be done."""
    args = parse(argv)
    try:
        game = choose(args.game_dir)
        print(f"game: {game.root}")
        options = InstallOptions(
            source=args.source,
            projects=ROOT,
            install=not args.no_install,
            install_bepinex=args.install_bepinex,
            bepinex_zip=args.bepinex_zip,
            bepinex_sha256=args.bepinex_sha256,
            clean_cache=args.clean_bepinex_cache,
            restore_config=args.restore_config,
            dry_run=args.dry_run,
        )
        if not install(game, options):
            print("everything is in place already")
    except AgentError as error:
        print(f"update_plugins: {error}", file=sys.stderr)
        return 2
    findings = inspect(game, wanted_port=5560)
    for finding in findings:
        if finding.level != "ok":
            print(finding.line())
    return 1 if any(finding.level == "fault" for finding in findings) and not args.dry_run else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
