"""Making recordings whole whose session was killed: what was committed is kept, a torn end is set aside.

What was recovered is said only after the new file was opened again and counted. Recovery can be killed itself, and
repeated: it never changes the bytes that it reads before their copy is safe. Calls block on the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from agent.concurrency.claims import is_abandoned
from agent.core.errors import RecordingError
from agent.core.files import remove_leftovers, sync_folder
from agent.journal.read import SegmentReader
from agent.journal.records import topic_of
from agent.journal.segment import PART, SegmentWriter, number_of

CLAIM: Final = "writing"
"""The file by which a process says that it writes into a recording's folder."""
DAMAGED: Final = ".damaged"
"""What a segment is called whose bytes were changed; one that was only cut off is replaced by its copy."""
MAX_TORN_BYTES: Final = 16 << 20
"""More than a killed session can leave unfinished at the end of a segment."""
_WORK: Final = ".recovering"
_COPIED_TOGETHER: Final = 256


class Recovered(msgspec.Struct, frozen=True):
    """What became of one torn segment: records kept, and why the rest was not."""

    path: Path
    records: int
    damage: str


def is_live(folder: Path) -> bool:
    """True where a process that lives, or may live on another machine, writes into a recording."""
    claim = folder / CLAIM
    return claim.exists() and not is_abandoned(claim)


def recover(folder: Path) -> list[Recovered]:
    """Make every torn segment of a recording whole; raises RecordingError where it is being written, and OSError."""
    if is_live(folder):
        raise RecordingError(f"{folder}: is being recorded; end that session first")
    remove_leftovers(folder)
    done = [_recover_segment(part) for part in sorted(folder.glob(f"segment-*.mcap{PART}"))]
    (folder / CLAIM).unlink(missing_ok=True)
    return done


def recover_all(recordings: Path) -> list[Recovered]:
    """Recover every recording below a folder that nobody writes; raises OSError."""
    if not recordings.is_dir():
        return []
    torn = sorted({part.parent for part in recordings.glob(f"*/segment-*.mcap{PART}")})
    return [item for folder in torn if not is_live(folder) for item in recover(folder)]


def _recover_segment(part: Path) -> Recovered:
    """Copy the good beginning into a file of its own, prove it, and take the torn one away."""
    whole = part.with_suffix("")
    work = part.parent / _WORK
    work.mkdir(exist_ok=True)
    for old in work.iterdir():
        old.unlink()
    reader = SegmentReader(part)
    count = _copy(reader, work, whole)
    torn_bytes = part.stat().st_size - reader.good_bytes
    if reader.damage and not (reader.is_cut and torn_bytes < MAX_TORN_BYTES):
        part.replace(whole.with_name(whole.name + DAMAGED))
    else:
        part.unlink()
    work.rmdir()
    sync_folder(part.parent)
    return Recovered(whole, count, reader.damage)


def _copy(reader: SegmentReader, work: Path, whole: Path) -> int:
    """Write what can be read into a file of its own that becomes `whole`; the number of its records."""
    count, writer = 0, None
    try:
        for item in reader.records():
            if writer is None:
                assert reader.header is not None
                writer = SegmentWriter(work, number_of(whole), reader.header)
            writer.add(topic_of(item.record), item.number, item.time_ns, item.body)
            count += 1
            if count % _COPIED_TOGETHER == 0:
                writer.write_chunk()
        if writer is None:
            return 0
        copy = writer.close()
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise
    _prove(copy, count)
    copy.replace(whole)
    sync_folder(whole.parent)
    return count


def _prove(path: Path, count: int) -> None:
    """Raise RecordingError unless a recovered file reads whole, with this many records."""
    reader = SegmentReader(path)
    found = sum(1 for _ in reader.records())
    if found != count or not reader.is_whole or reader.damage:
        raise RecordingError(f"{path}: holds {found} of {count} recovered records: {reader.damage or 'cut off'}")


def newest_segment(folder: Path) -> int:
    """The number of a recording's last segment, 0 for none."""
    return max((number_of(path) for path in folder.glob("segment-*.mcap*")), default=0)
