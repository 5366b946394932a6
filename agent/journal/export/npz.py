"""Episodes as `.npz` files that `np.load(…, allow_pickle=False)` reads.

observations u8 [T, H, W, 3]; actions f32 [T, 10], see ACTION_FIELDS; rewards f32 [T]; dones bool [T]; times f64 [T],
seconds since the episode's first row; positions f32 [T, 3]; levels i32 [T]; menus str [T]; meta, a JSON string.
Pictures wait on the disk, not in memory, until their episode ends. A file has its name only after it was read back.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import zipfile
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import numpy as np

from agent.core.errors import RecordingError
from agent.core.files import sync_file, sync_folder, temporary_beside
from agent.core.types import ByteArray
from agent.journal.export.rows import ACTION_FIELDS, UI_CLICK, Row

BLOCK_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = 4096


class _Spool:
    """An episode that is being collected: pictures in a temporary file, the rest in memory."""

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self.path = temporary_beside(folder / "pictures")
        self.file: IO[bytes] = self.path.open("w+b")
        self.shape = shape
        self.rows: list[Row] = []
        self.digest = hashlib.sha256()

    def add(self, row: Row) -> None:
        """Keep a row; of its picture only the bytes, on the disk."""
        data = np.ascontiguousarray(row.pixels).data
        self.file.write(data)
        self.digest.update(data)
        nothing: ByteArray = np.zeros((0, 0, 3), np.uint8)
        self.rows.append(msgspec.structs.replace(row, pixels=nothing))

    def close(self) -> None:
        """Delete the temporary file."""
        self.file.close()
        self.path.unlink(missing_ok=True)


class NpzEpisodes:
    """Writes each episode into `FOLDER/PREFIX-NNNNN.npz`, after the numbers that are there already.

    An episode of fewer than `min_frames` rows is left out and counted in `short`. meta goes into every file. The first
    `skip` episodes are there already.
    """

    def __init__(
        self, folder: Path, prefix: str, meta: dict[str, Any], *, compress: bool = True, min_frames: int = 1,
        skip: int = 0,
    ) -> None:  # fmt: skip
        self.files: list[Path] = []
        self.short = 0
        self._folder, self._prefix, self._meta = folder, prefix, meta
        self._compress, self._min_frames, self._skip = compress, min_frames, skip
        folder.mkdir(parents=True, exist_ok=True)
        taken = [path.stem.removeprefix(f"{prefix}-") for path in folder.glob(f"{prefix}-*.npz")]
        self._next = max((int(number) for number in taken if number.isdecimal()), default=-1) + 1
        self._spool: _Spool | None = None

    def add(self, row: Row) -> None:
        """Take the next row."""
        if self._spool is None:
            self._spool = _Spool(self._folder, row.pixels.shape)
        self._spool.add(row)

    def end(self, reason: str) -> None:
        """Write the episode; raises RecordingError where it reads back as something else."""
        spool, self._spool = self._spool, None
        if spool is None:
            return
        with contextlib.closing(spool):
            if len(spool.rows) < self._min_frames:
                self.short += 1
                return
            if self._skip:
                self._skip -= 1
                return
            path = self._folder / f"{self._prefix}-{self._next:05d}.npz"
            beside = temporary_beside(path)
            try:
                with beside.open("xb") as file:
                    self._write(file, spool, reason)
                    sync_file(file)
                check_npz(beside, len(spool.rows), spool.digest.hexdigest(), _clicks(spool.rows))
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
            sync_folder(self._folder)
            self._next += 1
            self.files.append(path)

    def close(self) -> None:
        """Nothing is left to write; what belongs to no ended episode is let go."""
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()

    def _write(self, file: IO[bytes], spool: _Spool, reason: str) -> None:
        rows = spool.rows
        times = np.array([row.time_s for row in rows], np.float64)
        meta = {
            **self._meta, "action_format": list(ACTION_FIELDS), "action_dim": len(ACTION_FIELDS), "reason": reason,
            "episode_idx": self._next, "began_s": float(times[0]), "format": "metabonk-npz/1",
        }  # fmt: skip
        method = zipfile.ZIP_DEFLATED if self._compress else zipfile.ZIP_STORED
        with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
            with archive.open("observations.npy", "w", force_zip64=True) as stream:
                shape = (len(rows), *spool.shape)
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(stream, header)
                spool.file.seek(0)
                while block := spool.file.read(BLOCK_BYTES):
                    stream.write(block)
            arrays = {
                "actions": np.stack([row.action for row in rows]),
                "rewards": np.array([row.reward for row in rows], np.float32),
                "dones": np.array([row.done for row in rows], np.bool_),
                "times": times - times[0],
                "positions": np.array([row.state.position for row in rows], np.float32),
                "levels": np.array([row.state.run.level if row.state.run else 0 for row in rows], np.int32),
                "menus": np.array([row.state.current_menu for row in rows], np.str_),
                "meta": np.array(msgspec.json.encode(meta).decode()),
            }
            for name, array in arrays.items():
                body = io.BytesIO()
                np.lib.format.write_array(body, array, allow_pickle=False)
                archive.writestr(f"{name}.npy", body.getvalue())


def session_of(path: Path) -> str:
    """The session that an episode was made from; empty where the file does not say."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            meta = msgspec.json.decode(arrays["meta"].item())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return ""
    return str(meta.get("session", "")) if isinstance(meta, dict) else ""


def _clicks(rows: list[Row]) -> int:
    return sum(bool(row.action[UI_CLICK]) for row in rows)


def check_npz(path: Path, rows: int, digest: str, clicks: int) -> None:
    """Read an episode back, a block at a time; raises RecordingError where it is another than what was written."""
    found = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
        with archive.open("observations.npy") as stream:
            np.lib.format.read_magic(stream)
            shape, _, _ = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER_BYTES)
            while block := stream.read(BLOCK_BYTES):
                found.update(block)
    with np.load(path, allow_pickle=False) as arrays:
        lengths = {name: len(arrays[name]) for name in arrays.files if name not in ("observations", "meta")}
        read_clicks = int(arrays["actions"][:, UI_CLICK].sum())
    if (
        bad
        or shape[0] != rows
        or found.hexdigest() != digest
        or set(lengths.values()) != {rows}
        or read_clicks != clicks
    ):
        raise RecordingError(
            f"{path}: reads back {shape[0]} of {rows} rows, {read_clicks} of {clicks} clicks, {lengths}"
            f"{'' if found.hexdigest() == digest else ', other pictures'}"
        )
