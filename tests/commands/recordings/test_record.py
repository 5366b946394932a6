"""`record` keeps what a person or a policy does as episodes, and a kill costs a quarter of a second of it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.commands.cli import run
from agent.commands.recordings.record import RecordOptions, finish, finish_left
from agent.core.types import GameState
from agent.journal.export.rows import UI_CLICK
from agent.link.imaging import encode_raw
from agent.link.wire import encode_packet
from tests.journal.export.test_npz import recording
from tests.journal.export.test_rows import NO_INPUT, picture, state

ROOT = Path(__file__).resolve().parents[3]
COMMIT_S = 0.25


class Game:
    """A game that a person plays: numbers its packets, shows a picture with each, 60 a second."""

    def __init__(self, seen: Callable[[int], GameState], count: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60.0)
        self.port = self._listener.getsockname()[1]
        self.sent: list[float] = []
        self.received = b""
        self._seen, self._count = seen, count
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        side, _ = self._listener.accept()
        with side, self._listener:
            for number in range(self._count):
                try:
                    side.sendall(encode_packet(self._seen(number), encode_raw(picture(number), top_down=True)))
                except OSError:
                    return
                self.sent.append(time.monotonic())
                time.sleep(1 / 60)
            side.setblocking(False)
            try:
                self.received = side.recv(100)
            except OSError:
                pass


def clicking(every: int) -> Callable[[int], GameState]:
    """A menu in which a click happens every so many packets, its place telling which one."""

    def seen(number: int) -> GameState:
        at = (number % 100 / 100, number // 100 / 100)
        human = msgspec.structs.replace(NO_INPUT, ui_click=True, click=at) if number % every == every - 1 else NO_INPUT
        return state(number, menu="MainMenu", human=human)

    return seen


def clicks_of(folder: Path) -> list[int]:
    """The packets whose clicks are in the episodes."""
    found: list[int] = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            actions = arrays["actions"]
        places = actions[actions[:, UI_CLICK] > 0, UI_CLICK + 1 :]
        found += [round(100 * float(x)) + 100 * round(100 * float(y)) for x, y in places]
    return found


def test_five_of_five_clicks_of_a_person_in_a_menu_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    game = Game(clicking(7), 37)
    words = ["record", "--policy", "human", "--port", str(game.port), "--out-dir", str(tmp_path / "a" / "b")]
    assert run([*words, "--seconds", "3", "--prefix", "mine", "--hz", "10"]) == 0
    game.thread.join(60)
    assert game.received == b"", "a person's game is only listened to"
    assert "1 episodes, " in capsys.readouterr().out
    assert clicks_of(tmp_path / "a" / "b") == [6, 13, 20, 27, 34]
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["mine-00000.npz"]


@pytest.mark.slow
def test_a_kill_loses_a_quarter_of_a_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    game = Game(clicking(2), 100_000)
    words = ["--policy", "human", "--port", str(game.port), "--out-dir", str(tmp_path)]
    tool = subprocess.Popen([sys.executable, "tools/record_experience.py", *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    until_s = time.monotonic() + 60
    while len(game.sent) < 130 and time.monotonic() < until_s:
        time.sleep(0.01)
    tool.kill()
    killed_s = time.monotonic()
    tool.wait()
    game.thread.join(60)
    assert list(tmp_path.glob("*.npz")) == []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        assert run(["record", "--policy", "human", "--port", port, "--out-dir", str(tmp_path), "--seconds", "0.2"]) == 1
    said = capsys.readouterr().out
    assert "left by a session that was killed" in said and "No packet came" in said
    safe = sum(sent_s < killed_s - COMMIT_S for sent_s in game.sent)
    kept = clicks_of(tmp_path)
    assert safe > 90 and kept == list(range(1, 2 * len(kept), 2)) and 2 * len(kept) >= safe - 1
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}


def test_episodes_are_made_once_however_often_that_was_killed(tmp_path: Path) -> None:
    folder = recording(tmp_path / "recording-a")
    options = RecordOptions(out_dir=tmp_path, keep_recording=True, compress=False)
    finish(folder, options)
    names = sorted(path.name for path in tmp_path.glob("*.npz"))
    assert len(names) == 2
    finish_left(options)
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == names
    (folder / "kept").unlink()
    (tmp_path / names[1]).unlink()
    finish_left(RecordOptions(out_dir=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    with np.load(tmp_path / names[1], allow_pickle=False) as arrays:
        meta = json.loads(arrays["meta"].item())
    assert (meta["session"], meta["policy"]) == ("recording-a", "pilot")


def test_a_recording_that_cannot_be_read_keeps_nobody_from_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recording-b").mkdir()
    (tmp_path / "recording-b" / "segment-00001.mcap").write_bytes(b"none")
    finish_left(RecordOptions(out_dir=tmp_path))
    assert "it stays as it is" in capsys.readouterr().out and (tmp_path / "recording-b").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        (["--game", "arena", "--port", "1"], "name one of them"),
        (["--game", "arena", "--policy", "human"], "a person plays a game that runs"),
        (["--prefix", "a/b"], "--prefix a/b"),
        (["--hz", "-1"], "--hz -1: between"),
        (["--min-frames", "0"], "--min-frames 0: at least 1"),
        (["--seconds", "0"], "--seconds 0.0: must be above 0"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["record", "--out-dir", str(tmp_path), *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_what_came_without_pictures_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = recording(tmp_path / "recording-c", every=1000, ticks=3)
    for path in folder.iterdir():
        assert path.suffix == ".mcap"
    options = RecordOptions(out_dir=tmp_path)
    finish(folder, options)
    assert "1 episodes, 1 rows" in capsys.readouterr().out and not folder.exists()
    blind = recording(tmp_path / "recording-d", every=0, ticks=3)
    finish(blind, options)
    assert "None of 3 packets had a picture" in capsys.readouterr().out and list(blind.glob("segment-*"))
