"""Pictures as H.264 in an MP4 file with the exact time of each, to the microsecond.

While it is written the file consists of fragments of a second, so that it plays wherever a kill cuts it off. At the end
it becomes a plain file with its index in front, is read back, and takes its name.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from agent.core.errors import RecordingError, SettingsError
from agent.core.files import sync_folder
from agent.core.types import ByteArray
from agent.journal.export.packages import needed
from agent.journal.export.rows import Row
from agent.link.imaging import resize

TIME_BASE: Final = Fraction(1, 1_000_000)
FRAGMENT_S: Final = 1.0
_FRAGMENTS: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
_CODEC: Final = {"preset": "veryfast", "crf": "20", "tune": "zerolatency"}


def av_module() -> Any:
    """PyAV; raises SettingsError where it is not installed."""
    return needed("av", "MP4", "export")


class VideoFile:
    """One video. `close` makes it whole; until then `part` plays as far as it was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f"{path.stem}.part{path.suffix}")
        self.times_us: list[int] = []
        self._av = av_module()
        self._container: Any = None
        self._stream: Any = None
        self._key_us = 0
        self._size: tuple[int, int] = (0, 0)

    def add(self, pixels: ByteArray, time_us: int) -> None:
        """Add a picture u8 [h, w, 3]; times must grow. A later picture of another size is resized to the first's."""
        if self._container is None:
            self._begin(pixels)
        width, height = self._size
        fitted = resize(pixels, width, height) if pixels.shape[:2] != (height, width) else pixels
        odd = ((0, height % 2), (0, width % 2), (0, 0))
        frame = self._av.VideoFrame.from_ndarray(np.pad(fitted, odd, mode="edge"), format="rgb24")
        frame.pts, frame.time_base = time_us, TIME_BASE
        if not self.times_us or time_us - self._key_us >= FRAGMENT_S * 1e6:
            frame.pict_type, self._key_us = self._av.video.frame.PictureType.I, time_us
        self.times_us.append(time_us)
        self._container.mux(self._stream.encode(frame))

    def _begin(self, pixels: ByteArray) -> None:
        height, width = pixels.shape[:2]
        self._size = (width, height)
        self._container = self._av.open(str(self.part), "w", format="mp4", options=_FRAGMENTS)
        self._stream = self._container.add_stream("libx264", options=_CODEC)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base, context.gop_size, context.max_b_frames = TIME_BASE, 1 << 16, 0
        self._stream.time_base = TIME_BASE

    def close(self) -> None:
        """Write the plain file, read it back, and take the fragments away; raises RecordingError where it differs."""
        if self._container is None:
            raise RecordingError(f"{self.path}: no picture to make a video of")
        self._container.mux(self._stream.encode(None))
        self._container.close()
        plain = self.path.with_name(f"{self.path.stem}.plain{self.path.suffix}")
        with (
            self._av.open(str(self.part)) as source,
            self._av.open(str(plain), "w", format="mp4", options={"movflags": "faststart"}) as target,
        ):
            stream = target.add_stream_from_template(source.streams.video[0])
            stream.time_base = TIME_BASE
            lengths = [*np.diff(self.times_us), *np.diff(self.times_us)[-1:]] or [round(FRAGMENT_S * 1e6)]
            for packet, length_us in zip(source.demux(video=0), [*lengths, 0], strict=True):
                if packet.dts is not None:
                    packet.stream, packet.duration = stream, int(length_us / (packet.time_base / TIME_BASE))
                    target.mux(packet)
        found = frame_times_us(plain)
        if found != self.times_us:
            plain.unlink()
            raise RecordingError(
                f"{self.part}: reads back {len(found)} of {len(self.times_us)} pictures, or other times"
            )
        plain.replace(self.path)
        self.part.unlink()
        sync_folder(self.path.parent)


def frame_times_us(path: Path) -> list[int]:
    """The times of all pictures that decode, from the file's beginning or as far as it goes, µs."""
    av = av_module()
    times = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                times.append(round(frame.pts * frame.time_base * 1_000_000))
    except av.error.InvalidDataError:
        pass  # cut off within a picture
    return times


class Mp4:
    """A recording's pictures as one video, each at its own time since the first."""

    def __init__(self, path: Path) -> None:
        if path.suffix != ".mp4":
            raise SettingsError(f"--out {path}: a video's name ends in .mp4")
        self.files: list[Path] = []
        self._video = VideoFile(path)
        self._first_s: float | None = None

    def add(self, row: Row) -> None:
        """Take the next picture."""
        if self._first_s is None:
            self._first_s = row.time_s
        time_us = round((row.time_s - self._first_s) * 1e6)
        if not self._video.times_us or time_us > self._video.times_us[-1]:
            self._video.add(row.pixels, time_us)

    def end(self, reason: str) -> None:
        """Episodes follow one another in one video."""

    def close(self) -> None:
        """Make the file whole and read it back."""
        self._video.close()
        self.files.append(self._video.path)
