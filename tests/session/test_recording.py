"""A session's packets and decisions are written down as they were, and never at the path's cost."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import structlog

from agent.concurrency.lane import Lane
from agent.control.arrays import STILL
from agent.control.policy import Capabilities, Tensors
from agent.core.clock import SystemClock, VirtualClock
from agent.core.types import Action, Frame, GameState, Observation, Packet
from agent.journal.history import NAME, History
from agent.journal.journal import Journal as Written
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, EventRecord, LinkRecord, PacketRecord, Record
from agent.link.wire import PacketDecoder, decode_state, encode_action, encode_packet, encode_state
from agent.session.act import Decided
from agent.session.recording import WAITING, Acted, RecordedFeed, RecordSession, hash_of, keep_weights
from tests.journal.test_journal import header


class Journal:
    """Keeps what it is offered."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_writing = False

    def offer(self, record: Record, time_s: float) -> bool:
        self.records.append(record)
        return True


class Feed:
    """Says what it heard, and what was written down by then."""

    def __init__(self, journal: Journal) -> None:
        self.heard: list[tuple[str, int]] = []
        self._journal = journal

    def on_up(self) -> None:
        self.heard.append(("up", len(self._journal.records)))

    def on_packet(self, packet: Packet, received_at_s: float) -> None:
        self.heard.append(("packet", len(self._journal.records)))

    def on_bad_packet(self, reason: str) -> None:
        self.heard.append(("bad", len(self._journal.records)))

    def on_down(self, reason: str) -> None:
        self.heard.append(("down", len(self._journal.records)))


def fed() -> tuple[RecordedFeed, Journal, Feed]:
    journal = Journal()
    feed = Feed(journal)
    return RecordedFeed(2, feed, journal, VirtualClock(5.0)), journal, feed  # type: ignore[arg-type]


def test_packets_are_kept_as_they_came_after_the_feed_has_them() -> None:
    tap, journal, feed = fed()
    tap.on_up()
    sent = encode_packet(STILL, b"\xff\xd8jpeg")
    (packet,) = PacketDecoder().feed(sent)
    tap.on_packet(packet, 5.5)
    tap.on_packet(Packet(STILL, b""), 5.6)
    tap.on_down("over")
    assert feed.heard == [("up", 0), ("packet", 1), ("packet", 2), ("down", 3)]
    state = encode_state(STILL)
    assert journal.records == [
        LinkRecord(2, 5.0, True, ""), PacketRecord(2, 1, 5.5, state, b"\xff\xd8jpeg"),
        PacketRecord(2, 2, 5.6, state, b""), LinkRecord(2, 5.0, False, "over"),
    ]  # fmt: skip
    assert sent[4 : 4 + len(state)] == state


def test_after_giving_up_for_memory_packets_are_recorded_without_their_pictures() -> None:
    tap, journal, feed = fed()
    journal.is_writing = True
    recorder = RecordSession(journal, lambda game: None, None, VirtualClock(), True, [tap], print)  # type: ignore[arg-type]
    tap.on_packet(Packet(STILL, b"one"), 5.1)
    assert asyncio.run(recorder.give_up("too much memory is in use")) == "pictures are no longer recorded"
    tap.on_packet(Packet(STILL, b"two"), 5.2)
    assert [r.frame for r in journal.records if isinstance(r, PacketRecord)] == [b"one", b""]
    assert [kind for kind, _ in feed.heard] == ["packet", "packet"], "who plays sees both pictures"
    assert tap.origins(seen(STILL, Frame(np.zeros((1, 1, 3), np.uint8), 0.0, 5.2)))[1] == 0
    journal.is_writing = False
    assert asyncio.run(recorder.give_up("again")) == ""


def seen(state: GameState, frame: Frame | None) -> Observation:
    return Observation(0, state, frame, 4, 0.5, 5.5, 0.25, True, False, False)


def test_a_decision_names_the_packets_that_it_saw() -> None:
    tap, journal, _ = fed()
    states = [decode_state(encode_state(STILL)) for _ in range(3)]
    tap.on_packet(Packet(states[0], b"one"), 5.1)
    tap.on_packet(Packet(states[1], b"two"), 5.2)
    tap.on_packet(Packet(states[2], b""), 5.3)
    frame = Frame(np.zeros((1, 1, 3), np.uint8), 0.0, 5.1)
    assert tap.origins(seen(states[1], frame)) == (2, 1)
    assert tap.origins(seen(states[2], None)) == (3, 0)
    recorder = RecordSession(journal, lambda game: None, None, VirtualClock(), True, [tap], print)  # type: ignore[arg-type]
    action = Action((0.5, 0.0), fire=True, answers=4)
    recorder.on_decision(Decided(9, seen(states[2], frame), 7, 5.4, action, "motor", 1))
    recorder.on_decision(Decided(10, seen(states[2], frame), 7, 5.4, None, "nobody", -1))
    expected = DecisionRecord(
        0, 9, 3, 1, 0.5, 5.5, 0.25, True, False, False, False, 7, 5.4, encode_action(action), "motor", 1
    )
    assert journal.records[-2] == expected
    late = journal.records[-1]
    assert isinstance(late, DecisionRecord) and late.action == b"" and late.owner == "nobody"


def test_weights_are_kept_once_by_their_hash(tmp_path: Path) -> None:
    tensors = {"b": np.arange(4.0), "a": np.ones((2, 3), np.float32).T}
    found = keep_weights(tmp_path, tensors)
    assert found == hash_of(dict(reversed(tensors.items()))) == keep_weights(tmp_path, tensors)
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [f"{found}.safetensors"]
    changed = {**tensors, "b": np.arange(4.0).copy()}
    changed["b"][3] = np.nextafter(3.0, 4.0)
    assert hash_of(changed) != found


class Tried:
    """A policy whose weights are exchanged by setting them."""

    def __init__(self) -> None:
        self.version, self.tensors = 1, {"a": np.ones(3)}
        self.capabilities = Capabilities(reloadable=self)  # type: ignore[arg-type]


def recorded(
    folder: Path, policy: Tried, during: Callable[[RecordSession], Awaitable[None]], history: History | None = None
) -> Written:
    """A session without games, asked for by nobody."""
    clock = SystemClock()
    journal = Written(folder, header(), clock)

    async def run() -> None:
        with Lane("disk") as disk:
            tap = RecordedFeed(0, Feed(Journal()), journal, clock)  # type: ignore[arg-type]
            session = RecordSession(
                journal,
                lambda game: policy,
                disk,
                clock,
                False,
                [tap],
                print,
                lambda: (2, 17.5, "score_s"),
                history,  # type: ignore
            )
            await session.begin()
            running = asyncio.ensure_future(session.run())
            async with asyncio.timeout(60.0):
                await during(session)
            running.cancel()
            await session.finish()
            session.close()

    asyncio.run(run())
    return journal


def answer(session: RecordSession, version: int) -> None:
    session.on_decision(Decided(1, seen(STILL, None), version, 5.4, None, "nobody", -1))


def test_every_version_that_acted_is_kept_however_short(tmp_path: Path) -> None:
    policy = Tried()

    async def swap(session: RecordSession) -> None:
        session.feeds[0].on_packet(Packet(STILL, b""), 5.0)
        for version in (1, 2, 3):
            policy.version, policy.tensors = version, {"a": np.full(3, float(version))}
            answer(session, version)
            answer(session, version)

    recorded(tmp_path / "a", policy, swap)
    told = [i.record.payload for i in records_of(tmp_path / "a") if isinstance(i.record, EventRecord)]
    assert [each["version"] for each in told] == [1, 2, 3]
    kept = {path.stem for path in (tmp_path / "a" / "weights").iterdir()}
    assert kept == {each["sha256"] for each in told} and len(kept) == 3


def test_versions_that_come_while_one_is_kept_cost_none_but_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, kept, crowded = Tried(), threading.Event(), threading.Event()

    def slow(folder: Path, tensors: Tensors) -> str:
        kept.set()
        assert crowded.wait(60)
        return keep_weights(folder, tensors)

    monkeypatch.setattr("agent.session.recording.keep_weights", slow)

    async def crowd(session: RecordSession) -> None:
        session.feeds[0].on_packet(Packet(STILL, b""), 5.0)
        for version in range(1, WAITING + 2):
            policy.version, policy.tensors = version, {"a": np.full(3, float(version))}
            answer(session, version)
            while not kept.is_set():
                await asyncio.sleep(0.01)
        crowded.set()
        while session.acted.waiting:
            await asyncio.sleep(0.01)

    recorded(tmp_path / "a", policy, crowd)
    told = [i.record.payload for i in records_of(tmp_path / "a") if isinstance(i.record, EventRecord)]
    assert [each["version"] for each in told] == list(range(1, WAITING + 2))


def test_weights_that_act_side_by_side_are_told_again_now_and_then() -> None:
    acted, policies = Acted(), {1: Tried(), 2: Tried()}
    policies[2].version = 2

    def decide(seconds: range) -> list[int]:
        acted.waiting.clear()
        for at_s in seconds:
            for version in (1, 2):
                acted.decided(version, policies[version], float(at_s))  # type: ignore[arg-type]
        return [version for version, _, _ in acted.waiting]

    assert decide(range(60)) == [1, 2]
    assert decide(range(60, 180)) == [1, 2, 1, 2], "their segments may be deleted"
    acted.waiting.clear()
    for at_s in range(180, 600):
        acted.decided(1, policies[1], float(at_s))  # type: ignore[arg-type]
    assert [version for version, _, _ in acted.waiting] == [1], "the last one that was told stays told"


def test_weights_that_the_disk_refuses_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.session.recording.LOOK_S", 0.01)
    monkeypatch.setattr("agent.session.recording.AGAIN_S", 0.01)
    refusals = 0

    def refusing(folder: Path, tensors: Tensors) -> str:
        nonlocal refusals
        refusals += 1
        if refusals <= 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        return keep_weights(folder, tensors)

    monkeypatch.setattr("agent.session.recording.keep_weights", refusing)

    async def wait(session: RecordSession) -> None:
        session.feeds[0].on_packet(Packet(STILL, b""), 5.0)
        answer(session, 1)
        while session.acted.waiting:
            await asyncio.sleep(0.01)

    journal = recorded(tmp_path / "a", Tried(), wait)
    assert refusals in (9, 10) and (journal.lost, journal.offered) == (0, 3)


def test_of_a_game_that_never_spoke_nothing_is_kept(tmp_path: Path) -> None:
    async def event(session: RecordSession) -> None:
        session.event("worker_registered", "one", {})

    journal = recorded(tmp_path / "a", Tried(), event)
    assert journal.offered == 1 and list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_recording_is_said_in_the_log_too(tmp_path: Path) -> None:
    async def nothing(session: RecordSession) -> None:
        await asyncio.sleep(0)

    (tmp_path / "file").write_text("")
    with structlog.testing.capture_logs() as logs:
        recorded(tmp_path / "file" / "a", Tried(), nothing)
    (said,) = (line for line in logs if line["event"] == "not_recording")
    assert said["log_level"] == "warning" and f"{tmp_path / 'file' / 'a'}: cannot be recorded into" in said["why"]


def test_a_run_is_in_the_history_with_its_weights_and_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.session.recording.LOOK_S", 0.01)
    monkeypatch.setattr("agent.session.recording.HISTORY_S", 0.01)
    during: list[tuple[str, float | None]] = []

    async def play(session: RecordSession) -> None:
        session.feeds[0].on_packet(Packet(STILL, b""), 5.0)
        answer(session, 1)
        while not during or during[-1][1] is None or not History(tmp_path).runs()[0].weights:
            during.extend((run.state, run.score) for run in History(tmp_path).runs())
            await asyncio.sleep(0.01)

    recorded(tmp_path / "a", Tried(), play, History(tmp_path))
    (run,) = History(tmp_path).runs()
    assert during[-1] == ("being recorded", 17.5)
    assert (run.state, run.score, run.episodes, run.measure) == ("whole", 17.5, 2, "score_s")
    assert [path.stem for path in (tmp_path / "a" / "weights").iterdir()] == [run.weights]

    async def event(session: RecordSession) -> None:
        session.event("worker_registered", "one", {})

    recorded(tmp_path / "silent", Tried(), event, History(tmp_path))
    assert [run.folder.name for run in History(tmp_path).runs()] == ["a"]


def test_a_history_that_cannot_be_written_ends_no_recording(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()

    async def play(session: RecordSession) -> None:
        session.feeds[0].on_packet(Packet(STILL, b""), 5.0)

    journal = recorded(tmp_path / "a", Tried(), play, History(tmp_path))
    assert journal.lost == 0 and sum(isinstance(i.record, PacketRecord) for i in records_of(tmp_path / "a")) == 1
