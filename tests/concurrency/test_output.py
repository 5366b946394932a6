"""What a child prints becomes lines of a log, bounded in length and number, without what a terminal obeys."""

from __future__ import annotations

import asyncio
import os
import tracemalloc

import pytest

from agent.concurrency.output import MAX_LINE_BYTES, LineLog, read_lines
from agent.core.clock import VirtualClock


def lines_of(*written: bytes) -> list[str]:
    reading, writing = os.pipe()
    taken: list[str] = []
    for data in written:
        os.write(writing, data)
    os.close(writing)
    read_lines(reading, taken.append)
    os.close(reading)
    return taken


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"one\ntwo\r\n\nthree", ["one", "two", "three"]),
        (b"10%\r20%\r30%", ["10%", "20%", "30%"]),
        (b"\x1b]52;c;ZXZpbA==\x07 caf\xc3\xa9 \xff", ["\\x1b]52;c;ZXZpbA==\\x07 café \\xff"]),
        (b"", []),
    ],
)
def test_lines_are_cut_and_shown_as_text(written: bytes, lines: list[str]) -> None:
    assert lines_of(written) == lines


def test_a_line_without_an_end_is_bounded_and_the_next_one_is_whole() -> None:
    long, short = lines_of(b"x" * 30_000, b"y" * 20_000 + b"\nnext")
    assert long == "x" * MAX_LINE_BYTES + "…" and short == "next"


def test_a_line_without_an_end_takes_no_more_memory_than_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces, taken = [b"x" * 65_536] * 100, list[str]()
    monkeypatch.setattr(os, "read", lambda descriptor, count: pieces.pop() if pieces else b"")
    tracemalloc.start()
    try:
        read_lines(0, taken.append)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert len(taken) == 1


def test_of_many_lines_some_are_logged_and_the_rest_is_counted() -> None:
    logged: list[tuple[str, int]] = []
    clock = VirtualClock()
    log = LineLog(lambda line, left_out: logged.append((line, left_out)), clock, max_lines=3, within_s=10.0)
    for i in range(1000):
        log.take(str(i))
    assert logged == [("0", 0), ("1", 0), ("2", 0)] and log.last == "999"
    asyncio.run(clock.advance(10.0))
    log.take("later")
    assert logged[3:] == [("later", 997)]
