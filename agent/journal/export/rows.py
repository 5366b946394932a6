"""Rows of a recording: pictures at a steady rate at most, each with all that was done until the next one.

What happens between two kept pictures is never lost: buttons are joined by OR, axes are averaged, rewards are added. A
second click within one row begins another row with the newest picture. Times are the game's own, mapped to the clock of
the session. Where a human pressed something, the human's axes count, otherwise the policy's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import msgspec
import numpy as np

from agent.core.errors import ImageError, ProtocolError, RecordingError
from agent.core.types import ByteArray, FloatArray, GameState
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, GapRecord, LinkRecord, PacketRecord, Record
from agent.link.imaging import decode_frame
from agent.link.wire import Limits, decode_action, decode_state

ACTION_FIELDS: Final = (
    "move_x", "move_y", "look_x", "look_y", "fire", "ability", "interact", "ui_click", "click_x", "click_y",
)  # fmt: skip
UI_CLICK: Final = ACTION_FIELDS.index("ui_click")
MAX_JUMP_S: Final = 1.0
"""A game's clock that jumps by more began anew."""
_NEARLY: Final = 0.9
"""A picture that comes this share of the period after the one before is in time: pictures jitter."""
LIMITS: Final = Limits(max_state_bytes=1 << 30, max_enemies=1 << 20)
"""A session may have raised its own."""


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream is cut into rows and episodes: pictures per second at most, and rows of an episode at most.

    split_on_not_playing: an episode ends where play turns into a menu and back. dedupe_frames: a picture that equals
    the one before, pixel by pixel, makes no row.
    """

    hz: float = 10.0
    max_frames: int = 6000
    split_on_not_playing: bool = True
    dedupe_frames: bool = False


class Row(msgspec.Struct, frozen=True, eq=False):
    """One kept picture: u8 [h, w, 3], the packet that brought it, and what was done and earned until the next row.

    action: f32 [10], see ACTION_FIELDS; clicks are 0 … 1 with the origin top-left. done: the run ended within the row.
    """

    packet: int
    time_s: float
    state: GameState
    pixels: ByteArray
    action: FloatArray
    reward: float
    done: bool


class EpisodeEnd(msgspec.Struct, frozen=True):
    """The rows since the one before belong together."""

    reason: str


Made: TypeAlias = Row | EpisodeEnd


class Sink(Protocol):
    """What writes rows into files."""

    def add(self, row: Row) -> None:
        """Take the next row."""

    def end(self, reason: str) -> None:
        """The episode ends; called only after at least one row."""

    def close(self) -> None:
        """Everything was given: finish the files, and read them back; raises RecordingError where they differ."""


class _Deed(msgspec.Struct, frozen=True):
    """One action: axes f32 [4], buttons, a click 0 … 1 or None; of a human or of the policy."""

    axes: FloatArray
    buttons: tuple[bool, bool, bool]
    click: tuple[float, float] | None
    is_human: bool

    @property
    def is_active(self) -> bool:
        return bool(np.any(self.axes)) or any(self.buttons) or self.click is not None


class _Open:
    """A row that is being filled."""

    def __init__(self, packet: int, time_s: float, state: GameState, pixels: ByteArray) -> None:
        self.packet, self.time_s, self.state, self.pixels = packet, time_s, state, pixels
        self.reward, self.done = 0.0, False
        self.click: tuple[float, float] | None = None
        self._axes = {True: np.zeros(4), False: np.zeros(4)}
        self._count = {True: 0, False: 0}
        self._buttons = np.zeros(3, bool)
        self._is_human = False

    def add(self, deed: _Deed) -> None:
        self._axes[deed.is_human] += deed.axes
        self._count[deed.is_human] += 1
        self._buttons |= deed.buttons
        self._is_human |= deed.is_human and deed.is_active
        self.click = deed.click or self.click

    def row(self) -> Row:
        action = np.zeros(len(ACTION_FIELDS), np.float32)
        who = self._is_human or not self._count[False]
        if self._count[who]:
            action[:4] = self._axes[who] / self._count[who]
        action[4:7] = self._buttons
        if self.click is not None:
            action[UI_CLICK:] = (1.0, *self.click)
        return Row(self.packet, self.time_s, self.state, self.pixels, action, self.reward, self.done)


class GameTime:
    """Maps a game's clock to the session's; anchored where the connection begins, and again where the clock jumps."""

    def __init__(self) -> None:
        self._offset_s: float | None = None

    def restart(self) -> None:
        """Another connection: the game may have begun anew."""
        self._offset_s = None

    def of(self, state: GameState, received_at_s: float) -> float:
        """When a state, or its picture where the game says when it captured that, was taken; the arrival otherwise."""
        run = state.run
        if run is None or not run.capture_time_us:
            return received_at_s
        captured_s = run.capture_time_us * 1e-6
        if self._offset_s is None or abs(captured_s + self._offset_s - received_at_s) > MAX_JUMP_S:
            self._offset_s = received_at_s - captured_s
        return (run.frame_time_us or run.capture_time_us) * 1e-6 + self._offset_s


class RowMaker:
    """Turns the records of one game into rows; `refused` counts pictures that cannot be decoded, of all `packets`."""

    def __init__(self, game: int, cut: Cut) -> None:
        self.refused = self.packets = 0
        self._game, self._cut, self._time = game, cut, GameTime()
        self._open: _Open | None = None
        self._newest: tuple[PacketRecord, GameState, float] | None = None
        self._waiting: list[_Deed] = []
        self._count = 0
        self._size: tuple[int, ...] = ()
        self._now_s = self._last_s = 0.0
        self._is_playing: bool | None = None
        self._was_clicking = False
        self._capture: tuple[int, int] = (0, 0)

    def take(self, record: Record) -> list[Made]:
        """The rows that a record finishes; raises RecordingError for what is no packet of the wire."""
        if isinstance(record, GapRecord):
            return self._end("gap")
        if isinstance(record, PacketRecord) and record.game == self._game:
            return self._packet(record)
        if isinstance(record, DecisionRecord) and record.game == self._game and record.action:
            return self._decision(record)
        if isinstance(record, LinkRecord) and record.game == self._game:
            self._time.restart()
            self._was_clicking = False
            return self._end("link_down") if not record.is_up else []
        return []

    def finish(self) -> list[Made]:
        """The rest, at the end of the recording."""
        return self._end("end")

    def _packet(self, record: PacketRecord) -> list[Made]:
        try:
            state = decode_state(record.state, LIMITS)
        except ProtocolError as error:
            raise RecordingError(f"packet {record.number} is none of the wire's: {error}") from error
        self.packets += 1
        self._now_s = self._time.of(state, record.received_at_s)
        made: list[Made] = []
        run = state.run
        if run is not None:
            self._capture = run.capture_size_px
            if self._open is not None:
                self._open.reward += run.reward
                self._open.done |= run.run_ended
        if self._open is not None and self._open.done:
            made += self._end("run_ended")
        elif self._cut.split_on_not_playing and self._is_playing not in (None, state.is_playing):
            made += self._end("playing" if state.is_playing else "not_playing")
        self._is_playing = state.is_playing
        if record.frame:
            self._newest = (record, state, self._now_s)
            if self._open is None or self._now_s - self._open.time_s >= _NEARLY / self._cut.hz:
                made += self._begin(is_forced=False)
        human = state.human
        if human is not None:
            click = human.click if human.ui_click and not self._was_clicking else None
            self._was_clicking = human.ui_click
            axes = np.array((*human.move, *human.look), np.float32)
            made += self._do(_Deed(axes, (human.fire, human.ability, human.interact), click, True))
        return made

    def _decision(self, record: DecisionRecord) -> list[Made]:
        action = decode_action(record.action[4:])
        if action is None:
            return []
        click = None
        if action.click is not None:
            width, height = self._capture if all(self._capture) else self._size[1::-1] or (1, 1)
            click = ((action.click[0] + 0.5) / width, 1.0 - (action.click[1] + 0.5) / height)
        axes = np.array((*action.move, *action.look), np.float32)
        return self._do(_Deed(axes, (action.fire, action.ability, action.interact), click, False))

    def _do(self, deed: _Deed) -> list[Made]:
        """Add an action to the open row; to the next one where there is none, or where it has a click already."""
        made: list[Made] = []
        if self._open is not None and deed.click is not None and self._open.click is not None:
            made += self._begin(is_forced=True)
        if self._open is None:
            if deed.is_active:
                self._waiting.append(deed)
        else:
            self._open.add(deed)
        return made

    def _begin(self, *, is_forced: bool) -> list[Made]:
        """Begin a row with the newest picture, unless it is refused or equals the one before."""
        assert self._newest is not None
        record, state, time_s = self._newest
        before = self._open
        if before is not None and before.packet == record.number:
            pixels = before.pixels
        else:
            try:
                pixels = decode_frame(record.frame, state.run is not None and state.run.rows_top_down)
            except ImageError:
                self.refused += 1
                if before is None or not is_forced:
                    return []
                pixels = before.pixels
        is_same = before is not None and np.array_equal(before.pixels, pixels)
        if is_same and self._cut.dedupe_frames and not is_forced:
            return []
        made: list[Made] = []
        if before is not None:
            made += self._end("size") if pixels.shape != self._size else self._close()
        at_s = max(self._now_s if is_forced else time_s, self._last_s + 1e-6)
        self._open, self._size, self._last_s = _Open(record.number, at_s, state, pixels), pixels.shape, at_s
        waiting, self._waiting = self._waiting, []
        for deed in waiting:
            made += self._do(deed)
        return made

    def _close(self) -> list[Made]:
        """The open row as it is, and the episode's end where that is long enough."""
        if self._open is None:
            return []
        made: list[Made] = [self._open.row()]
        self._open = None
        self._count += 1
        if self._count >= self._cut.max_frames:
            self._count = 0
            made.append(EpisodeEnd("max_frames"))
        return made

    def _end(self, reason: str) -> list[Made]:
        made = self._close()
        if self._count:
            self._count = 0
            made.append(EpisodeEnd(reason))
        return made


class Counts(msgspec.Struct):
    """What went into the files."""

    packets: int = 0
    rows: int = 0
    clicks: int = 0
    episodes: int = 0
    refused: int = 0


def write_rows(
    path: Path, game: int, cut: Cut, sink: Sink, on_bytes: Callable[[int], Any] = lambda count: None
) -> Counts:
    """Give one game's rows of a recording to a sink; on_bytes hears how many bytes of records were read.

    Raises RecordingError at damage, and where what was written reads back as something else; OSError of the disk.
    """
    maker, counts = RowMaker(game, cut), Counts()

    def give(made: list[Made]) -> None:
        for item in made:
            if isinstance(item, Row):
                sink.add(item)
                counts.rows += 1
                counts.clicks += bool(item.action[UI_CLICK])
            else:
                sink.end(item.reason)
                counts.episodes += 1

    for item in records_of(path):
        give(maker.take(item.record))
        on_bytes(len(item.body))
    give(maker.finish())
    sink.close()
    counts.refused, counts.packets = maker.refused, maker.packets
    return counts
