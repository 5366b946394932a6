"""What a session writes down: every packet as it came, every decision, every event.

Owns no file: it hands records to a `Journal`, which writes them on a thread of its own. On the path of a frame it costs
one copy of the packet's bytes, made after the feed has taken the packet.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import structlog
from safetensors.numpy import save

from agent.concurrency.lane import Lane
from agent.control.policy import Policy, Tensors, capabilities_of, path_of
from agent.core.clock import Clock
from agent.core.errors import RecordingError
from agent.core.files import write_atomically
from agent.core.part import Part
from agent.core.types import GameState, Observation, Packet
from agent.journal.history import History, Progress
from agent.journal.journal import Journal
from agent.journal.keeping import remove_recording
from agent.journal.records import WEIGHTS, DecisionRecord, EventRecord, LinkRecord, PacketRecord, SessionHeader
from agent.journal.recover import Recovered, recover_all
from agent.learning.configs import is_off_policy
from agent.link.bonklink import PacketListener
from agent.link.wire import encode_action, encode_state
from agent.session.act import Decided
from agent.session.clips.maker import ClipMaker
from agent.session.options import SessionOptions

RESTARTED: Final = "restarted"
LOOK_S: Final = 0.25
AGAIN_S: Final = 2.0
"""Pause after the disk refused weights."""
HISTORY_S: Final = 10.0
"""How old a run's row may be in the history of runs."""
TOLD_AGAIN_S: Final = 60.0
"""Weights that act beside others are told again after this: what was told before may be deleted with its segment."""
WAITING: Final = 8
"""Versions that wait for the disk at most; the oldest are given up."""
REMEMBERED: Final = 64
log = structlog.get_logger(__name__)


class RecordedFeed:
    """Stands between a link and the game's feed: the feed hears of everything first, then the journal."""

    def __init__(self, game: int, feed: PacketListener, journal: Journal, clock: Clock) -> None:
        self._game, self._feed, self._journal, self._clock = game, feed, journal, clock
        self.packets = 0
        self.with_pictures = True
        self._states: deque[tuple[GameState, int]] = deque(maxlen=REMEMBERED)
        self._pictures: deque[tuple[float, int]] = deque(maxlen=REMEMBERED)

    def on_up(self) -> None:
        """A connection stands."""
        self._feed.on_up()
        self._link(True, "")

    def on_packet(self, packet: Packet, received_at_s: float) -> None:
        """One packet; the feed takes it before it is written down."""
        self.packets += 1
        self._states.append((packet.state, self.packets))
        frame = packet.frame if self.with_pictures else b""
        if frame:
            self._pictures.append((received_at_s, self.packets))
        self._feed.on_packet(packet, received_at_s)
        state = packet.state_bytes or encode_state(packet.state)
        record = PacketRecord(self._game, self.packets, received_at_s, state, frame)
        self._journal.offer(record, received_at_s)

    def on_bad_packet(self, reason: str) -> None:
        """Bytes broke the wire format."""
        self._feed.on_bad_packet(reason)

    def on_down(self, reason: str) -> None:
        """The connection ended."""
        self._feed.on_down(reason)
        self._link(False, reason)

    def _link(self, is_up: bool, reason: str) -> None:
        now_s = self._clock.now_s()
        self._journal.offer(LinkRecord(self._game, now_s, is_up, reason), now_s)

    def origins(self, observation: Observation) -> tuple[int, int]:
        """The numbers of the packets that brought an observation's state and its picture, 0 where there is none."""
        state = next((number for kept, number in reversed(self._states) if kept is observation.state), 0)
        if observation.frame is None:
            return state, 0
        arrived_s = observation.frame.received_at_s
        return state, next((number for at_s, number in reversed(self._pictures) if at_s == arrived_s), 0)


class Acted:
    """Weights from their first decision until they are kept, with the way they were computed.

    told: the version that the journal heard of last. sha256: the hash of its tensors.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, Tensors, str]] = deque(maxlen=WAITING)
        self.told: int | None = None
        self.sha256 = ""
        self._version: int | None = None
        self._at_s: dict[int, float] = {}

    def decided(self, version: int, policy: Policy, at_s: float) -> None:
        """A decision of this version was made by this policy; on the loop, soon after it."""
        if version == self._version or at_s - self._at_s.get(version, -math.inf) < TOLD_AGAIN_S:
            return
        reloadable = capabilities_of(policy).reloadable
        if reloadable is not None and reloadable.version == version:
            self._version = version
            self._at_s = {v: s for v, s in self._at_s.items() if at_s - s < 2 * TOLD_AGAIN_S} | {version: at_s}
            self.waiting.append((version, reloadable.tensors, str(path_of(policy).get("path", ""))))


@dataclass(frozen=True)
class RecordSession(Part):
    """The recorder. is_asked: somebody asked for it, so a folder that cannot be written ends the start.

    scored: finished episodes, their mean score (None without one), and what it is of. history: where the run is listed.
    clips: what saves the last seconds.
    acting: the policy whose weights acted in a game in the last step.
    """

    name = "recorder"
    key = "recording"
    role = "recorder"
    journal: Journal
    acting: Callable[[int], Policy]
    disk: Lane
    clock: Clock
    is_asked: bool
    feeds: Sequence[RecordedFeed]
    say: Callable[[str, str, dict[str, Any]], None]
    scored: Callable[[], tuple[int, float | None, str]] = lambda: (0, None, "")
    history: History | None = None
    clips: ClipMaker | None = None
    acted: Acted = field(default_factory=Acted, init=False)

    async def begin(self) -> None:
        """Start writing; raises RecordingError where that was asked for and cannot be."""
        try:
            await self.disk.run(self.journal.begin)
        except RecordingError as error:
            if self.is_asked:
                raise
            log.warning("not_recording", why=str(error))
            self.say("not_recording", f"nothing is recorded: {error}", {})
        else:
            await self._list(lambda history: history.begin(self.journal.folder, self.journal.header))

    async def run(self) -> None:
        """Mend what killed sessions left, then keep the weights that acted; until cancelled."""
        if not self.journal.is_writing:
            return
        for done in await self.disk.run(self._recover):
            self.say("recovered", f"a killed session's recording has {done.records} records", {"records": done.records})
        is_said, listed_s = self.is_asked, self.clock.now_s()
        while True:
            if not is_said and any(feed.packets for feed in self.feeds):
                is_said = True
                kept_s = self.journal.keep.window_s
                log.info("recording", folder=str(self.journal.folder), kept_s=kept_s, leave_it_by="--no-record")
            pause_s = LOOK_S if await self._keep_weights() else AGAIN_S
            if self.clock.now_s() - listed_s >= HISTORY_S:
                listed_s = self.clock.now_s()
                await self._list_progress()
            await self.clock.sleep_until(self.clock.now_s() + pause_s)

    async def _keep_weights(self) -> bool:
        """Say which weights acted, and keep them beside the recording; False where the disk refuses them."""
        while self.acted.waiting:
            first = self.acted.waiting[0]
            version, tensors, way = first
            if self.acted.told != version:
                found = await self.disk.run(lambda: hash_of(tensors))  # noqa: B023
                now_s = self.clock.now_s()
                told = EventRecord(now_s, WEIGHTS, "", {"version": version, "sha256": found, "path": way})
                self.journal.offer(told, now_s, repeat=True)
                self.acted.told, self.acted.sha256 = version, found
            try:
                await self.disk.run(lambda: keep_weights(self.journal.folder, tensors))  # noqa: B023
            except OSError as error:
                log.warning("weights_not_recorded", version=version, why=error.strerror or str(error))
                return False
            if self.acted.waiting[0] is first:  # else so many came meanwhile that it was given up
                self.acted.waiting.popleft()
        return True

    async def _list_progress(self, *, is_over: bool = False) -> None:
        """Say in the history of runs how far this one has come."""
        episodes, score, measure = self.scored()
        folder, header = self.journal.folder, self.journal.header
        length_s = self.clock.now_s() - header.began_s
        progress = Progress(round(length_s, 3), self.acted.sha256, episodes, score, measure)
        await self._list(lambda history: history.update(folder, header, progress, is_over=is_over))

    async def _list(self, change: Callable[[History], None]) -> None:
        """Change the history of runs, off the loop; where that fails, it is said and play goes on."""
        history = self.history
        if history is None:
            return
        before = history.set_aside
        try:
            await self.disk.run(lambda: change(history))
        except RecordingError as error:
            log.warning("run_not_listed", why=str(error))
        if history.set_aside is not None and history.set_aside != before:
            log.warning("history_set_aside", file=str(history.set_aside), why="it was damaged; a new one is begun")

    def _recover(self) -> list[Recovered]:
        try:
            return recover_all(self.journal.folder.parent)
        except (OSError, RecordingError) as error:
            log.warning("not_recovered", why=str(error))
            return []

    async def finish(self) -> None:
        """Put what waits on the disk, and end the last segment; of a game that never spoke nothing is kept."""
        if self.journal.is_writing:
            await self._keep_weights()
            await asyncio.to_thread(self.journal.close)
            if not self.is_asked and not any(feed.packets for feed in self.feeds) and not self.journal.is_writing:
                await asyncio.to_thread(remove_recording, self.journal.folder)
                await self._list(lambda history: history.forget(self.journal.folder))
            else:
                await self._list_progress(is_over=True)

    async def give_up(self, why: str) -> str:
        """Record no pictures from here on: they are what waits for the disk in memory."""
        if not self.journal.is_writing:
            return ""
        for feed in self.feeds:
            feed.with_pictures = False
        return "pictures are no longer recorded"

    def close(self) -> None:
        """End the journal's thread."""
        self.journal.close()

    def status(self) -> dict[str, Any]:
        """What was offered, what is on the disk, what was lost and why."""
        journal = self.journal
        return {
            "session": journal.header.session, "offered": journal.offered, "written": journal.written,
            "lost": journal.lost, "reasons": dict(journal.reasons), "error": journal.error,
            "clips": self.clips.status() if self.clips is not None else {},
        }  # fmt: skip

    def event(self, kind: str, message: str, payload: dict[str, Any]) -> None:
        """Write down something that was told to people."""
        now_s = self.clock.now_s()
        self.journal.offer(EventRecord(now_s, kind, message, payload), now_s)

    def on_decision(self, decided: Decided) -> None:
        """Write down one decision."""
        o = decided.observation
        self.acted.decided(decided.version, self.acting(o.game), decided.at_s)
        if self.clips is not None:
            self.clips.on_decision(o)
        packet, picture = self.feeds[o.game].origins(o)
        instead, action = decided.instead_of, b"" if decided.action is None else encode_action(decided.action)
        record = DecisionRecord(
            o.game, decided.step, packet, picture, o.elapsed_s, o.received_at_s, o.reward, o.is_first, o.is_last,
            o.is_terminal, o.is_won, decided.version, decided.at_s, action, decided.owner, decided.card,
            *((b"", "") if instead is None else (encode_action(instead.action), instead.owner)), decided.subgoal,
        )  # fmt: skip
        self.journal.offer(record, decided.at_s)

    def on_restart(self) -> None:
        """Write down that the policy's memory is gone."""
        self.event(RESTARTED, "", {})


def header_of_session(options: SessionOptions, policy: Policy, clock: Clock) -> SessionHeader:
    """What a recording says of its whole session."""
    learnable, reloadable = capabilities_of(policy).learnable, capabilities_of(policy).reloadable
    return SessionHeader(
        session=options.recording.folder.name if options.recording is not None else "",
        program=version("metabonk-apex"), game=options.game, games=options.names, policy=policy.name,
        seed=options.seed, real_time=options.real_time, learns=options.learn and options.weights_dir is not None,
        off_policy=learnable is not None and is_off_policy(learnable.kind, options.budget),
        asks_chooser=(options.wanted is not None or options.planning is not None or options.cards is not None)
        and capabilities_of(policy).chooses_cards is not None,
        began_utc_ns=clock.wall_utc_ns(), began_s=clock.now_s(), machine=machine(policy),
        kind=reloadable.kind if reloadable is not None else "",
        sizes=msgspec.to_builtins(reloadable.sizes) or {} if reloadable is not None else {},
        layout=reloadable.layout if reloadable is not None else {},
    )  # fmt: skip


def machine(policy: Policy) -> dict[str, str]:
    """What decides whether the same weights give the same bits: the processor, versions, and the way of computing."""
    return {
        "processor": _processor(), "numpy": np.__version__, "numba": version("numba"), "torch": version("torch"),
        "torch_capability": os.environ.get("ATEN_CPU_CAPABILITY", ""), "path": str(path_of(policy).get("path", "")),
    }  # fmt: skip


def _processor() -> str:
    """The processor that numba compiles for, empty where nothing compiled is in use."""
    if "numba" not in sys.modules:
        return ""
    from llvmlite.binding import get_host_cpu_name
    from numba import config

    chosen: Any = config  # numba fills its module in at run time
    name = chosen.CPU_NAME or get_host_cpu_name()
    return f"{name} {chosen.CPU_FEATURES}" if chosen.CPU_FEATURES else str(name)


def hash_of(tensors: Tensors) -> str:
    """SHA-256 of the names and bytes of tensors, whatever order they come in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def keep_weights(folder: Path, tensors: Tensors) -> str:
    """Keep the tensors beside a recording, once, as its newest; returns their hash. Blocks, raises OSError."""
    found = hash_of(tensors)
    path = folder / WEIGHTS / f"{found}.safetensors"
    if path.exists():
        path.touch()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({name: tensor.copy(order="C") for name, tensor in tensors.items()}))
    return found
