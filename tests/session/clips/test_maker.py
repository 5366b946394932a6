"""What just happened is saved in a moment, replays, and outlives the recording that it is of."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.control.motor import Motor
from agent.control.policy import Policy
from agent.control.random_policy import RandomPolicy
from agent.control.untrained import untrained_tensors
from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.journal import clip as clips
from agent.journal.clip import CLIPS, read_clip
from agent.journal.journal import Journal
from agent.journal.keeping import Keep, remove_recording
from agent.journal.read import records_of, segments_of
from agent.journal.records import WEIGHTS, DecisionRecord, EventRecord
from agent.session.clips.maker import ClipMaker, MadeClip
from agent.session.options import SessionOptions
from agent.session.recording import header_of_session, keep_weights
from agent.session.replay import Replayer
from tests.session.test_replay import step, walk


class Later(SystemClock):
    """A clock that can be put forward."""

    ahead_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.ahead_s


class Recorded:
    """A session that is being recorded: a pilot, 20 decisions an episode, three seconds each."""

    def __init__(self, folder: Path, policy: Policy | None = None) -> None:
        self.clock = Later()
        self.policy: Any = policy or Motor(untrained_tensors(0), name="untrained-pilot")
        options = SessionOptions(endpoints=(), names=("game",), game="test")
        self.journal = Journal(folder / "a", header_of_session(options, self.policy, self.clock), self.clock, Keep())
        self.maker = ClipMaker(self.journal, self.policy, self.clock, folder / CLIPS)
        self.journal.begin()
        if policy is None:
            found = keep_weights(folder / "a", self.policy.tensors)
            told = {"version": 0, "sha256": found, "path": self.policy.chosen.as_builtins()["path"]}
            self.journal.offer(EventRecord(0.0, WEIGHTS, "", told), 0.0, repeat=True)
        self.policy.warm_up()
        self.carry, self.ticks = self.policy.initial(1), 0

    def play(self, decisions: int) -> None:
        for _ in range(decisions):
            seen = replace(walk(self.ticks, 0, every=20), received_at_s=self.clock.now_s())
            self.maker.on_decision(seen)
            self.ticks, now_s = self.ticks + 1, self.clock.now_s()
            self.carry = step(self.journal, self.policy, self.carry, [seen], self.ticks, is_full=False, now_s=now_s)
            self.clock.ahead_s += 3.0

    def clip(self, seconds: float) -> MadeClip:
        return asyncio.run(self.maker.make(seconds))


def decided(folder: Path) -> list[int]:
    return [item.record.step for item in records_of(folder) if isinstance(item.record, DecisionRecord)]


@pytest.fixture
def session(tmp_path: Path) -> Any:
    made = Recorded(tmp_path)
    yield made
    made.journal.close()


def test_a_clip_has_what_was_handed_over_until_now_replays_and_stays(session: Recorded, tmp_path: Path) -> None:
    session.play(30)
    made = session.clip(15.0)
    session.play(3)
    assert made.ready_s < 1.0 and made.is_whole and made.folder.parent == tmp_path / CLIPS
    session.journal.close()
    remove_recording(tmp_path / "a")
    assert decided(made.folder)[-1] == 30
    result = Replayer(made.folder).run()
    assert (result.decisions, result.different) == (30, 0)
    told = read_clip(made.folder)
    assert told is not None and told.to_s - told.from_s == pytest.approx(15.0)


def test_a_clip_begins_where_its_episode_began(session: Recorded) -> None:
    """Each clip ends a segment: the later ones leave out what the earlier ones hold."""
    session.play(35)
    session.clip(1.0)
    session.play(20)
    made = session.clip(10.0)  # in the decisions 51 to 55, of the episode that began with 41
    assert made.is_whole and decided(made.folder) == list(range(36, 56))
    result = Replayer(made.folder).run()
    assert (result.decisions, result.different, result.skipped) == (15, 0, 5)
    session.play(30)
    across = session.clip(60.0)  # from 66 on: its episode began with 61, and the next with 81
    assert decided(across.folder) == list(range(56, 86))


def test_where_the_limits_took_the_beginning_of_its_episode_a_clip_is_not_whole(session: Recorded) -> None:
    session.play(25)
    session.clip(1.0)
    session.play(5)
    for segment in session.journal.folder.glob("segment-*.mcap"):
        segment.unlink()
    made = session.clip(10.0)  # of the episode that began with decision 21, which is gone
    told = read_clip(made.folder)
    assert decided(made.folder) == list(range(26, 31)) and not made.is_whole
    assert told is not None and not told.is_whole
    session.play(15)
    assert session.clip(6.0).is_whole, "the episode that began with decision 41 is there"


def test_nothing_is_written_twice(session: Recorded, tmp_path: Path) -> None:
    session.play(5)
    made = session.clip(10.0)
    (segment,) = segments_of(made.folder)
    assert os.path.samefile(segment, tmp_path / "a" / segment.name)
    (weights,) = (made.folder / WEIGHTS).iterdir()
    assert os.path.samefile(weights, tmp_path / "a" / WEIGHTS / weights.name)


def test_where_the_disk_has_no_second_names_it_is_a_copy(session: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(clips.os, "link", refuse)
    session.play(5)
    assert decided(session.clip(10.0).folder) == [1, 2, 3, 4, 5]


def test_random_numbers_that_go_on_need_the_whole_session(tmp_path: Path) -> None:
    session = Recorded(tmp_path, RandomPolicy(0))
    session.play(25)
    session.clip(1.0)
    session.play(20)
    made = session.clip(3.0)
    result = Replayer(made.folder).run()
    assert made.is_whole and (result.decisions, result.different) == (45, 0)
    next((tmp_path / "a").glob("segment-00001.mcap")).unlink()
    assert not session.clip(3.0).is_whole
    session.journal.close()


def test_what_cannot_be_saved_is_said(session: Recorded, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="between 1 and 600"):
        session.clip(0.0)
    (tmp_path / CLIPS).write_text("in the way")
    session.play(2)
    with pytest.raises(RecordingError, match="clips"):
        session.clip(5.0)
    session.journal.close()
    with pytest.raises(RecordingError, match="nothing is recorded"):
        session.clip(5.0)


def test_a_clip_that_fails_leaves_nothing(session: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(clips.os, "link", full)
    monkeypatch.setattr(shutil, "copyfile", full)
    session.play(2)
    with pytest.raises(RecordingError, match="No space left"):
        session.clip(5.0)
    assert list((tmp_path / CLIPS).iterdir()) == []
