"""The history of runs says what the files say, whoever writes it and whatever happened to it."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.journal.history import NAME, History, Progress
from agent.journal.journal import Journal
from tests.journal.test_journal import drain, header, offer


def recorded(folder: Path, *, is_closed: bool = True) -> Journal:
    journal = Journal(folder, header(folder.name), SystemClock())
    journal.begin()
    offer(journal, range(1, 4))
    drain(journal)
    if is_closed:
        journal.close()
    return journal


def test_a_run_is_listed_while_it_goes_on_and_when_it_is_over(tmp_path: Path) -> None:
    history = History(tmp_path)
    assert history.runs() == [] and not (tmp_path / "none").exists()
    journal = recorded(tmp_path / "one", is_closed=False)
    history.begin(journal.folder, journal.header)
    history.update(journal.folder, journal.header, Progress(3.5, "ab" * 32, 2, 17.25, "score_s"))
    (run,) = History(tmp_path).runs()
    assert (run.game, run.games, run.policy, run.weights) == ("arena", 1, "pilot", "ab" * 32)
    assert (run.score, run.episodes, run.length_s, run.state) == (17.25, 2, 3.5, "being recorded")
    journal.close()
    assert [run.state for run in history.runs()] == ["killed"]
    history.update(journal.folder, journal.header, Progress(4.0), is_over=True)
    assert [(run.state, run.score) for run in history.runs()] == [("whole", None)]
    part = tmp_path / "one" / "segment-00001.mcap"
    part.rename(part.with_name(part.name + ".part"))
    assert [run.state for run in history.runs()] == ["torn"]
    shutil.rmtree(tmp_path / "one")
    assert [run.state for run in history.runs()] == ["dropped"]
    history.forget(tmp_path / "one")
    assert history.runs() == []


def test_recordings_that_it_does_not_know_are_added(tmp_path: Path) -> None:
    journal = recorded(tmp_path / "old")
    (tmp_path / "old" / "weights").mkdir()
    (tmp_path / "old" / "weights" / "abc.safetensors").write_bytes(b"")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "segment-00001.mcap").write_bytes(b"none")
    (run,) = History(tmp_path).runs()
    assert run.folder == journal.folder.resolve() and run.began_utc_s == journal.header.began_utc_ns * 1e-9
    assert (run.weights, run.episodes, run.state) == ("abc", None, "whole")
    assert len(History(tmp_path).runs()) == 1


@pytest.mark.parametrize("damage", ["no database", "a page"])
def test_a_damaged_database_is_set_aside_with_its_reason_and_made_anew(tmp_path: Path, damage: str) -> None:
    history, path = History(tmp_path), tmp_path / NAME
    for number in range(8):
        history.begin(tmp_path / f"{number:03d}", msgspec.structs.replace(header(), policy="long" * 500))
    recorded(tmp_path / "real")
    data = bytearray(path.read_bytes())
    data[:100] = b"\0" * 100 if damage == "no database" else data[:100]
    data[4096:8192] = b"\x7f" * 4096
    path.write_bytes(data)
    found = history.runs()
    assert [run.folder.name for run in found] == ["real"]
    assert history.set_aside is not None and history.set_aside.read_bytes() == bytes(data)
    assert history.set_aside.with_name(f"{history.set_aside.name}.reason").read_text().strip()
    assert [run.folder.name for run in History(tmp_path).runs()] == ["real"]


def test_a_database_that_is_another_meanwhile_has_the_runs_score_all_the_same(tmp_path: Path) -> None:
    history, journal = History(tmp_path), recorded(tmp_path / "one")
    history.begin(journal.folder, journal.header)
    for file in tmp_path.glob(f"{NAME}*"):
        file.unlink()
    history.update(journal.folder, journal.header, Progress(4.0, "ab", 2, 17.25, "score_s"), is_over=True)
    assert [(run.policy, run.episodes, run.score, run.state) for run in history.runs()] == [
        ("pilot", 2, 17.25, "whole")
    ]


def test_a_folder_that_is_recorded_into_again_is_another_run(tmp_path: Path) -> None:
    history = History(tmp_path)
    history.begin(tmp_path / "one", header())
    history.update(tmp_path / "one", header(), Progress(4.0, "ab", 2, 17.25, "score_s"), is_over=True)
    history.begin(tmp_path / "one", msgspec.structs.replace(header(), policy="kiter"))
    assert [(run.policy, run.episodes, run.score, run.length_s) for run in history.runs()] == [
        ("kiter", None, None, 0.0)
    ]


def test_what_cannot_be_opened_is_said_and_not_set_aside(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(RecordingError, match="history of runs cannot be used"):
        History(tmp_path).runs()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_another_that_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path)
    history.begin(tmp_path / "a", header())
    monkeypatch.setattr("agent.journal.history.PATIENCE_S", 0.05)
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordingError, match="locked"):
        history.begin(tmp_path / "b", header())
    other.execute("COMMIT")
    other.close()
    history.begin(tmp_path / "b", header())
    assert [run.folder.name for run in history.runs()] == ["a", "b"]


def _begin_many(folder: Path, first: int) -> None:
    for number in range(first, first + 20):
        History(folder).begin(folder / f"{number:03d}", header(str(number)))


def test_several_processes_lose_no_row(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_begin_many, args=(tmp_path, first)) for first in (0, 20, 40)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
        assert other.exitcode == 0
    assert sorted(run.folder.name for run in History(tmp_path).runs()) == [f"{n:03d}" for n in range(60)]
