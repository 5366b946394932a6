"""Whichever call of the operating system fails: recording goes on, what was written is there, the rest is counted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.journal.journal import Journal
from agent.journal.keeping import Keep
from agent.journal.read import SegmentReader, records_of
from agent.journal.records import GapRecord, PacketRecord
from agent.journal.recover import CLAIM, recover
from tests.journal.io_faults import ERRORS, Disk, failing
from tests.journal.test_journal import header, offer, packet

GROUPS, TOGETHER = 12, 4
MEMORY = Path("/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir())


def session(folder: Path) -> Journal | None:
    """A session in three segments, one commit after another on this thread; None where it could not begin."""
    journal = Journal(folder, header(), SystemClock(), Keep(window_s=600.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda self: None)
        patch.setattr("agent.journal.journal.SEGMENT_BYTES", 20_000)
        journal._segment_bytes = 20_000
        try:
            journal.begin()
        except RecordingError:
            return None
        for group in range(GROUPS):
            offer(journal, range(1 + group * TOGETHER, 1 + (group + 1) * TOGETHER))
            journal._write_queue()
        for _ in range(2):
            journal._write_queue()
        journal._finish()
    return journal


def check(folder: Path, journal: Journal | None, disk: Disk) -> None:
    """What must hold after a session in which one call failed."""
    for path in folder.glob("segment-*.mcap"):
        reader = SegmentReader(path)
        list(reader.records())
        assert reader.is_whole and not reader.damage, f"{disk.failed}: half a file has its final name"
    if journal is None:
        assert disk.failed and not list(folder.glob("segment-*.mcap"))
        return
    assert journal.offered == GROUPS * TOGETHER == journal.written + journal.lost and journal.waiting == 0
    (folder / CLAIM).unlink(missing_ok=True)  # a claim that could not be deleted ends with its process
    recover(folder)
    records = [item.record for item in records_of(folder)]
    kept = [record for record in records if isinstance(record, PacketRecord)]
    assert kept == [packet(record.number) for record in kept]
    numbers = [record.number for record in kept]
    assert numbers == sorted(set(numbers)) and len(numbers) == journal.written, disk.failed
    assert sum(record.count for record in records if isinstance(record, GapRecord)) == journal.lost
    assert journal.lost <= TOGETHER, f"{disk.failed}: one failure costs one commit"
    assert not [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def sweep(errors: tuple[str, ...], *, all_errors: bool) -> tuple[int, set[str]]:
    """Let each call fail in turn until none does; how many there are, and their names."""
    names, n = set(), 0
    while True:
        n += 1
        for how in errors if all_errors else errors[n % len(errors) :][:1]:
            folder = Path(tempfile.mkdtemp(dir=MEMORY)) / "a"
            try:
                with failing(n, how) as disk:
                    journal = session(folder)
                check(folder, journal, disk)
            finally:
                shutil.rmtree(folder.parent, ignore_errors=True)
            if not disk.failed:
                return n - 1, names
            names.add(disk.failed)


def test_the_nth_call_fails_for_every_n() -> None:
    calls, names = sweep(ERRORS, all_errors=False)
    assert calls > 60 and {"mkdir", "open", "write", "fdatasync", "fsync", "replace"} <= names


@pytest.mark.campaign
def test_the_nth_call_fails_for_every_n_by_every_error() -> None:
    assert sweep(ERRORS, all_errors=True)[0] > 60


def test_recovery_in_which_the_nth_call_fails_is_begun_anew_for_every_n() -> None:
    n = 0
    while True:
        n += 1
        folder = Path(tempfile.mkdtemp(dir=MEMORY)) / "a"
        try:
            with failing(0, "EIO"):
                session(folder)
            whole = sorted(folder.glob("segment-*.mcap"))[-1]
            part = whole.rename(whole.with_name(whole.name + ".part"))
            part.write_bytes(part.read_bytes()[:-2000])
            expected = [item.record for item in SegmentReader(part).records()]
            with failing(n, ERRORS[n % 4]) as disk:
                try:
                    recover(folder)
                except OSError:
                    assert disk.failed
            recover(folder)
            assert [item.record for item in SegmentReader(whole).records()] == expected and expected
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)
        if not disk.failed:
            break
    assert n > 15


_FULL = """
import json, os, sys, time
from pathlib import Path
from agent.core.clock import SystemClock
from agent.journal.journal import Journal
from agent.journal.read import records_of
from agent.journal.recover import recover
from agent.journal.records import GapRecord, PacketRecord
from tests.journal.test_journal import header, packet
disk, clock, number = Path(sys.argv[1]), SystemClock(), 0
other = disk / "other"
other.write_bytes(bytes(13 << 19))
journal = Journal(disk / "a", header(), clock)
journal.begin()
def play(holds):
    global number
    end_s = clock.now_s() + 60.0
    while not holds():
        assert clock.now_s() < end_s
        number += 1
        journal.offer(packet(number, 20_000), clock.now_s())
        time.sleep(0.005)
play(lambda: journal.lost > 0)
lost = journal.lost
play(lambda: journal.lost > lost)
filled, written = journal.error, journal.written
other.unlink()
freed_s = clock.now_s()
play(lambda: journal.written > written)
resumed_s = clock.now_s() - freed_s
journal.close()
recover(disk / "a")
kept = [item.record for item in records_of(disk / "a")]
numbers = [r.number for r in kept if isinstance(r, PacketRecord)]
print(json.dumps({
    "filled": filled, "resumed_s": resumed_s, "offered": journal.offered, "sum": journal.written + journal.lost,
    "right": [r == packet(r.number, 20_000) for r in kept if isinstance(r, PacketRecord)].count(False) == 0
        and numbers == sorted(set(numbers)) and len(numbers) == journal.written and numbers[-1] == number,
    "gap": sum(r.count for r in kept if isinstance(r, GapRecord)), "lost": journal.lost, "error": journal.error,
}))
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs a file system of its own")
def test_a_disk_that_is_really_full_costs_what_it_says_and_recording_resumes(tmp_path: Path) -> None:
    mounted = 'mount -t tmpfs -o size=8m none "$0" || exit 77; exec "$@"'
    child = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, str(tmp_path), sys.executable, "-c", _FULL, str(tmp_path)],
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    if child.returncode == 77 or "unshare" in child.stderr:
        pytest.skip("no file system may be mounted here; the calls that fail in turn show the same")
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)
    assert told["filled"] == "No space left on device" and told["right"] and told["error"] is None
    assert told["resumed_s"] <= 5.0
    assert told["offered"] == told["sum"] and told["gap"] == told["lost"] > 0
