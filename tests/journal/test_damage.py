"""Whatever happened to the files of a recording: no wrong data is read, and the only error is the one that says so."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.journal.journal import Journal
from agent.journal.read import header_of_recording, records_of, segments_of
from agent.journal.recover import recover_all
from agent.journal.segment import PART
from tests.journal.io_faults import failing
from tests.journal.test_io_faults import GROUPS, MEMORY, TOGETHER, session
from tests.journal.test_journal import drain, header, offer, packet

RIGHT = [packet(n) for n in range(1, GROUPS * TOGETHER + 1)]


def flip(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def blank(data: bytearray, rng: random.Random) -> None:
    """A block that never reached the disk."""
    at = rng.randrange(len(data))
    data[at : at + 512] = bytes(len(data[at : at + 512]))


def drop(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice([1, 8, 512])]


def repeat(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.choice([9, 64, 4096])]


def scatter(data: bytearray, rng: random.Random) -> None:
    for _ in range(8):
        data[rng.randrange(len(data))] = rng.randrange(256)


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (flip, flip, cut, blank, drop, repeat, scatter)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "a"
    with failing(0, "EIO"):
        assert session(folder) is not None
    assert len(segments_of(folder)) == 3 and [item.record for item in records_of(folder)] == RIGHT
    return folder


def damaged(good: Path, folder: Path, rng: random.Random) -> Path:
    """A copy with one damaged file, which may be one that a killed session did not finish."""
    shutil.copytree(good, folder)
    path = rng.choice(segments_of(folder))
    if rng.random() < 0.5:
        path = path.rename(path.with_name(path.name + PART))
    data = bytearray(path.read_bytes())
    rng.choice(DAMAGES)(data, rng)
    path.write_bytes(data)
    return path


def read(folder: Path) -> tuple[list[object], bool]:
    """What is read of a recording, and whether an error said that there is more."""
    found: list[object] = []
    try:
        header_of_recording(folder)
        for item in records_of(folder):
            found.append(item.record)
    except RecordingError:
        return found, True
    return found, False


def is_right(found: list[object]) -> bool:
    """True for records that follow each other without a gap."""
    first = RIGHT.index(found[0]) if found else 0  # type: ignore[arg-type]
    return found == RIGHT[first : first + len(found)]


def damage(good: Path, count: int, seed: int) -> int:
    """Damage copies, read and recover each, and check what is read; how many said that they had lost something."""
    noticed = 0
    for number in range(count):
        rng, folder = random.Random(f"{seed} {number}"), Path(tempfile.mkdtemp(dir=MEMORY))
        try:
            path = damaged(good, folder / "a", rng)
            before, said = read(folder / "a")
            assert before == RIGHT[: len(before)], (number, path)
            assert said or before == RIGHT or path == segments_of(folder / "a")[-1], (number, path)
            recovered = recover_all(folder)
            after, said_after = read(folder / "a")
            assert is_right(after) and (len(after) >= len(before) or path.name.endswith(PART)), (number, path)
            if len(after) < len(RIGHT):
                assert said or said_after or recovered, (number, path)
                noticed += 1
        finally:
            shutil.rmtree(folder)
    return noticed


def test_fifty_damaged_recordings(good: Path) -> None:
    assert damage(good, 50, 1) > 0.6 * 50


@pytest.mark.campaign
def test_two_thousand_damaged_recordings(good: Path) -> None:
    assert damage(good, 2000, 2) > 0.6 * 2000


def test_a_session_records_beside_a_damaged_one(good: Path, tmp_path: Path) -> None:
    path = damaged(good, tmp_path / "a", random.Random(4))
    path.write_bytes(b"\x89MCAP0\r\n" + bytes(100_000))
    journal = Journal(tmp_path / "b", header(), SystemClock())
    journal.begin()
    recover_all(tmp_path)
    offer(journal, range(1, 4))
    drain(journal)
    journal.close()
    assert [item.record for item in records_of(tmp_path / "b")] == RIGHT[:3]
