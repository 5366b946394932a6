"""What is played at a hosted game, by whomever, written down: for a person who plays without any agent.

Hands records to a journal, which writes them on a thread of its own. Owns no file but clips.
"""

from __future__ import annotations

import threading
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog

from agent.concurrency.supervise import Failure, attempt
from agent.core.clock import Clock
from agent.core.errors import RecordingError
from agent.core.types import HUMAN, Action, GameState
from agent.journal.clip import Clip, has_beginning, make_clip
from agent.journal.journal import Journal
from agent.journal.keeping import Keep
from agent.journal.records import DecisionRecord, PacketRecord, SessionHeader
from agent.link.wire import encode_action, encode_state

CLIENT: Final = "client"
"""The owner of what a client sent."""
CLIP_S: Final = 30.0
log = structlog.get_logger(__name__)


class HostRecorder:
    """Records one hosted game. `on_packet` and then `on_action` are called in each tick, `close` at the end."""

    def __init__(self, folder: Path, keep: Keep, clips: Path, *, game: str, seed: int, real_time: bool, clock: Clock):
        """Begin to write; raises RecordingError where the folder takes no recording."""
        self.clips = clips
        header = SessionHeader(
            session=folder.name, program=version("metabonk-apex"), game=game, games=(game,), policy=HUMAN, seed=seed,
            real_time=real_time, learns=False, asks_chooser=False, off_policy=False,
            began_utc_ns=clock.wall_utc_ns(), began_s=clock.now_s(),
        )  # fmt: skip
        self.journal = Journal(folder, header, clock, keep)
        self.journal.begin()
        self._clock, self._clipping = clock, threading.Lock()
        self._seen: tuple[GameState, float] | None = None
        self._packet = self._picture = 0
        self._before_us: int | None = None

    def on_packet(self, state: GameState, frame: bytes) -> None:
        """Write down what a tick shows."""
        now_s = self._clock.now_s()
        self._packet += 1
        if frame:
            self._picture = self._packet
        self._seen = state, now_s
        self.journal.offer(PacketRecord(0, self._packet, now_s, encode_state(state), frame), now_s)

    def on_action(self, action: Action, *, by_human: bool) -> None:
        """Write down what answered it."""
        if self._seen is None or self._seen[0].run is None:
            return
        now_s, run, received_at_s = self._clock.now_s(), self._seen[0].run, self._seen[1]
        first = self._before_us is None
        elapsed_s = 0.0 if self._before_us is None else max(0, run.capture_time_us - self._before_us) * 1e-6
        self._before_us = None if run.run_ended else run.capture_time_us
        self._seen = None
        record = DecisionRecord(
            0, self._packet, self._packet, self._picture, elapsed_s, received_at_s, run.reward, first, run.run_ended,
            run.run_ended and not run.run_truncated, run.run_won, 0, now_s, encode_action(action),
            HUMAN if by_human else CLIENT, -1,
        )  # fmt: skip
        self.journal.offer(record, now_s)

    def save_clip(self) -> threading.Thread:
        """Save the last CLIP_S as a clip, on a thread that is returned; the log says where, or why not."""
        thread = threading.Thread(target=self._save_clip, name="clip", daemon=True)
        thread.start()
        return thread

    def _save_clip(self) -> None:
        with self._clipping:  # two at once would choose one name
            made = attempt(self._clip)
        if isinstance(made, Failure):
            log.warning("clip_not_saved", why=made.reason)
        else:
            log.info("clip", folder=str(made))

    def _clip(self) -> Path:
        journal, now_s = self.journal, self._clock.now_s()
        if not journal.turn():
            raise RecordingError(f"{journal.folder}: the disk takes nothing: {journal.error or 'it is too slow'}")
        self.clips.mkdir(parents=True, exist_ok=True)
        n = 1
        while (target := self.clips / f"{journal.folder.name}-{n}").exists():
            n += 1
        clip = Clip(journal.header.session, now_s - CLIP_S, now_s, has_beginning(journal.folder))
        make_clip(journal.folder, target, clip, now_s - CLIP_S)
        return target

    def close(self) -> None:
        """Put what waits on the disk."""
        self.journal.close()
