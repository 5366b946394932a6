"""A journal keeps what was handed over, and says what it could not keep."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.journal.journal import COMMIT_S, Journal
from agent.journal.keeping import Keep
from agent.journal.read import header_of_recording, records_of, segments_of
from agent.journal.records import EventRecord, GapRecord, PacketRecord, SessionHeader
from agent.journal.recover import is_live
from agent.journal.segment import SegmentWriter
from tests.waiting import until


def header(name: str = "one") -> SessionHeader:
    clock = SystemClock()
    return SessionHeader(
        session=name, program="test", game="arena", games=("arena",), policy="pilot", seed=1, real_time=True,
        learns=False, asks_chooser=False, off_policy=False, began_utc_ns=clock.wall_utc_ns(), began_s=clock.now_s(),
    )  # fmt: skip


def packet(number: int, size: int = 1000) -> PacketRecord:
    return PacketRecord(0, number, 1.5 * number, bytes([number % 251]) * size, b"")


def offer(journal: Journal, numbers: range, size: int = 1000) -> None:
    for number in numbers:
        journal.offer(packet(number, size), SystemClock().now_s())


def drain(journal: Journal) -> None:
    """Wait until nothing waits any more."""
    until(lambda: journal.waiting == 0)


def test_what_was_handed_over_is_read_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a", header(), SystemClock())
    journal.begin()
    offer(journal, range(1, 500))
    until(lambda: journal.written == 499)
    journal.offer(EventRecord(2.0, "swap", "text", {"version": 3}), 2.0)
    journal.close()
    read = list(records_of(tmp_path / "a"))
    assert [item.number for item in read] == list(range(1, 501))
    assert [item.record for item in read[:-1]] == [packet(n) for n in range(1, 500)]
    assert read[-1].record == EventRecord(2.0, "swap", "text", {"version": 3})
    assert header_of_recording(tmp_path / "a") == journal.header
    assert (journal.offered, journal.written, journal.lost, journal.waiting) == (500, 500, 0, 0)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["segment-00001.mcap"]


def test_records_are_on_the_disk_before_the_session_ends(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a", header(), SystemClock())
    journal.begin()
    try:
        offer(journal, range(1, 11))
        until(lambda: journal.written == 10)
        assert [item.record for item in records_of(tmp_path / "a")] == [packet(n) for n in range(1, 11)]
    finally:
        journal.close()
    assert COMMIT_S <= 0.25


def test_what_does_not_fit_into_the_queue_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.journal.QUEUE_BYTES", 50_000)
    journal = Journal(tmp_path / "a", header(), SystemClock())
    offer(journal, range(1, 101))
    assert 0 < journal.lost < 100
    journal.begin()
    drain(journal)
    journal.close()
    kept = [item.record for item in records_of(tmp_path / "a")]
    gaps = [record for record in kept if isinstance(record, GapRecord)]
    assert [(g.count, g.reason) for g in gaps] == [(journal.lost, "the queue is full")]
    assert journal.offered == 100 == journal.written + journal.lost
    assert len(kept) == journal.written + len(gaps)


def test_a_full_disk_costs_what_it_says_and_recording_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.journal.RETRY_S", 0.02)
    fails, commit = itertools.chain([False, False, True, True, True], itertools.repeat(False)), SegmentWriter.commit

    def failing(self: SegmentWriter) -> None:
        if next(fails):
            raise OSError(errno.ENOSPC, "No space left on device")
        commit(self)

    monkeypatch.setattr(SegmentWriter, "commit", failing)
    journal = Journal(tmp_path / "a", header(), SystemClock())
    journal.begin()
    for number in range(1, 40):
        offer(journal, range(number, number + 1))
        drain(journal)
    journal.close()
    assert journal.lost > 0
    assert journal.reasons == {"No space left on device": journal.lost}
    assert journal.error is None
    records = [item.record for item in records_of(tmp_path / "a")]
    numbers = [record.number for record in records if isinstance(record, PacketRecord)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == journal.written == 39 - journal.lost
    assert sum(record.count for record in records if isinstance(record, GapRecord)) == journal.lost


def test_segments_turn_and_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.journal.SEGMENT_BYTES", 20_000)
    journal = Journal(tmp_path / "b", header(), SystemClock(), Keep(window_s=2000.0))
    (tmp_path / "b" / "weights").mkdir(parents=True)
    for age, name in enumerate(("acts", "acted", "long gone")):
        path = tmp_path / "b" / "weights" / name
        path.write_bytes(b"")
        os.utime(path, (path.stat().st_mtime - 5000 * age,) * 2)
    journal.begin()
    for first in range(1, 200, 25):
        offer(journal, range(first, first + 25))
        drain(journal)
        if first == 126:
            until(lambda: len(list((tmp_path / "b").glob("*.mcap"))) == 6)
            for path in sorted((tmp_path / "b").glob("*.mcap"))[:5]:
                os.utime(path, (path.stat().st_mtime - 3000,) * 2)
    journal.close()
    assert [path.name for path in segments_of(tmp_path / "b")] == [f"segment-0000{n}.mcap" for n in (6, 7, 8, 9)]
    numbers = [item.number for item in records_of(tmp_path / "b")]
    assert numbers == list(range(numbers[0], 201))
    assert header_of_recording(tmp_path / "b").session == "one"
    assert {path.name for path in (tmp_path / "b" / "weights").iterdir()} == {"acts", "acted"}


def test_what_later_segments_need_is_written_into_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.journal.SEGMENT_BYTES", 20_000)
    journal, told = Journal(tmp_path / "b", header(), SystemClock()), EventRecord(1.0, "weights", "", {"version": 2})
    journal.begin()
    journal.offer(EventRecord(0.5, "weights", "", {"version": 1}), 0.5, repeat=True)
    journal.offer(told, 1.0, repeat=True)
    for first in range(1, 100, 25):
        offer(journal, range(first, first + 25))
        drain(journal)
    journal.close()
    assert (journal.offered, journal.written) == (102, 102)
    segments = segments_of(tmp_path / "b")
    assert len(segments) > 2
    for segment in segments[1:]:
        assert next(records_of(segment)).record == told
    assert [item.number for item in records_of(tmp_path / "b")] == list(range(1, 102 + len(segments)))


def test_the_cap_counts_all_sessions_and_takes_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.journal.SEGMENT_BYTES", 20_000)
    for name in ("old", "new"):
        (tmp_path / name / "weights").mkdir(parents=True)
        (tmp_path / name / "weights" / "a.safetensors").write_bytes(bytes(1000))
        journal = Journal(tmp_path / name, header(name), SystemClock(), Keep(max_bytes=60_000))
        journal.begin()
        for first in range(1, 100, 25):
            offer(journal, range(first, first + 25))
            drain(journal)
        journal.close()
    sizes = [path.stat().st_size for path in tmp_path.glob("*/segment-*.mcap")]
    assert sum(sizes) < 90_000
    assert not (tmp_path / "old").exists()


def test_two_sessions_do_not_share_a_folder(tmp_path: Path) -> None:
    first, second = (Journal(tmp_path / "a", header(), SystemClock()) for _ in range(2))
    first.begin()
    with pytest.raises(RecordingError, match="another session"):
        second.begin()
    offer(first, range(1, 3))
    first.close()
    third = Journal(tmp_path / "a", header(), SystemClock())
    with pytest.raises(RecordingError, match="holds a recording already"):
        third.begin()
    assert not third.offer(packet(1), 1.0)
    assert len(list(records_of(tmp_path / "a"))) == 2


def test_a_gap_stands_where_the_records_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.journal.RETRY_S", 0.02)
    commit, refused = SegmentWriter.commit, threading.Event()

    def failing(self: SegmentWriter) -> None:
        if journal.written == 5 and not refused.is_set():
            journal.offer(packet(8), 1.0)
            refused.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        commit(self)

    journal = Journal(tmp_path / "a", header(), SystemClock())
    journal.begin()
    offer(journal, range(1, 6))
    drain(journal)
    monkeypatch.setattr(SegmentWriter, "commit", failing)
    offer(journal, range(6, 7))
    until(refused.is_set)
    drain(journal)
    journal.close()
    records = [item.record for item in records_of(tmp_path / "a")]
    assert [r.count if isinstance(r, GapRecord) else r for r in records] == [*map(packet, range(1, 6)), 1, packet(8)]


def test_a_folder_that_is_deleted_meanwhile_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.journal.RETRY_S", 0.02)
    journal = Journal(tmp_path / "a" / "b", header(), SystemClock())
    journal.begin()
    offer(journal, range(1, 6))
    drain(journal)
    shutil.rmtree(tmp_path / "a")
    offer(journal, range(6, 8))
    drain(journal)
    assert (journal.written, journal.lost) == (5, 2)
    offer(journal, range(8, 11))
    drain(journal)
    assert is_live(tmp_path / "a" / "b")
    journal.close()
    gap, *kept = [item.record for item in records_of(tmp_path / "a" / "b")]
    assert isinstance(gap, GapRecord) and (gap.count, gap.reason) == (2, "the recording was deleted")
    assert kept == [packet(n) for n in range(8, 11)]


def test_a_disk_that_is_full_at_the_beginning_leaves_no_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: SegmentWriter) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SegmentWriter, "commit", full)
    with pytest.raises(RecordingError, match="No space left"):
        Journal(tmp_path / "a", header(), SystemClock()).begin()
    assert list((tmp_path / "a").iterdir()) == []


def test_what_a_full_disk_never_took_is_lost_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: SegmentWriter) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = Journal(tmp_path / "a", header(), SystemClock())
    journal.begin()
    monkeypatch.setattr(SegmentWriter, "commit", full)
    offer(journal, range(1, 4))
    until(lambda: journal.lost == 3)
    offer(journal, range(4, 8))
    journal.close()
    assert (journal.offered, journal.written, journal.lost, journal.waiting) == (7, 0, 7, 0)
    assert journal.reasons == {"No space left on device": 7}
