"""Clips: the last seconds of a recording as a recording of its own, which replays and stays when the other goes.

Nothing is encoded again: a clip is made of the recording's finished segments, as hard links where the disk has them. It
begins with the segment in which the episodes began that its last seconds are of, since a replay needs their beginning;
`clip.json` says which seconds were asked for. Calls block on the disk and raise OSError.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from mcap.reader import make_reader

from agent.core.errors import RecordingError
from agent.core.files import sync_folder, write_atomically
from agent.journal.read import SegmentReader, header_of_recording, records_of
from agent.journal.records import WEIGHTS, DecisionRecord, PacketRecord
from agent.journal.segment import number_of

NAME: Final = "clip.json"
CLIPS: Final = "clips"
"""The folder of clips, beside recordings: what limits those leaves it alone."""
MARGIN_S: Final = 2.0
"""A picture may be so much older than the decision that saw it."""


class Clip(msgspec.Struct, frozen=True):
    """What a clip is of: its session, and the seconds that were asked for, on the session's clock.

    is_whole: it has the beginning that a replay needs.
    """

    session: str
    from_s: float
    to_s: float
    is_whole: bool


def make_clip(recording: Path, target: Path, clip: Clip, since_s: float | None) -> Clip:
    """Make a clip of the finished segments that end after `since_s`, of all for None, under the name `target`.

    What came of it: it is not whole where the recording's limits took what was recorded at `since_s`. Raises
    RecordingError where there is no such segment.
    """
    header = header_of_recording(recording)
    since_ns = 0 if since_s is None else header.began_utc_ns + int((since_s - MARGIN_S - header.began_s) * 1e9)
    chosen = [path for path, end_ns in _ends(recording) if end_ns >= since_ns]
    if not chosen:
        raise RecordingError(f"{recording}: nothing was recorded in these seconds")
    work = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(work, ignore_errors=True)
    (work / WEIGHTS).mkdir(parents=True)
    try:
        for path in (*chosen, *(recording / WEIGHTS).glob("*.safetensors")):
            with contextlib.suppress(FileNotFoundError):  # the recording's own limit took it meanwhile
                _link(path, work / path.relative_to(recording))
        made = msgspec.structs.replace(clip, is_whole=clip.is_whole and _reaches_back(work, since_s))
        write_atomically(work / NAME, msgspec.json.encode(made))
        sync_folder(work)
        work.replace(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    sync_folder(target.parent)
    return made


def read_clip(folder: Path) -> Clip | None:
    """What a clip is of; None where a folder is a whole recording. Raises RecordingError."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Clip)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise RecordingError(f"{path}: damaged: {error}") from error


def clip_recording(recording: Path, target: Path, seconds: float, *, apart: bool) -> Clip:
    """Make a clip of the last seconds of a recording that is over; reads all of it.

    apart: an episode of its policy replays without those before; else the clip begins where the recording does.
    """
    last_s, firsts = 0.0, list[tuple[int, float]]()
    for item in records_of(recording):
        if isinstance(item.record, DecisionRecord):
            last_s = item.record.at_s
            if item.record.is_first:
                firsts.append((item.record.game, item.record.received_at_s))
    header = header_of_recording(recording)
    from_s = last_s - seconds
    begun = dict(first for first in firsts if first[1] <= from_s)
    since_s = min([from_s, *begun.values()]) if apart else None
    is_whole = has_beginning(recording) or len(begun) == len(header.games)
    clip = Clip(header.session, from_s, last_s, is_whole)
    return make_clip(recording, target, clip, since_s)


def has_beginning(recording: Path) -> bool:
    """True where a recording's first segment is still there."""
    return any(number_of(path) == 1 for path in recording.glob("segment-*.mcap*"))


def _reaches_back(clip: Path, since_s: float | None) -> bool:
    """True where a clip's segments begin with the recording, or with what came until `since_s`."""
    first = min(clip.glob("segment-*.mcap"), default=None)
    if first is None or number_of(first) == 1:
        return first is not None
    arrivals = (
        item.record.received_at_s
        for item in SegmentReader(first).records()
        if isinstance(item.record, PacketRecord | DecisionRecord)
    )
    return since_s is not None and next(arrivals, math.inf) <= since_s


def _ends(recording: Path) -> Iterator[tuple[Path, int]]:
    """Each finished segment with the wall time of its last record, ns, in their order."""
    for path in sorted(recording.glob("segment-*.mcap")):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            summary = make_reader(file).get_summary()
            statistics = summary.statistics if summary is not None else None
            if statistics is not None and statistics.message_count:
                yield path, statistics.message_end_time


def _link(source: Path, target: Path) -> None:
    """A second name of a file, or a copy where the disk has no such thing."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
