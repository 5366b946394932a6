"""Reads `.npz` episodes, videos and journals, a picture at a time; what cannot be used raises RecordingError.

`.npz`: observations u8 [T, H, W, 3]; actions f32 [T, 10] of this program's recordings, int [T] (one of several), or
f32 [T, n] with the controls in meta.action_space, a list of {"name", "kind", "choices", "of"} (see `layout.Control`);
optional rewards f32 [T], dones bool [T], menus str [T], known bool [T, n] (where an action is known), times f64 [T];
meta, a JSON string, with hz and policy. Row t has picture t and what was done from it until the next. A file without
actions counts as a video.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import numpy as np

from agent.core.errors import RecordingError
from agent.core.types import ByteArray, FloatArray
from agent.journal.export.mp4 import av_module
from agent.journal.export.rows import ACTION_FIELDS, Cut, Row, write_rows
from agent.journal.read import header_of_recording
from agent.learning.pixels.layout import STANDARD, ActionLayout, layout_of, one_choice
from agent.learning.pixels.prepared import Preparing

VIDEOS: Final = (".mp4", ".mkv", ".webm", ".avi", ".mov")
MAX_SIDE_PX: Final = 4096
MAX_META_CHARACTERS: Final = 1 << 20
_HEADER_BYTES: Final = 4096
_UNREADABLE: Final = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError, MemoryError)


def read_npz(path: Path, into: Preparing, hz: float) -> None:
    """One file of one episode; hz: where it says nothing of time."""
    try:
        with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as arrays:
            count = _pictures(path, archive, into)
            meta = _meta(path, arrays)
            actions, layout = _actions(path, arrays, meta, count)
            rows = {name: _column(path, arrays, name, count) for name in ("rewards", "dones", "menus", "known")}
            dt_s = _dt_s(arrays, meta, hz)
    except _UNREADABLE as error:
        raise RecordingError(f"{path}: no episode that can be read: {error or type(error).__name__}") from error
    known = rows["known"]
    if known is not None and (actions is None or known.shape != actions.shape or known.dtype != np.bool_):
        raise RecordingError(f"{path}: known is {known.dtype} {list(known.shape)}; as many as actions, true or false")
    player = str(meta.get("policy") or meta.get("player") or "")
    into.end(path.stem, dt_s, layout, player, actions=actions, **rows)


def _pictures(path: Path, archive: zipfile.ZipFile, into: Preparing) -> int:
    if "observations.npy" not in archive.namelist():
        raise RecordingError(f"{path}: has no observations; it has {', '.join(archive.namelist()[:8]) or 'nothing'}")
    with archive.open("observations.npy") as stream:
        shape, is_fortran, dtype = _header(stream)
        if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8 or is_fortran:
            raise RecordingError(f"{path}: observations are {dtype} {list(shape)}; u8 [T, H, W, 3] is needed")
        count, height, width, _ = shape
        if count < 2 or not (0 < height <= MAX_SIDE_PX and 0 < width <= MAX_SIDE_PX):
            raise RecordingError(f"{path}: {count} pictures of {width} x {height}; at least 2 of 1 to {MAX_SIDE_PX}")
        for _ in range(count):
            data = stream.read(height * width * 3)
            if len(data) < height * width * 3:
                raise RecordingError(f"{path}: observations end before the {count} pictures that they say")
            into.add(np.frombuffer(data, np.uint8).reshape(height, width, 3))
        if stream.read(1):
            raise RecordingError(f"{path}: observations go on after the {count} pictures that they say")
    return int(count)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, Any]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    header: tuple[tuple[int, ...], bool, Any] = read(stream, max_header_size=_HEADER_BYTES)
    return header


def _meta(path: Path, arrays: Any) -> dict[str, Any]:
    if "meta" not in arrays.files:
        return {}
    text = str(arrays["meta"].item())
    try:
        meta = msgspec.json.decode(text[:MAX_META_CHARACTERS])
    except (msgspec.DecodeError, RecursionError) as error:
        raise RecordingError(f"{path}: meta is no JSON: {error}") from error
    return meta if isinstance(meta, dict) else {}


def _actions(
    path: Path, arrays: Any, meta: dict[str, Any], count: int
) -> tuple[FloatArray | None, ActionLayout | None]:
    """Actions f32 [T, controls] and their layout; raises RecordingError."""
    if "actions" not in arrays.files:
        return None, None
    actions = _column(path, arrays, "actions", count)
    declared = meta.get("action_space")
    if actions.dtype.kind not in "fiub" or actions.ndim not in (1, 2):
        raise RecordingError(f"{path}: actions are {actions.dtype} {list(actions.shape)}; numbers [T] or [T, n]")
    is_index = actions.ndim == 1
    numbers = np.asarray(actions, np.float32).reshape(count, -1)
    if not np.isfinite(numbers).all():
        raise RecordingError(f"{path}: actions are not all finite")
    if declared is not None:
        layout = layout_of(declared, str(path))
    elif is_index and actions.dtype.kind in "iu":
        layout = one_choice(max(2, int(actions.max()) + 1))
    elif (
        numbers.shape[1] == len(STANDARD.controls) and tuple(meta.get("action_format", ACTION_FIELDS)) == ACTION_FIELDS
    ):
        layout = STANDARD
    else:
        raise RecordingError(
            f"{path}: actions are [T, {numbers.shape[1]}] and not this program's ten; meta.action_space must say what "
            'they are, such as [{"name": "jump", "kind": "key"}]'
        )
    if numbers.shape[1] != len(layout.controls):
        raise RecordingError(
            f"{path}: actions have {numbers.shape[1]} columns, meta.action_space {len(layout.controls)}"
        )
    _check_range(path, numbers, layout)
    return numbers, layout


def _check_range(path: Path, numbers: FloatArray, layout: ActionLayout) -> None:
    for column, control in zip(numbers.T, layout.controls, strict=True):
        low, high = {"axis": (-1.0, 1.0), "choice": (0.0, control.choices - 1.0)}.get(control.kind, (0.0, 1.0))
        if column.min() < low - 1e-3 or column.max() > high + 1e-3:
            found = f"{column.min():g} to {column.max():g}"
            raise RecordingError(f"{path}: {control.name} goes from {found}; {control.kind}: {low:g} to {high:g}")


def _column(path: Path, arrays: Any, name: str, count: int) -> Any:
    if name not in arrays.files:
        return None
    array = arrays[name]
    if array.ndim < 1 or len(array) != count:
        raise RecordingError(f"{path}: {name} has {list(array.shape)} rows for {count} pictures")
    return array


def _dt_s(arrays: Any, meta: dict[str, Any], hz: float) -> float:
    """Seconds between two pictures, of the times, else of meta.hz, else as asked."""
    if "times" in arrays.files:
        times = np.asarray(arrays["times"], np.float64).reshape(-1)
        step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        if 0 < step_s < 60:
            return step_s
    told = meta.get("hz")
    return 1.0 / float(told) if isinstance(told, int | float) and told > 0 else 1.0 / hz


def read_video(path: Path, into: Preparing, hz: float) -> None:
    """One video as one episode without actions, at most `hz` pictures a second."""
    av = av_module()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise RecordingError(f"{path}: has no pictures")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            next_s = first_s = last_s = -1.0
            for frame in container.decode(stream):
                now_s = float(frame.time or 0.0)
                if next_s < 0:
                    next_s = first_s = now_s
                if now_s < next_s - 1e-4:
                    continue
                next_s = max(next_s + 1.0 / hz, now_s)
                last_s = now_s
                into.add(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise RecordingError(f"{path}: no video that can be read: {error}") from error
    if into.pictures < 2:
        raise RecordingError(f"{path}: {into.pictures} pictures; at least 2 are needed")
    into.end(path.stem, (last_s - first_s) / (into.pictures - 1) or 1.0 / hz, None, "")


class _Collecting:
    """Rows of a journal into episodes: a run each, menus included."""

    def __init__(self, into: Preparing, name: str, player: str) -> None:
        self._into, self._name, self._player = into, name, player
        self._rows: list[Row] = []
        self._episode = 0

    def add(self, row: Row) -> None:
        nothing: ByteArray = np.zeros((0, 0, 3), np.uint8)
        self._into.add(row.pixels)
        self._rows.append(msgspec.structs.replace(row, pixels=nothing))

    def end(self, reason: str) -> None:
        rows, self._rows = self._rows, []
        times = np.array([row.time_s for row in rows])
        self._into.end(
            f"{self._name}-{self._episode}", float(np.median(np.diff(times))) if len(rows) > 1 else 0.1, STANDARD,
            self._player, actions=np.stack([row.action for row in rows]),
            rewards=np.array([row.reward for row in rows], np.float32),
            dones=np.array([row.done for row in rows], np.bool_),
            menus=np.array([row.state.current_menu for row in rows], np.str_),
        )  # fmt: skip
        self._episode += 1

    def close(self) -> None:
        """Nothing is left."""


def read_journal(folder: Path, into: Preparing, hz: float) -> None:
    """All games of a recording of this program."""
    header = header_of_recording(folder)
    cut = Cut(hz=hz, split_on_not_playing=False)
    for game in range(len(header.games)):
        write_rows(folder, game, cut, _Collecting(into, f"{folder.name}-game{game}", header.policy))
