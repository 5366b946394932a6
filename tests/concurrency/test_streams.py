"""Standard streams that are full, closed, broken, held or without UTF-8: play goes on, and results are not lost."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import structlog

from agent.commands import cli
from agent.concurrency import streams
from agent.concurrency.streams import OutputError, QuietStream, ResultStream, SaidStream

ROOT = Path(__file__).resolve().parents[2]


class Broken(io.StringIO):
    """Takes nothing while it is broken."""

    error: Exception | None = OSError(28, "No space left on device")

    def write(self, text: str) -> int:
        if self.error is not None:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize("error", [OSError(28, "full"), BrokenPipeError(32, "gone"), ValueError("closed file")])
@pytest.mark.parametrize("kind", [QuietStream, SaidStream])
def test_what_is_said_never_raises_and_goes_on_when_it_can(kind: type[QuietStream], error: Exception) -> None:
    raw = Broken()
    raw.error = error
    stream = kind(raw)
    assert stream.write("lost") == 4
    stream.flush()
    wait = stream.drain if isinstance(stream, SaidStream) else stream.flush
    wait()
    raw.error = None
    stream.write("heard")
    wait()
    assert raw.getvalue() == "heard" and stream.encoding == raw.encoding


def test_a_terminal_that_is_held_holds_nobody() -> None:
    released = threading.Event()

    class Held(io.StringIO):
        def write(self, text: str) -> int:
            assert released.wait(60)
            return super().write(text)

    raw = Held()
    stream = SaidStream(raw)
    for i in range(3 * streams.MAX_WAITING):
        stream.write(f"{i} ")
    stream.drain(0.05)
    released.set()
    stream.drain(60)
    said = raw.getvalue().split()
    assert said[:3] == ["0", "1", "2"] and streams.MAX_WAITING <= len(said) <= streams.MAX_WAITING + 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
def test_results_that_cannot_be_written_are_an_error_once() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as raw:
        stream = ResultStream(raw)
        stream.write("lost")
        with pytest.raises(OutputError, match="standard output: No space left"):
            stream.flush()
        stream.flush()  # what the interpreter does at its end: it goes nowhere


@pytest.mark.skipif(sys.platform == "win32", reason="pipes that can be asked")
def test_results_for_a_pipe_that_nobody_reads_are_given_up_and_those_for_a_slow_reader_are_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "READER_S", 0.2)
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb") as reader, os.fdopen(writes, "w", encoding="utf-8") as pipe:
        with pytest.raises(OutputError, match="standard output: nobody has read it") as given_up:
            ResultStream(pipe).write("é" * 200_000)
        assert not given_up.value.is_closed
        os.set_blocking(reader.fileno(), False)
        assert set(reader.read().decode()) == {"é"}
    monkeypatch.setattr(streams, "READER_S", 60.0)
    reads, writes = os.pipe()
    with os.fdopen(reads, encoding="utf-8") as text:
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(text.read()))
        thread.start()
        with os.fdopen(writes, "w", encoding="utf-8") as pipe:
            assert ResultStream(pipe).write("é\n" * 100_000) == 200_000
        thread.join(60)
    assert found == ["é\n" * 100_000]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes that can be asked")
def test_a_pipe_that_is_full_already_is_given_up_also_where_nothing_is_buffered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "READER_S", 0.2)
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writes, bytes(4096))
    os.set_blocking(writes, True)
    with os.fdopen(reads, "rb"), io.TextIOWrapper(io.FileIO(writes, "w"), write_through=True) as pipe:  # as of -u
        given_up: list[OutputError] = []

        def write() -> None:
            with pytest.raises(OutputError) as error:
                ResultStream(pipe).write("é")
            given_up.append(error.value)

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        thread.join(60)
        assert given_up


def agent(words: str, shell: str) -> subprocess.CompletedProcess[str]:
    command = f'{shlex.quote(sys.executable)} -c "from agent.__main__ import main; main()" {words} {shell}'
    return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("> /dev/full", 1, "Error: standard output: No space left on device; the results are not whole\n"),
        ("| true; exit ${PIPESTATUS[0]}", 1, ""),
        (">&- 2>&-", 0, ""),
    ],
)
def test_a_command_ends_cleanly_whatever_standard_output_is(shell: str, code: int, said: str) -> None:
    """The help is longer than a pipe that nobody reads."""
    done = agent("--help", shell)
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_a_terminal_without_utf8_gets_signs_that_it_has(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", raw)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    config = structlog.get_config()
    try:
        streams.prepare()
        sys.stdout.write("PORT+1, … 5 → 6 · 主\u2500")
        sys.stdout.flush()
    finally:
        structlog.configure(**config)
    shown = raw.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert shown.startswith("PORT+1, ... 5 -> 6 ") and r"\u4e3b" in shown


def test_the_log_goes_to_standard_error_without_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = structlog.get_config()
    try:
        monkeypatch.setattr(sys, "stdout", sys.stdout)
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        streams.prepare()
        monkeypatch.setattr(sys, "stderr", shown := io.StringIO())
        structlog.get_logger().warning("link_down", reason="\x1b]52;c;cm0\x07", game=3)
    finally:
        structlog.configure(**config)
    said = shown.getvalue()
    assert r"\x1b]52;c;cm0\x07" in said and said.removesuffix("\n").isprintable() and capsys.readouterr().out == ""


def test_an_error_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", "--policy", "no\x1b]52;c;cm0=\x07such"]) == 2
    assert r"no\x1b]52;c;cm0=\x07such" in capsys.readouterr().err
