"""The command `export`: a recording in a form that other programs read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from agent.commands.options import FLAT
from agent.concurrency.output import printable
from agent.core.errors import RecordingError, SettingsError

if TYPE_CHECKING:
    from agent.journal.export.rows import Counts, Cut
    from agent.journal.records import SessionHeader

Format = Literal["npz", "mp4", "lerobot", "csv"]
_ENDINGS = {"npz": "-npz", "mp4": ".mp4", "lerobot": "-lerobot", "csv": ".csv"}


@dataclass(frozen=True)
class ExportOptions:
    """Which recording, into what."""

    recording: Path
    """Its folder, or one of its files."""
    _: KW_ONLY
    format: Format
    """npz (episodes), mp4 (a video with the exact time of each picture), lerobot (a dataset, version 3.0) or csv (a
    line a record)."""
    out: Path | None = None
    """What is written: a folder for npz and lerobot, a file for mp4 and csv. Default: named after the recording, in the
    current folder."""
    only: int | None = None
    """This one of its games; the first is 0. Default: each game into files of its own, csv into one."""
    hz: float = 10.0
    """Pictures per second, for npz at most, for lerobot exactly."""
    max_frames: int = 6000
    """Rows of an episode, at most."""
    min_frames: int = 1
    """npz: episodes of fewer rows are left out."""
    compress: bool = True
    """npz: compress."""
    split_on_not_playing: bool = True
    """End an episode where play turns into a menu and back."""
    dedupe_frames: bool = False
    """npz: a picture that equals the one before makes no row."""


def export(options: Annotated[ExportOptions, FLAT]) -> int:
    """Write a recording as npz, MP4, LeRobot dataset or CSV, and read back what was written."""
    from agent.journal.read import header_of_recording

    check(options)
    header = header_of_recording(options.recording)
    games = range(len(header.games)) if options.only is None else [options.only]
    if options.only is not None and options.only not in range(len(header.games)):
        raise SettingsError(f"--only {options.only}: the recording has games 0 to {len(header.games) - 1}")
    if options.format == "csv":
        games = [-1]
    for game in games:
        out = _out(options, header, game, several=len(games) > 1)
        try:
            _write(options, header, game, out)
        except OSError as error:
            raise RecordingError(f"{error.filename or out}: {error.strerror or error}") from error
    return 0


def check(options: ExportOptions) -> None:
    """Refuse numbers that make no sense."""
    if not 0.1 <= options.hz <= 1000:
        raise SettingsError(f"--hz {options.hz:g}: between 0.1 and 1000")
    for name, value in (("max-frames", options.max_frames), ("min-frames", options.min_frames)):
        if value < 1:
            raise SettingsError(f"--{name} {value}: at least 1")


def _out(options: ExportOptions, header: SessionHeader, game: int, *, several: bool) -> Path:
    """Where one game goes; raises SettingsError where something is there."""
    ending = _ENDINGS[options.format]
    out = options.out or Path(f"{header.session or options.recording.stem}{ending}")
    if several:
        out = out.with_name(f"{out.stem}-game{game}{out.suffix}")
    if out.exists() and options.format != "npz":
        raise SettingsError(f"--out {out}: is there already; name another")
    if not out.parent.is_dir():
        raise SettingsError(f"--out {out}: the folder {out.parent} does not exist; make it first")
    return out


def _write(options: ExportOptions, header: SessionHeader, game: int, out: Path) -> None:
    """Write one game, or all as CSV, and say what came of it."""
    from agent.journal.export.rows import Cut, write_rows

    with progress(options.recording, out.name) as on_bytes:
        if options.format == "csv":
            from agent.journal.export.table import write_csv

            counts = write_csv(options.recording, out, options.only, on_bytes)
            print(printable(f"{out}: {counts.rows} lines, read back"))
            return
        cut = Cut(
            hz=options.hz, max_frames=options.max_frames, split_on_not_playing=options.split_on_not_playing,
            dedupe_frames=options.dedupe_frames,
        )  # fmt: skip
        if options.format == "npz":
            from agent.journal.export.npz import NpzEpisodes

            meta = meta_of(header, game, cut)
            episodes = NpzEpisodes(out, "episode", meta, compress=options.compress, min_frames=options.min_frames)
            counts = write_rows(options.recording, game, cut, episodes, on_bytes)
            said = f"{len(episodes.files)} episodes, {counts.clicks} clicks"
            said += f", {episodes.short} shorter ones left out" if episodes.short else ""
        elif options.format == "mp4":
            from agent.journal.export.mp4 import Mp4

            every = Cut(hz=1e6, max_frames=1 << 60, split_on_not_playing=False)
            counts = write_rows(options.recording, game, every, Mp4(out), on_bytes)
            said = "each at its own time"
        else:
            from agent.journal.export.lerobot import LeRobotDataset

            every = Cut(hz=1e6, max_frames=1 << 60, split_on_not_playing=options.split_on_not_playing)
            dataset = LeRobotDataset(out, fps=options.hz, task=f"play {header.game}")
            counts = write_rows(options.recording, game, every, dataset, on_bytes)
            said = f"{counts.episodes} episodes at {options.hz:g} Hz"
    print(printable(f"{out}: {counts.rows} pictures, {said}, read back{refused(counts)}"))


def refused(counts: Counts) -> str:
    """What to say of pictures that could not be decoded."""
    return f"; {counts.refused} pictures could not be decoded" if counts.refused else ""


def meta_of(header: SessionHeader, game: int, cut: Cut) -> dict[str, Any]:
    """What every npz file says of its recording."""
    return {
        "hz": cut.hz, "session": header.session, "game": header.game, "game_index": game, "policy": header.policy,
        "seed": header.seed, "program": header.program, "began_utc_s": header.began_utc_ns * 1e-9,
    }  # fmt: skip


@contextlib.contextmanager
def progress(recording: Path, name: str) -> Iterator[Callable[[int], Any]]:
    """A bar on a terminal that grows with the bytes read."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from agent.journal.read import segments_of

    total = sum(path.stat().st_size for path in segments_of(recording))
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:  # fmt: skip
        task = bar.add_task(printable(name), total=total)
        yield lambda count: bar.advance(task, count)
