"""A recording as a LeRobot dataset, version 3.0: parquet for numbers, MP4 for pictures, one file of each an episode.

LeRobot knows one rate: rows are put on a grid of 1/fps from the episode's first one. Rows of one instant are joined; a
second click goes to the next instant.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.core.errors import RecordingError, SettingsError
from agent.core.files import write_atomically
from agent.journal.export.mp4 import VideoFile, av_module, frame_times_us
from agent.journal.export.packages import needed
from agent.journal.export.rows import ACTION_FIELDS, UI_CLICK, Row
from agent.link.imaging import resize

VERSION: Final = "v3.0"
VIDEO: Final = "observation.images.game"
STATE_FIELDS: Final = ("x", "y", "z", "health", "max_health", "game_time_s", "level", "is_playing")
CHUNK: Final = 1000
"""Files of a folder, at most."""
_FILE: Final = "chunk-{chunk_index:03d}/file-{file_index:03d}"


class Grid:
    """Puts the rows of one episode on a grid of 1/hz: each at its nearest instant, with its picture and its action."""

    def __init__(self, hz: int) -> None:
        self._period_s = 1.0 / hz
        self._rows: list[Row] = []
        self._late: list[Row] = []
        self._before: Row | None = None
        self._first_s = 0.0
        self._step = 0

    def add(self, row: Row) -> list[Row]:
        """The instants before a row, which are now complete."""
        if self._before is None and not self._rows:
            self._first_s, self._step = row.time_s, 0
        done = []
        while self._step < int((row.time_s - self._first_s) / self._period_s + 0.5):
            done.append(self._instant())
        self._rows.append(row)
        return done

    def end(self) -> list[Row]:
        """The last instants; more than one where a click was put off."""
        done = [self._instant()] if self._rows else []
        while self._late:
            done.append(self._instant())
        self._before = None
        return done

    def _instant(self) -> Row:
        """Join what belongs to one instant; where nothing does, picture, axes and buttons are those before."""
        rows, self._rows = self._rows, []
        clicks = [row for row in [*self._late, *rows] if row.action[UI_CLICK]]
        if not rows:
            assert self._before is not None
            rows = [msgspec.structs.replace(self._before, reward=0.0, done=False)]
        actions = np.stack([row.action for row in rows])
        action = actions.mean(0, dtype=np.float32)
        action[4:7] = actions[:, 4:7].max(0)
        action[UI_CLICK:] = clicks[0].action[UI_CLICK:] if clicks else 0.0
        self._late = clicks[1:]
        joined = msgspec.structs.replace(
            rows[0], time_s=self._first_s + self._step * self._period_s, action=action,
            reward=sum(row.reward for row in rows), done=any(row.done for row in rows),
        )  # fmt: skip
        silent = action.copy()
        silent[UI_CLICK:] = 0.0
        self._before = msgspec.structs.replace(rows[-1], action=silent)
        self._step += 1
        return joined


class _Moments:
    """Running statistics of a feature's numbers, one row a frame."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: list[Any] = []

    def add(self, values: Any) -> None:
        """Add one frame's numbers, [n] or [samples, n]."""
        rows = np.atleast_2d(np.asarray(values, np.float64))
        parts = [rows.min(0), rows.max(0), rows.sum(0), (rows**2).sum(0)]
        if self._sums:
            ways = (np.minimum, np.maximum, np.add, np.add)
            parts = [way(old, new) for way, old, new in zip(ways, self._sums, parts, strict=True)]
        self._sums, self.count = parts, self.count + len(rows)

    def as_json(self, frames: int, *, is_picture: bool = False) -> dict[str, Any]:
        """As LeRobot keeps them: a picture's by channel, [3, 1, 1]."""
        low, high, total, squares = self._sums
        mean = total / self.count
        std = np.sqrt(np.maximum(0.0, squares / self.count - mean**2))
        found = {"min": low, "max": high, "mean": mean, "std": std}
        shape = (-1, 1, 1) if is_picture else (-1,)
        return {**{name: values.reshape(shape).tolist() for name, values in found.items()}, "count": [frames]}


class LeRobotDataset:
    """Writes a dataset into a folder that is new."""

    def __init__(self, folder: Path, *, fps: float, task: str) -> None:
        if fps != int(fps):
            raise SettingsError(f"--hz {fps:g}: LeRobot takes whole pictures per second")
        self.files: list[Path] = []
        self._pa, self._parquet = needed("pyarrow", "LeRobot", "export"), needed("pyarrow.parquet", "LeRobot", "export")
        av_module()
        self._folder, self._fps, self._task = folder, int(fps), task
        self._grid = Grid(int(fps))
        self._video: VideoFile | None = None
        self._columns: dict[str, list[Any]] = {}
        self._moments: dict[str, _Moments] = {}
        self._episodes: list[dict[str, Any]] = []
        self._frames = 0
        self._shape: tuple[int, ...] = ()
        folder.mkdir(parents=True)

    def add(self, row: Row) -> None:
        """Take the next row."""
        for instant in self._grid.add(row):
            self._frame(instant)

    def end(self, reason: str) -> None:
        """Write the episode's files."""
        for instant in self._grid.end():
            self._frame(instant)
        assert self._video is not None
        self._video.close()
        episode, length = len(self._episodes), len(self._columns["index"])
        path = self._path("data/" + _FILE + ".parquet", episode)
        self._parquet.write_table(self._table(), path)
        place = {"chunk_index": episode // CHUNK, "file_index": episode % CHUNK}
        self._episodes.append(
            {
                "episode_index": episode, "tasks": [self._task], "length": length, "end_reason": reason,
                "dataset_from_index": self._frames - length, "dataset_to_index": self._frames,
                **{f"data/{name}": value for name, value in place.items()},
                **{f"videos/{VIDEO}/{name}": value for name, value in place.items()},
                f"videos/{VIDEO}/from_timestamp": 0.0, f"videos/{VIDEO}/to_timestamp": length / self._fps,
                "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0,
            }
        )  # fmt: skip
        self.files += [path, self._video.path]
        self._video, self._columns = None, {}

    def close(self) -> None:
        """Write what describes the episodes, and read everything back; raises RecordingError where it differs."""
        if not self._episodes:
            raise RecordingError(f"{self._folder}: no picture to make a dataset of")
        episodes = self._path("meta/episodes/" + _FILE + ".parquet", 0)
        self._parquet.write_table(self._pa.Table.from_pylist(self._episodes), episodes)
        tasks = self._pa.table({"task_index": self._pa.array([0], self._pa.int64()), "task": [self._task]})
        tasks = tasks.replace_schema_metadata({b"pandas": json.dumps(_TASKS_INDEX).encode()})
        self._parquet.write_table(tasks, self._folder / "meta" / "tasks.parquet")
        stats = {name: m.as_json(self._frames, is_picture=name == VIDEO) for name, m in self._moments.items()}
        write_atomically(self._folder / "meta" / "stats.json", json.dumps(stats, indent=4))
        write_atomically(self._folder / "meta" / "info.json", json.dumps(self._info(), indent=4))
        self._check()

    def _frame(self, row: Row) -> None:
        if self._video is None:
            episode = len(self._episodes)
            self._video = VideoFile(self._path(f"videos/{VIDEO}/" + _FILE + ".mp4", episode))
            self._shape = self._shape or row.pixels.shape
        number = len(self._video.times_us)
        height, width = self._shape[:2]
        self._video.add(resize(row.pixels, width, height), round(number * 1e6 / self._fps))
        level = row.state.run.level if row.state.run is not None else 0
        numbers: dict[str, Any] = {
            "observation.state": np.array(
                [*row.state.position, row.state.health, row.state.max_health, row.state.game_time_s, level,
                 row.state.is_playing], np.float32,
            ),
            "action": row.action, "next.reward": np.float32(row.reward), "next.done": bool(row.done),
            "timestamp": np.float32(number / self._fps), "frame_index": number, "episode_index": len(self._episodes),
            "index": self._frames, "task_index": 0,
        }  # fmt: skip
        for name, value in numbers.items():
            self._columns.setdefault(name, []).append(value)
            self._moments.setdefault(name, _Moments()).add(np.atleast_1d(value))
        sample = row.pixels[::8, ::8].reshape(-1, 3) / 255.0
        self._moments.setdefault(VIDEO, _Moments()).add(sample)
        self._frames += 1

    def _table(self) -> Any:
        pa = self._pa
        lists = {"observation.state": len(STATE_FIELDS), "action": len(ACTION_FIELDS)}
        arrays = {}
        for name, values in self._columns.items():
            if name in lists:
                flat = pa.array(np.concatenate(values), pa.float32())
                arrays[name] = pa.FixedSizeListArray.from_arrays(flat, lists[name])
            else:
                kind = {"next.reward": pa.float32(), "next.done": pa.bool_(), "timestamp": pa.float32()}
                arrays[name] = pa.array(values, kind.get(name, pa.int64()))
        return pa.table(arrays)

    def _path(self, pattern: str, number: int) -> Path:
        path = self._folder / pattern.format(chunk_index=number // CHUNK, file_index=number % CHUNK)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _info(self) -> dict[str, Any]:
        height, width = self._shape[:2]
        height, width = height + height % 2, width + width % 2
        whole = {"dtype": "int64", "shape": [1], "names": None}
        return {
            "codebase_version": VERSION, "robot_type": "metabonk", "fps": self._fps,
            "total_episodes": len(self._episodes), "total_frames": self._frames, "total_tasks": 1,
            "chunks_size": CHUNK, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200,
            "splits": {"train": f"0:{len(self._episodes)}"}, "data_path": "data/" + _FILE + ".parquet",
            "video_path": "videos/{video_key}/" + _FILE + ".mp4",
            "features": {
                VIDEO: {
                    "dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"],
                    "info": {
                        "video.height": height, "video.width": width, "video.codec": "h264",
                        "video.pix_fmt": "yuv420p", "video.is_depth_map": False, "video.fps": self._fps,
                        "video.channels": 3, "has_audio": False,
                    },
                },
                "observation.state": {"dtype": "float32", "shape": [len(STATE_FIELDS)], "names": list(STATE_FIELDS)},
                "action": {"dtype": "float32", "shape": [len(ACTION_FIELDS)], "names": list(ACTION_FIELDS)},
                "next.reward": {"dtype": "float32", "shape": [1], "names": None},
                "next.done": {"dtype": "bool", "shape": [1], "names": None},
                "timestamp": {"dtype": "float32", "shape": [1], "names": None},
                "frame_index": whole, "episode_index": whole, "index": whole, "task_index": whole,
            },
        }  # fmt: skip

    def _check(self) -> None:
        """Raise RecordingError unless each episode has as many rows as pictures, at the times that the rows say."""
        total = 0
        for episode in self._episodes:
            number, length = episode["episode_index"], episode["length"]
            table = self._parquet.read_table(self._path("data/" + _FILE + ".parquet", number))
            times_us = frame_times_us(self._path(f"videos/{VIDEO}/" + _FILE + ".mp4", number))
            expected_us = [round(second * 1e6) for second in table.column("timestamp").to_pylist()]
            off_us = max((abs(a - b) for a, b in zip(times_us, expected_us, strict=False)), default=0)
            if not len(table) == len(times_us) == length or off_us > 100:
                raise RecordingError(
                    f"{self._folder}: episode {number} reads back {len(table)} rows and {len(times_us)} pictures of "
                    f"{length}, {off_us} µs apart"
                )
            total += len(table)
        if total != self._frames:
            raise RecordingError(f"{self._folder}: reads back {total} of {self._frames} rows")


_TASKS_INDEX: Final[dict[str, Any]] = {
    "index_columns": ["task"],
    "column_indexes": [
        {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    ],
    "columns": [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64",
         "metadata": None},
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
    ],
    "creator": {"library": "metabonk-apex"},
    "pandas_version": "2.0.0",
}  # fmt: skip
"""What pandas needs to take the task's text as the index."""
