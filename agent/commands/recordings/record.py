"""The command `record`: play or watch a game, and keep episodes as `.npz` files.

What comes is written as a recording while it comes; the episodes are made from that. A recording that a killed `record`
left in the folder becomes episodes the next time.
"""

from __future__ import annotations

import asyncio
import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from agent.commands.options import FLAT, PolicyOptions
from agent.commands.recordings.export import meta_of, progress, refused
from agent.commands.recordings.folder import recordings_of
from agent.concurrency.output import printable
from agent.core.clock import SystemClock
from agent.core.errors import RecordingError, SettingsError
from agent.core.files import check_folder, remove_leftovers
from agent.core.settings import ConfigOption, Settings, load_settings

STEM: Final = "recording-"


@dataclass(frozen=True, kw_only=True)
class RecordOptions(ConfigOption, PolicyOptions):
    """What is recorded, and how it is cut into episodes."""

    out_dir: Path = Path("rollouts/video_demos")
    """Folder of the episodes; it is made where it is missing."""
    prefix: str = "episode"
    """Files are called PREFIX-00000.npz, …; numbers go on after those that are there."""
    hz: float = 10.0
    """Pictures per second, at most."""
    max_frames: int = 6000
    """Rows of an episode, at most; then another begins."""
    min_frames: int = 1
    """Episodes of fewer rows are left out."""
    compress: bool = True
    """Compress the files."""
    split_on_not_playing: bool = True
    """End an episode where play turns into a menu and back; menus become episodes of their own."""
    dedupe_frames: bool = False
    """A picture that equals the one before, pixel by pixel, makes no row."""
    game: str | None = None
    """As of `play`. Default: the game at --host and --port."""
    host: str | None = None
    """Where the game listens. Default: METABONK_BONKLINK_HOST."""
    port: int | None = None
    """Its port. Default: METABONK_BONKLINK_PORT."""
    seconds: float | None = None
    """Stop after this long; without it, record until interrupted."""
    seed: int = 0
    """Seed of a hosted game and of the policy."""
    keep_recording: bool = False
    """Keep the recording that the episodes were made from, beside them."""


_DEFAULT: Final = RecordOptions()


def record(options: Annotated[RecordOptions, FLAT] = _DEFAULT) -> int:
    """Play a game, or watch a person with --policy human, and keep every episode as an .npz file."""
    _check(options)
    settings = load_settings(options.config, os.environ)
    game = _game(options, settings)
    try:
        options.out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out-dir {options.out_dir}: {error.strerror or error}") from error
    check_folder(f"--out-dir {options.out_dir}", options.out_dir)
    finish_left(options)
    name = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder = options.out_dir / f"{STEM}{name}-{os.getpid()}"
    code = _watch(options, settings, game, folder) if options.policy == "human" else _play(options, game, folder)
    if any(folder.glob("segment-*")):
        finish(folder, options)
        _forget(folder, settings)
    else:
        print("No packet came; there is no episode.")
    return code


def _check(options: RecordOptions) -> None:
    from agent.commands.recordings.export import ExportOptions, check

    check(
        ExportOptions(Path(), format="npz", hz=options.hz, max_frames=options.max_frames, min_frames=options.min_frames)
    )
    if not options.prefix or Path(options.prefix).name != options.prefix or options.prefix.startswith((".", STEM)):
        raise SettingsError(f"--prefix {options.prefix}: the beginning of a file's name, not a path")
    if options.seconds is not None and options.seconds <= 0:
        raise SettingsError(f"--seconds {options.seconds}: must be above 0")
    if options.game is not None and (options.host is not None or options.port is not None):
        raise SettingsError(f"--game {options.game} and --host or --port: name one of them")
    if options.policy == "human" and options.weights is not None:
        raise SettingsError(f"--policy human and --weights {options.weights}: name one of them")


def _game(options: RecordOptions, settings: Settings) -> str:
    if options.game is not None:
        return options.game
    host, port = options.host or settings.link.host, settings.link.port if options.port is None else options.port
    return f"bonklink://{f'[{host}]' if ':' in host else host}:{port}"


def _play(options: RecordOptions, game: str, folder: Path) -> int:
    from agent.commands.play import PlayOptions, play_session

    return play_session(
        PlayOptions(
            game=game, policy=options.policy, weights=options.weights, seconds=options.seconds, seed=options.seed,
            config=options.config, http=False, learn=False, record_to=folder,
        )
    )  # fmt: skip


def _watch(options: RecordOptions, settings: Settings, game: str, folder: Path) -> int:
    from agent.games.options import is_hosted
    from agent.journal.journal import Journal
    from agent.journal.keeping import Keep
    from agent.link.endpoint import parse_endpoint
    from agent.link.wire import Limits
    from agent.session.human.watching import header_of_watching, watch
    from agent.session.loop import new_event_loop

    if is_hosted(game) or not game.startswith(("bonklink://", "pipe://")):
        raise SettingsError(f"--policy human --game {game}: a person plays a game that runs: bonklink:// or pipe://")
    address = parse_endpoint(game, default_host=settings.link.host, default_port=settings.link.port)
    clock = SystemClock()
    header = header_of_watching(folder.name, game, clock)
    journal = Journal(folder, header, clock, Keep(window_s=None, max_bytes=None))
    limits = Limits(max_frame_bytes=settings.link.max_frame_bytes, max_enemies=settings.link.max_enemies)
    print(printable(f"Watching {game}; nothing is sent to it. Ctrl-C ends it."), flush=True)

    async def main() -> int:
        journal.begin()
        return await watch(address, journal, clock, limits, options.seconds)

    with asyncio.Runner(loop_factory=lambda: new_event_loop((address,))) as runner:
        packets = runner.run(main())
    return 0 if packets else 1


def finish_left(options: RecordOptions) -> None:
    """Make episodes of what a killed `record` left in the folder."""
    from agent.journal.recover import is_live

    remove_leftovers(options.out_dir)
    for folder in sorted(options.out_dir.glob(f"{STEM}*/")):
        if any(folder.glob("segment-*")) and not is_live(folder) and not (folder / "kept").exists():
            print(printable(f"{folder}: left by a session that was killed"))
            try:
                finish(folder, options, is_left=True)
            except RecordingError as error:
                print(printable(f"it stays as it is: {error}"))


def finish(folder: Path, options: RecordOptions, *, is_left: bool = False) -> None:
    """Make episodes of a recording, read them back, and take the recording away.

    is_left: another was killed at some point of this, and may have written some of the episodes.
    """
    from agent.journal.export.npz import NpzEpisodes
    from agent.journal.export.rows import Cut, write_rows
    from agent.journal.keeping import remove_recording
    from agent.journal.read import header_of_recording
    from agent.journal.recover import recover

    cut = Cut(
        hz=options.hz, max_frames=options.max_frames, split_on_not_playing=options.split_on_not_playing,
        dedupe_frames=options.dedupe_frames,
    )  # fmt: skip
    try:
        recover(folder)
        header = header_of_recording(folder)
        episodes = NpzEpisodes(
            options.out_dir, options.prefix, meta_of(header, 0, cut), compress=options.compress,
            min_frames=options.min_frames, skip=_written(options, header.session) if is_left else 0,
        )  # fmt: skip
        with progress(folder, options.prefix) as on_bytes:
            counts = write_rows(folder, 0, cut, episodes, on_bytes)
        if counts.packets and not counts.rows:
            print(printable(f"None of {counts.packets} packets had a picture; what came is kept in {folder}."))
        if options.keep_recording or (counts.packets and not counts.rows):
            (folder / "kept").touch()
        else:
            remove_recording(folder)
    except OSError as error:
        raise RecordingError(f"{error.filename or folder}: {error.strerror or error}") from error
    if not counts.packets:
        print("No packet came; there is no episode.")
        return
    for path in episodes.files:
        print(printable(str(path)))
    short = f", {episodes.short} shorter ones left out" if episodes.short else ""
    print(
        f"{len(episodes.files)} episodes{short}, {counts.rows} rows, {counts.clicks} clicks, read back{refused(counts)}"
    )


def _written(options: RecordOptions, session: str) -> int:
    """How many episodes of a session are in the folder already."""
    from agent.journal.export.npz import session_of

    return sum(session_of(path) == session for path in options.out_dir.glob(f"{options.prefix}-*.npz"))


def _forget(folder: Path, settings: Settings) -> None:
    """Episodes are no recordings: what became of it is not listed by `runs`."""
    from agent.journal.history import NAME, History

    if not folder.exists() and (recordings_of(settings) / NAME).exists():
        History(recordings_of(settings)).forget(folder)
