"""Pictures on the wire: JPEG or raw rows to upright RGB arrays and back, and clicks from image to capture.

What a picture would cost is known from its header and its scans before a byte of it is decoded, and is limited. Owns no
thread; callers decode off the loop.
"""

from __future__ import annotations

import importlib.util
import struct
from typing import Final

import msgspec
import numpy as np

from agent.core.errors import ImageError
from agent.core.types import ByteArray

RAW_MAGIC: Final = b"MBRF"
_RAW_HEAD = struct.Struct("<4s3i")
_MAX_SEGMENTS: Final = 512
_CODED_IN_TURN: Final = (0xC0, 0xC1, 0xC2)
"""Frames that are coded by Huffman's method, baseline, extended or progressive; others are rare and slow."""
_PASS_S: Final = 3e-9
_BYTE_S: Final = 10e-9
"""About what one pixel takes in one scan, and one byte of the file, on one core of a desktop computer."""
HAS_SIMPLEJPEG: Final = importlib.util.find_spec("simplejpeg") is not None


class ImageLimits(msgspec.Struct, frozen=True):
    """Largest picture that is decoded; `max_passes`: pixels times scans, for each scan goes over all pixels."""

    max_side_px: int = 4096
    max_pixels: int = 16_000_000
    max_scans: int = 32
    max_passes: int = 96_000_000


DEFAULT_LIMITS: Final = ImageLimits()


def decode_frame(data: bytes, rows_top_down: bool = False, limits: ImageLimits = DEFAULT_LIMITS) -> ByteArray:
    """Decode a frame of the wire to u8 [h, w, 3] RGB, upright and contiguous.

    JPEG, or raw rows behind `MBRF`, which are bottom-up unless `rows_top_down`. Raises ImageError.
    """
    if data[:4] == RAW_MAGIC:
        return _decode_raw(data, rows_top_down, limits)
    if data[:2] == b"\xff\xd8":
        return _decode_jpeg(data, limits)
    raise ImageError("unknown_format", f"begins with {data[:4].hex()}")


def picture_cost_s(data: bytes) -> float:
    """About how long a picture takes to decode, from its header; 0 for what is no picture. Raises ImageError."""
    if data[:4] == RAW_MAGIC:
        return len(data) * 1e-9
    if data[:2] != b"\xff\xd8":
        return 0.0
    height, width = jpeg_size(data)
    return height * width * max(1, scans_of(data)) * _PASS_S + len(data) * _BYTE_S


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    if width < 1 or height < 1:
        raise ImageError("bad_size", f"{width}×{height}")
    if max(width, height) > limits.max_side_px or width * height > limits.max_pixels:
        raise ImageError(
            "too_large", f"{width}×{height}, limit {limits.max_side_px} a side, {limits.max_pixels} in all"
        )


def _decode_raw(data: bytes, rows_top_down: bool, limits: ImageLimits) -> ByteArray:
    if len(data) < _RAW_HEAD.size:
        raise ImageError("truncated", f"raw header: {len(data)} of {_RAW_HEAD.size} bytes")
    _, width, height, channels = _RAW_HEAD.unpack_from(data)
    _check_size(width, height, limits)
    if channels not in (3, 4):
        raise ImageError("bad_channels", str(channels))
    expected = _RAW_HEAD.size + width * height * channels
    if len(data) != expected:
        raise ImageError("bad_length", f"{len(data)} bytes, {expected} expected")
    rows = np.frombuffer(data, np.uint8, offset=_RAW_HEAD.size).reshape(height, width, channels)[:, :, :3]
    return np.ascontiguousarray(rows if rows_top_down else rows[::-1])


def _decode_jpeg(data: bytes, limits: ImageLimits) -> ByteArray:
    height, width = jpeg_size(data)
    _check_size(width, height, limits)
    scans = scans_of(data)
    if scans > limits.max_scans or scans * width * height > limits.max_passes:
        raise ImageError(
            "too_many_scans",
            f"{scans} of {width}×{height}, limit {limits.max_scans}, and {limits.max_passes} pixels in all",
        )
    if HAS_SIMPLEJPEG:
        import simplejpeg

        try:
            pixels: ByteArray = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
        except (ValueError, MemoryError) as error:
            raise ImageError("damaged_jpeg", str(error)) from error
        return pixels
    import cv2

    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None or not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise ImageError("damaged_jpeg", "not decodable, or cut short")
    return np.ascontiguousarray(decoded[:, :, ::-1])


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Height and width from the first start-of-frame segment (ITU-T T.81, B.2.2); raises ImageError."""
    at, end = 2, len(data)
    for _ in range(_MAX_SEGMENTS):
        if at + 4 > end:
            break
        if data[at] != 0xFF:
            raise ImageError("damaged_jpeg", f"no marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if size < 2 or marker in (0xD9, 0xDA):
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if at + 9 > end:
                break
            if marker not in _CODED_IN_TURN:
                raise ImageError("unsupported_jpeg", f"start of frame {marker:02x}")
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        at += 2 + size
    raise ImageError("damaged_jpeg", "no start-of-frame segment")


def scans_of(data: bytes) -> int:
    """Scans of a JPEG: markers of their start. One that only looks so, within a segment, is counted too."""
    parts = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero((parts[:-1] == 0xFF) & (parts[1:] == 0xDA)))


def encode_jpeg(pixels: ByteArray, quality: int = 75) -> bytes:
    """Encode u8 [h, w, 3] RGB as a JPEG."""
    if HAS_SIMPLEJPEG:
        import simplejpeg

        return bytes(
            simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality, colorspace="RGB", colorsubsampling="420")
        )
    import cv2

    ok, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ImageError("not_encodable", f"shape {pixels.shape}")
    return data.tobytes()


def encode_raw(pixels: ByteArray, *, top_down: bool = False) -> bytes:
    """Encode u8 [h, w, 3] RGB as raw rows behind `MBRF`, bottom-up unless `top_down`."""
    height, width, channels = pixels.shape
    rows = pixels if top_down else pixels[::-1]
    return _RAW_HEAD.pack(RAW_MAGIC, width, height, channels) + np.ascontiguousarray(rows).tobytes()


def resize(pixels: ByteArray, width: int, height: int) -> ByteArray:
    """Resize u8 [h, w, 3] by area averaging when shrinking, linearly when growing."""
    if pixels.shape[1] == width and pixels.shape[0] == height:
        return pixels
    import cv2

    shrinking = width * height < pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), np.uint8)


def shrink_to(pixels: ByteArray, max_pixels: int) -> ByteArray:
    """Shrink u8 [h, w, 3] to at most `max_pixels`, its shape kept; a smaller one is returned as it is."""
    height, width = pixels.shape[:2]
    share = (max_pixels / (height * width)) ** 0.5
    return pixels if share >= 1.0 else resize(pixels, max(1, int(width * share)), max(1, int(height * share)))


def image_to_capture(
    x_px: int, y_px: int, image_size_px: tuple[int, int], capture_size_px: tuple[int, int]
) -> tuple[int, int]:
    """Map a pixel of an image (origin top-left) to capture pixels (origin bottom-left).

    The pixel's centre is mapped: x = ⌊(x+½)/w·W⌋, y = H−1−⌊(y+½)/h·H⌋, clamped to the capture.
    """
    (w, h), (big_w, big_h) = image_size_px, capture_size_px
    x = (2 * x_px + 1) * big_w // (2 * w)
    y = big_h - 1 - (2 * y_px + 1) * big_h // (2 * h)
    return min(big_w - 1, max(0, x)), min(big_h - 1, max(0, y))


def capture_to_image(click_px: tuple[int, int], capture_size_px: tuple[int, int]) -> tuple[int, int]:
    """Turn a click in capture pixels (origin bottom-left) into pixels of the same picture, origin top-left."""
    return click_px[0], capture_size_px[1] - 1 - click_px[1]
