"""Loops in recordings and in `.npz` episodes, clustered and counted as `stuck_states.json` has them."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.core.clock import SystemClock
from agent.core.errors import ImageError, ProtocolError, RecordingError
from agent.core.types import ByteArray
from agent.journal.export.rows import LIMITS, UI_CLICK, GameTime
from agent.journal.looks import Looks, is_acting
from agent.journal.loops import LOOK_HZ, MIN_REPEATS, MIN_S, Look, Loop, LoopFinder, Nodes
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, GapRecord, LinkRecord, PacketRecord
from agent.link.imaging import decode_frame
from agent.link.wire import decode_action, decode_state

MAX_EXAMPLES: Final = 20
_NEUTRAL_BODY: Final = bytes(20)
"""The first bytes of an action that does nothing: axes, buttons and no click."""


class Found(msgspec.Struct, frozen=True):
    """A loop, and where it is: the file, the row at which it begins, and how many rows the episode has."""

    loop: Loop
    file: str
    index: int
    episode_len: int


class Miner:
    """Collects the loops of many episodes; pictures that are alike are one node in all of them."""

    def __init__(self, *, min_repeats: int = MIN_REPEATS, min_s: float = MIN_S, window: int | None = None) -> None:
        """window: a loop must come round within so many looks; None: within any."""
        self.found: list[Found] = []
        self.looks = 0
        self.watched_s = 0.0
        self._min_repeats, self._min_s, self._window = min_repeats, min_s, window

    def finder(self) -> LoopFinder:
        """A finder for one episode."""
        return LoopFinder(min_repeats=self._min_repeats, min_s=self._min_s)

    def add_episode(self, file: str, looks: list[tuple[int, Look]], length: int) -> None:
        """Find the loops of one episode; looks with the index of their row."""
        finder, began = self.finder(), {look.time_s: index for index, look in looks}
        loops = [finder.add(look) for _, look in looks] + [finder.end()]
        self.looks += len(looks)
        self.watched_s += looks[-1][1].time_s - looks[0][1].time_s if looks else 0.0
        for loop in loops:
            if loop is not None and self._is_within(loop, len(looks), looks):
                self.found.append(Found(loop, file, began[loop.began_s], length))

    def _is_within(self, loop: Loop, count: int, looks: list[tuple[int, Look]]) -> bool:
        if self._window is None or len(loop.nodes) == 1:
            return True
        inside = sum(loop.began_s <= look.time_s <= loop.ended_s for _, look in looks)
        return inside / loop.repeats * self._min_repeats <= self._window

    def report(self) -> dict[str, Any]:
        """The loops by cluster, the costliest first: those that share most of their nodes are one."""
        clusters: list[list[Found]] = []
        for item in sorted(self.found, key=lambda found: -found.loop.lost_s):
            nodes = set(item.loop.nodes)
            for cluster in clusters:
                other = set(cluster[0].loop.nodes)
                if 2 * len(nodes & other) > len(nodes | other):
                    cluster.append(item)
                    break
            else:
                clusters.append([item])
        now = datetime.datetime.fromtimestamp(SystemClock().wall_utc_ns() * 1e-9, datetime.UTC)
        lost_s = sum(item.loop.lost_s for item in self.found)
        return {
            "timestamp": now.isoformat(timespec="seconds"),
            "total_clusters": len(clusters),
            "watched_s": round(self.watched_s, 3),
            "lost_s": round(lost_s, 3),
            "clusters": [_cluster(items) for items in sorted(clusters, key=_lost_s, reverse=True)],
        }


def _lost_s(items: list[Found]) -> float:
    return sum(item.loop.lost_s for item in items)


def _cluster(items: list[Found]) -> dict[str, Any]:
    first = items[0].loop
    menu, level, cell, _ = first.node
    return {
        "hash": first.hash,
        "count": len(items),
        "lost_s": round(_lost_s(items), 3),
        "nodes": len(first.nodes),
        "menu": menu,
        "level": level,
        "cell": cell,
        "examples": [
            {
                "file": item.file, "index": item.index, "episode_len": item.episode_len,
                "began_s": round(item.loop.began_s, 3), "lost_s": round(item.loop.lost_s, 3),
                "repeats": item.loop.repeats,
            }
            for item in items[:MAX_EXAMPLES]
        ],
    }  # fmt: skip


def mine_recording(path: Path, miner: Miner, on_bytes: Callable[[int], Any] = lambda count: None) -> None:
    """Find the loops of every game of a recording; raises RecordingError at damage."""
    streams: dict[int, _Stream] = {}
    for item in records_of(path):
        record = item.record
        game = getattr(record, "game", None)
        if game is not None and game not in streams:
            streams[game] = _Stream(miner, f"{path}#{game}")
        if isinstance(record, PacketRecord):
            streams[record.game].packet(record)
        elif isinstance(record, DecisionRecord):
            streams[record.game].decision(record)
        elif isinstance(record, LinkRecord) and not record.is_up:
            streams[record.game].end()
        elif isinstance(record, GapRecord):
            for stream in streams.values():
                stream.end()
        on_bytes(len(item.body))
    for stream in streams.values():
        stream.end()


class _Stream:
    """One game of a recording."""

    def __init__(self, miner: Miner, name: str) -> None:
        self._miner, self._name = miner, name
        self._looking, self._time = Looks(), GameTime()
        self._looks: list[tuple[int, Look]] = []
        self._frame: tuple[bytes, bool] | None = None
        self._pixels: ByteArray | None = None
        self._pictured_s: float | None = None

    def packet(self, record: PacketRecord) -> None:
        try:
            state = decode_state(record.state, LIMITS)
        except ProtocolError as error:
            raise RecordingError(f"packet {record.number} is none of the wire's: {error}") from error
        self._looking.note(state, record.received_at_s)
        if record.frame:
            self._pictured_s = record.received_at_s
            self._frame, self._pixels = (record.frame, state.run is not None and state.run.rows_top_down), None
        time_s = self._time.of(state, record.received_at_s)
        if self._looking.is_due(time_s):
            self._looks.append((record.number, self._looking.look(time_s, state, self._decoded, self._pictured_s)))
        if state.run is not None and state.run.run_ended:
            self.end()

    def decision(self, record: DecisionRecord) -> None:
        if not self._looking.has_acted and record.action and record.action[4:24] != _NEUTRAL_BODY:
            action = decode_action(record.action[4:])
            self._looking.add(acted=action is not None and is_acting(action))

    def _decoded(self) -> ByteArray | None:
        if self._pixels is None and self._frame is not None:
            try:
                self._pixels = decode_frame(*self._frame)
            except ImageError:
                self._frame = None
        return self._pixels

    def end(self) -> None:
        """The episode ends."""
        self._miner.add_episode(self._name, self._looks, self._looks[-1][0] if self._looks else 0)
        self._looks = []
        self._looking.restart()
        self._time.restart()


def mine_npz(path: Path, miner: Miner, nodes: Nodes) -> None:
    """Find the loops of one episode of `.npz`; positions, levels and menus are used where the file has them.

    Raises RecordingError where it is no such file.
    """
    try:
        with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as arrays:
            names = set(arrays.files)
            with archive.open("observations.npy") as stream:
                np.lib.format.read_magic(stream)
                shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
                if len(shape) != 4 or dtype != np.uint8:
                    raise ValueError(f"observations are {dtype} {shape}")
                rest = {name: arrays[name] for name in names - {"observations", "meta"}}
                if any(len(values) != shape[0] for values in rest.values()):
                    raise ValueError("its arrays have different lengths")
                looks = list(_npz_looks(stream, shape, rest, nodes))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RecordingError(f"{path}: not an episode as `record` writes it: {error}") from error
    miner.add_episode(str(path), looks, shape[0])


def _npz_looks(stream: Any, shape: tuple[int, ...], arrays: dict[str, Any], nodes: Nodes) -> Iterator[tuple[int, Look]]:
    """Looks at the rows of an episode, about LOOK_HZ a second; pictures are read one after the other."""
    count, size = shape[0], int(np.prod(shape[1:]))
    times = arrays.get("times", np.arange(count) / 10.0)
    actions, rewards = arrays["actions"], arrays.get("rewards", np.zeros(count))
    levels, menus = arrays.get("levels", np.zeros(count, int)), arrays.get("menus", np.full(count, ""))
    positions = arrays.get("positions", np.zeros((count, 3)))
    acts = np.any(np.abs(actions[:, :4]) > 1e-3, axis=1) | np.any(actions[:, 4 : UI_CLICK + 1] > 0.5, axis=1)
    gains = (rewards > 0.0) | (np.diff(levels, prepend=levels[:1]) > 0)
    began, read, next_s = 0, 0, -np.inf
    for row in range(count):
        if times[row] < next_s:
            continue
        next_s = times[row] + 0.9 / LOOK_HZ
        menu, position = str(menus[row]), tuple(map(float, positions[row]))
        pixels = None
        if nodes.needs_picture(menu, position):  # type: ignore[arg-type]
            for _ in range(row - read):
                stream.read(size)
            pixels = np.frombuffer(stream.read(size), np.uint8).reshape(shape[1:])
            read = row + 1
        node = nodes.of(menu, int(levels[row]), position, pixels, plays=True)  # type: ignore[arg-type]
        since = slice(began, row + 1)
        yield row, Look(float(times[row]), node, bool(gains[since].any()), bool(acts[since].any()))
        began = row + 1
