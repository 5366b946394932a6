"""Whatever a kill or a bad disk leaves, the good beginning is read and nothing that is wrong."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.journal.journal import Journal
from agent.journal.read import SegmentReader, records_of
from agent.journal.recover import CLAIM, recover, recover_all
from tests.journal.test_journal import drain, header, offer, packet

_WRITE = """
import sys
from pathlib import Path
from agent.core.clock import SystemClock
from agent.journal.journal import Journal
from tests.journal.test_journal import drain, header, packet
journal = Journal(Path(sys.argv[1]), header(), SystemClock())
journal.begin()
number = 0
while True:
    number += 1
    journal.offer(packet(number, 20_000), SystemClock().now_s())
    if number % 20 == 0 and number < 100:
        drain(journal)
    if number % 50 == 0:
        print(journal.written, flush=True)
    while journal.waiting > 500:
        pass
"""


def killed_at(folder: Path, lines: int) -> int:
    """Let a process record, kill it after as many lines; the records that it said to be on the disk."""
    with subprocess.Popen([sys.executable, "-c", _WRITE, str(folder)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(lines)]
        child.kill()
        rest = child.stdout.read().splitlines()
    return max([*said, *(int(text) for text in rest[:-1])])


def written(folder: Path) -> Path:
    """A finished recording of forty packets, its file called unfinished."""
    journal = Journal(folder, header(), SystemClock())
    journal.begin()
    for first in range(1, 40, 4):
        offer(journal, range(first, first + 4))
        drain(journal)
    journal.close()
    path = folder / "segment-00001.mcap"
    return path.rename(path.with_name(path.name + ".part"))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("lines", [2, 40])
def test_a_killed_session_loses_nothing_that_was_committed(tmp_path: Path, lines: int) -> None:
    committed = killed_at(tmp_path / "a", lines)
    done = recover_all(tmp_path)
    records = [item.record for item in records_of(tmp_path / "a")]
    assert len(records) >= committed
    assert records == [packet(n, 20_000) for n in range(1, len(records) + 1)]
    assert [item.records for item in done] == [len(records)]
    assert not (tmp_path / "a" / CLAIM).exists()
    assert recover_all(tmp_path) == []


def test_recovery_that_is_killed_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = written(tmp_path / "a")
    part.write_bytes(part.read_bytes()[:-5000])
    expected = [item.record for item in SegmentReader(part).records()]
    steps = {"replace": Path.replace, "unlink": Path.unlink, "rmdir": Path.rmdir}
    for name, call in steps.items():

        def killed(self: Path, *args: object, **named: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path, name, killed)
            with pytest.raises(KeyboardInterrupt):
                recover(tmp_path / "a")
        assert call is getattr(Path, name)
    recover(tmp_path / "a")
    assert [item.record for item in records_of(tmp_path / "a")] == expected
    assert 0 < len(expected) < 40


@pytest.mark.parametrize("seed", range(3))
def test_changed_and_missing_bytes_are_never_read_as_data(tmp_path: Path, seed: int) -> None:
    part = written(tmp_path / "a")
    good, rng = part.read_bytes(), random.Random(seed)
    right = [packet(n) for n in range(1, 41)]
    short = 0
    for _ in range(100):
        data = bytearray(good)
        at = rng.randrange(len(data))
        if rng.random() < 0.3:
            data = data[:at]
        else:
            data[at] ^= 1 << rng.randrange(8)
        part.write_bytes(data)
        reader = SegmentReader(part)
        records = [item.record for item in reader.records()]
        assert records == right[: len(records)]
        short += len(records) < 40
        if len(records) < 40:
            assert reader.damage
    assert short > 60


def test_damaged_bytes_are_set_aside_and_the_rest_is_kept(tmp_path: Path) -> None:
    part = written(tmp_path / "a")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 0x10
    part.write_bytes(data)
    (done,) = recover(tmp_path / "a")
    assert 0 < done.records < 40
    assert "crc" in done.damage
    assert (tmp_path / "a" / "segment-00001.mcap.damaged").read_bytes() == bytes(data)
    assert len(list(records_of(tmp_path / "a"))) == done.records


def test_a_missing_segment_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.journal.SEGMENT_BYTES", 5_000)
    journal = Journal(tmp_path / "a", header(), SystemClock())
    journal.begin()
    for first in range(1, 40, 8):
        offer(journal, range(first, first + 8))
        drain(journal)
    journal.close()
    (tmp_path / "a" / "segment-00002.mcap").unlink()
    with pytest.raises(RecordingError, match="segment-00003.mcap: records 9 to 16 before it are missing"):
        list(records_of(tmp_path / "a"))


def test_a_recording_in_progress_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a", header(), SystemClock())
    journal.begin()
    with pytest.raises(RecordingError, match="is being recorded"):
        recover(tmp_path / "a")
    assert recover_all(tmp_path) == []
    journal.close()


def test_a_file_that_is_no_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mcap").write_bytes(b"hello" * 100)
    with pytest.raises(RecordingError, match="a.mcap"):
        list(records_of(tmp_path / "a.mcap"))
    with pytest.raises(RecordingError, match="no recording"):
        list(records_of(tmp_path))
