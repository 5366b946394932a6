"""A person who plays a hosted game without any agent is recorded: what was seen, what was pressed, what came of it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run
from agent.core.clock import SystemClock
from agent.core.types import Action, HumanInput
from agent.games import hosting, recording
from agent.games.recording import HostRecorder
from agent.games.server import GameServer, ServerOptions
from agent.journal.clip import make_clip, read_clip
from agent.journal.keeping import Keep
from agent.journal.read import header_of_recording, records_of
from agent.journal.records import DecisionRecord, PacketRecord
from agent.link.wire import decode_action, decode_state
from tests.games.test_server import Counter


def played(folder: Path, ticks: int, *, clip: bool = False) -> HostRecorder:
    """A person walks and presses something in every seventh tick of a game that nobody else plays."""
    clock, tick = SystemClock(), iter(range(10_000))
    recorder = HostRecorder(folder, Keep(), folder.parent / "clips", game="c", seed=3, real_time=False, clock=clock)

    def human() -> tuple[Action, HumanInput]:
        n = next(tick)
        action = Action((0.5, 0.0), fire=n % 7 == 0)
        return action, HumanInput(1, action.move, (0.0, 0.0), action.fire, False, False, False, (0.0, 0.0))

    options = ServerOptions(port=0, mode="fast", ticks=ticks)
    server = GameServer(Counter(), options, clock, human=human, recorder=recorder)
    asyncio.run(server.run())
    if clip:
        recorder.save_clip().join()
    recorder.close()
    return recorder


def test_every_tick_with_what_the_person_did(tmp_path: Path) -> None:
    played(tmp_path / "a", 100)
    assert header_of_recording(tmp_path / "a").policy == "human"
    records = [item.record for item in records_of(tmp_path / "a")]
    packets = [r for r in records if isinstance(r, PacketRecord)]
    decisions = [r for r in records if isinstance(r, DecisionRecord)]
    assert [p.number for p in packets] == list(range(1, 101)) and sum(bool(p.frame) for p in packets) > 10
    assert [d.packet for d in decisions] == list(range(1, 100)), "the last tick was not answered"
    sent = [decode_action(d.action[4:]) for d in decisions]
    assert [n for n, action in enumerate(sent, 1) if action is not None and action.fire] == list(range(7, 100, 7))
    assert {d.owner for d in decisions} == {"human"}
    for packet, decision in zip(packets, decisions, strict=False):
        run_info = decode_state(packet.state).run
        assert run_info is not None and decision.reward == run_info.reward and decision.is_last == run_info.run_ended
    ends = [n for n, d in enumerate(decisions) if d.is_last]
    assert len(ends) > 10 and [n for n, d in enumerate(decisions) if d.is_first] == [0, *(n + 1 for n in ends)][:20]
    assert decisions[1].elapsed_s == pytest.approx(1 / 60, abs=1e-3)


def test_there_is_nothing_to_compute_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    played(tmp_path / "a", 5)
    assert run(["replay", str(tmp_path / "a")]) == 2
    assert "a person played" in capsys.readouterr().err


def test_the_last_seconds_are_saved(tmp_path: Path) -> None:
    recorder = played(tmp_path / "a", 50, clip=True)
    (folder,) = recorder.clips.iterdir()
    made = read_clip(folder)
    assert made is not None and made.session == "a" and made.is_whole
    assert len(list(records_of(folder))) == 99


def test_two_clips_at_once_are_two_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = HostRecorder(
        tmp_path / "a", Keep(), tmp_path / "clips", game="c", seed=3, real_time=True, clock=SystemClock()
    )
    recorder.on_packet(Counter().state(), b"")

    def slow(*given: Any) -> Path:
        threading.Event().wait(0.1)
        return make_clip(*given)

    monkeypatch.setattr(recording, "make_clip", slow)
    for thread in (recorder.save_clip(), recorder.save_clip()):
        thread.join()
    recorder.close()
    assert {read_clip(folder).session for folder in recorder.clips.glob("*-[12]")} == {"a"}  # type: ignore[union-attr]
    assert len(list(recorder.clips.iterdir())) == 2


def test_host_records_where_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setenv("METABONK_RECORDINGS_DIR", str(tmp_path))
    monkeypatch.setattr(hosting, "run_host", lambda *given: asked.append(given) or 0)
    assert run(["host", "arena", "--record"]) == run(["host", "arena", "--record-to", str(tmp_path / "b")]) == 0
    (_, own), (_, named) = asked
    assert own.folder.parent == tmp_path and own.keep.max_bytes == 2048 << 20 and own.clips == tmp_path / "clips"
    assert named.folder == tmp_path / "b" and named.keep.max_bytes is None
    assert run(["host", "arena"]) == 0 and len(asked[-1]) == 1


def test_a_folder_that_takes_no_recording_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["host", "arena", "--port", "0", "--record-to", str(tmp_path / "file")]) == 2
    assert "cannot be recorded into" in " ".join(capfd.readouterr().err.split())
