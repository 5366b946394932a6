"""The commands `recordings list`, `recordings recover` and `recordings show`."""

from __future__ import annotations

import datetime
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App

from agent.commands.options import FLAT
from agent.concurrency.output import printable
from agent.core.errors import RecordingError
from agent.core.files import expand_home
from agent.core.folders import recordings_folder
from agent.core.settings import ConfigOption, Settings, load_settings

app = App(
    name="recordings", help="Recordings of sessions: list them, say what is in one, mend those of killed sessions."
)


@dataclass(frozen=True)
class RecordingOption:
    """Which recording."""

    recording: Path
    """Its folder, or one of its files."""


_CONFIG: Final = ConfigOption()


def recordings_of(settings: Settings) -> Path:
    """Where recordings lie."""
    given = settings.recording.recordings_dir
    return Path(expand_home(given)) if given else recordings_folder()


@app.command(name="list")
def show_all(options: Annotated[ConfigOption, FLAT] = _CONFIG) -> int:
    """List the recordings: when, what was played by whom, how large, and whether it is whole."""
    from agent.journal.read import header_of_recording
    from agent.journal.recover import is_live
    from agent.journal.segment import PART

    folder = recordings_of(load_settings(options.config, os.environ))
    found = sorted({path.parent for path in folder.glob("*/segment-*")})
    for path in found:
        files = list(path.glob("segment-*"))
        size_mib = sum(file.stat().st_size for file in files) / (1 << 20)
        torn = any(file.suffix == PART for file in files)
        state = "being recorded" if is_live(path) else "torn: `recordings recover`" if torn else "whole"
        try:
            header = header_of_recording(path)
        except RecordingError as error:
            print(printable(f"{path.name}  {size_mib:.1f} MiB  unreadable: {error}"))
            continue
        began = datetime.datetime.fromtimestamp(header.began_utc_ns * 1e-9).strftime("%Y-%m-%d %H:%M")
        games = f"{header.game} × {len(header.games)}" if len(header.games) > 1 else header.game
        print(printable(f"{path.name}  {began}  {games}  {header.policy}  {size_mib:.1f} MiB  {state}"))
    if not found:
        print(f"No recordings in {folder}.")
    return 0


@app.command
def recover(options: Annotated[ConfigOption, FLAT] = _CONFIG) -> int:
    """Make recordings whole whose session was killed; what was committed is kept."""
    from agent.journal.recover import recover_all

    folder = recordings_of(load_settings(options.config, os.environ))
    try:
        done = recover_all(folder)
    except OSError as error:
        raise RecordingError(f"{error.filename or folder}: {error.strerror or error}") from error
    for item in done:
        print(printable(f"{item.path}: {item.records} records ({item.damage or 'it was whole'})"))
    if not done:
        print(f"Nothing to recover in {folder}.")
    return 0


@app.command
def show(options: Annotated[RecordingOption, FLAT]) -> int:
    """Say what is in a recording: its session, its records by kind, and what could not be kept."""
    from agent.journal.read import header_of_recording, records_of
    from agent.journal.records import GapRecord, topic_of

    header = header_of_recording(options.recording)
    counts: Counter[str] = Counter()
    lost, first_s, last_s = 0, None, 0.0
    for item in records_of(options.recording):
        counts[topic_of(item.record)] += 1
        lost += item.record.count if isinstance(item.record, GapRecord) else 0
        first_s, last_s = item.time_ns * 1e-9 if first_s is None else first_s, item.time_ns * 1e-9
    print(printable(f"session {header.session}: {header.game}, {', '.join(header.games)}, played by {header.policy}"))
    print(f"{last_s - (first_s or last_s):.1f} s, seed {header.seed}, program {header.program}")
    print(", ".join(f"{count} {topic} records" for topic, count in sorted(counts.items())) or "no records")
    print(f"{lost} records could not be kept" if lost else "nothing was lost")
    return 0
