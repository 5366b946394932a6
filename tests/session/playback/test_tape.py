"""A tape has one game's packets in order, from any point, and says where the recording has a break."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.core.types import HumanInput
from agent.journal.journal import Journal
from agent.journal.records import GapRecord, LinkRecord, PacketRecord
from agent.link.wire import encode_state
from agent.session.playback.tape import Cut, Tape, Taped
from tests.journal.test_journal import header
from tests.link.game_side import state

PERIOD_S = 0.1


def taped(folder: Path, packets: int = 30, breaks: tuple[int, ...] = ()) -> Path:
    """Two games, a packet of each every tenth of a second, a segment every ten; after `breaks` the first one's link."""
    journal = Journal(folder, replace(header(), games=("one", "two")), SystemClock())
    journal.begin()
    human = HumanInput(1, (1.0, 0.0), (0.0, 0.0), True, False, False, False, (0.0, 0.0))
    for n in range(packets):
        at_s = 100.0 + PERIOD_S * n
        for game in (0, 1):
            told = encode_state(state(1000 * game + n, human=human))
            journal.offer(PacketRecord(game, n + 1, at_s, told, bytes([n]) if n % 5 == 0 else b""), at_s)
        if n in breaks:
            journal.offer(LinkRecord(0, at_s, False, "closed"), at_s)
            journal.offer(LinkRecord(0, at_s, True, ""), at_s)
        if n % 10 == 9:
            assert journal.turn()
    journal.close()
    return folder


def sequences(tape: Tape, index: int = 0) -> list[int]:
    return [item.packet.state.run.sequence for item in tape.items(index) if isinstance(item, Taped)]  # type: ignore[union-attr]


def test_one_games_packets_come_in_order_from_any_of_them(tmp_path: Path) -> None:
    tape = Tape(taped(tmp_path / "a"), 1)
    assert len(tape) == 30 and tape.length_s == pytest.approx(2.9)
    assert sequences(tape) == list(range(1000, 1030))
    for index in (0, 9, 10, 25, 29, 30):
        assert sequences(tape, index) == list(range(1000 + index, 1030))
    assert [item.index for item in tape.items(17) if isinstance(item, Taped)] == list(range(17, 30))


def test_times_and_places_are_each_others(tmp_path: Path) -> None:
    tape = Tape(taped(tmp_path / "a"), 0)
    assert [tape.index_at(s) for s in (0.0, 0.05, 1.2, 99.0)] == [0, 1, 12, 30]
    assert tape.time_of(12) == pytest.approx(1.2) and tape.time_of(99) == pytest.approx(2.9)


def test_a_person_of_the_recording_does_not_play_again(tmp_path: Path) -> None:
    first = next(iter(Tape(taped(tmp_path / "a", 3), 0).items(0)))
    assert isinstance(first, Taped) and first.packet.state.human is None and first.packet.frame == b"\x00"
    assert b"HINP" in first.packet.state_bytes


def test_a_lost_connection_and_missing_records_are_breaks(tmp_path: Path) -> None:
    tape = Tape(taped(tmp_path / "a", breaks=(4, 20)), 0)
    kinds = [item.reason if isinstance(item, Cut) else item.index for item in tape.items(0)]
    assert kinds == [*range(5), "closed", *range(5, 21), "closed", *range(21, 30)]
    assert [item for item in Tape(tmp_path / "a", 1).items(0) if isinstance(item, Cut)] == []
    journal = Journal(tmp_path / "b", header(), SystemClock())
    journal.begin()
    journal.offer(PacketRecord(0, 1, 1.0, encode_state(state(1)), b""), 1.0)
    journal.offer(GapRecord(1.5, 7, 10, "the queue is full"), 1.5)
    journal.close()
    assert isinstance(list(Tape(tmp_path / "b", 0).items(0))[1], Cut)


def test_what_cannot_be_played_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="has games 0 to 1, not 2"):
        Tape(taped(tmp_path / "a", 3), 2)
    journal = Journal(tmp_path / "b", header(), SystemClock())
    journal.begin()
    journal.offer(PacketRecord(0, 1, 1.0, b"no state", b""), 1.0)
    journal.close()
    with pytest.raises(RecordingError, match="packet 1 of game 0"):
        list(Tape(tmp_path / "b", 0).items(0))
