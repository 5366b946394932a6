"""Pictures on the wire, good and bad (T6)."""

from __future__ import annotations

import random
import struct
import time

import numpy as np
import pytest

from agent.core.errors import ImageError
from agent.link import imaging
from agent.link.imaging import (
    ImageLimits,
    capture_to_image,
    decode_frame,
    encode_jpeg,
    encode_raw,
    image_to_capture,
    jpeg_size,
    picture_cost_s,
    resize,
)

RNG = np.random.default_rng(0)
SMOOTH = np.stack(np.meshgrid(np.arange(64), np.arange(48)), -1).astype(np.uint8) * 3
PICTURE = np.ascontiguousarray(np.concatenate([SMOOTH, SMOOTH[:, :, :1] // 2], axis=2))


def test_a_jpeg_comes_back_upright_in_rgb() -> None:
    back = decode_frame(encode_jpeg(PICTURE, 95))
    assert back.shape == PICTURE.shape and back.dtype == np.uint8
    assert np.abs(back.astype(int) - PICTURE).mean() < 6


def test_cv2_stands_in_where_simplejpeg_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = decode_frame(encode_jpeg(PICTURE, 95))
    monkeypatch.setattr(imaging, "HAS_SIMPLEJPEG", False)
    theirs = decode_frame(encode_jpeg(PICTURE, 95))
    assert np.abs(ours.astype(int) - theirs).mean() < 3
    with pytest.raises(ImageError):
        decode_frame(encode_jpeg(PICTURE)[:-200])


@pytest.mark.parametrize("top_down", [True, False])
@pytest.mark.parametrize("channels", [3, 4])
def test_raw_rows_are_turned_upright(top_down: bool, channels: int) -> None:
    pixels = RNG.integers(0, 255, (5, 7, channels), dtype=np.uint8)
    back = decode_frame(encode_raw(pixels, top_down=top_down), top_down)
    assert np.array_equal(back, pixels[:, :, :3]) and back.flags.c_contiguous


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "unknown_format"),
        (b"PNG.", "unknown_format"),
        (b"MBRF", "truncated"),
        (struct.pack("<4s3i", b"MBRF", 4, 4, 2) + bytes(32), "bad_channels"),
        (struct.pack("<4s3i", b"MBRF", 4, 4, 3) + bytes(47), "bad_length"),
        (struct.pack("<4s3i", b"MBRF", -4, 4, 3), "bad_size"),
        (struct.pack("<4s3i", b"MBRF", 5000, 4, 3), "too_large"),
        (struct.pack("<4s3i", b"MBRF", 4096, 4096, 3), "too_large"),
        (b"\xff\xd8\xff\xd9", "damaged_jpeg"),
    ],
)
def test_a_bad_picture_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_frame(data)
    assert caught.value.reason == reason


def test_a_bomb_is_refused_before_a_byte_of_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(encode_jpeg(PICTURE))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    assert jpeg_size(bytes(data)) == (65_000, 65_000)
    monkeypatch.setattr("simplejpeg.decode_jpeg", lambda *a, **k: pytest.fail("it was decoded"))
    with pytest.raises(ImageError) as caught:
        decode_frame(bytes(data))
    assert caught.value.reason == "too_large"


def progressive(scans: int = 0, size_px: tuple[int, int] | None = None, frame: int = 0xC2) -> bytes:
    """A progressive JPEG: with the last scan repeated, another size in its header, or another kind of frame."""
    import cv2

    data = bytearray(cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())
    at = data.index(b"\xff\xc2")
    data[at + 1] = frame
    if size_px is not None:
        data[at + 5 : at + 9] = struct.pack(">HH", *size_px)
    last = bytes(data[data.rindex(b"\xff\xda") : -2])
    return bytes(data[:-2]) + last * scans + b"\xff\xd9"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (progressive(scans=40), "too_many_scans"),
        (progressive(size_px=(4000, 4000)), "too_many_scans"),
        (progressive(frame=0xCA), "unsupported_jpeg"),
        (progressive(frame=0xC3), "unsupported_jpeg"),
        (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 1_000_000 + encode_jpeg(PICTURE)[2:], "damaged_jpeg"),
        (b"\xff\xd8" + b"\xff" * 4_000_000 + encode_jpeg(PICTURE)[2:], "damaged_jpeg"),
    ],
)
def test_a_picture_that_would_cost_much_is_refused_before_it_is_decoded(
    data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decode_frame(progressive()).shape == PICTURE.shape, "the usual scans are taken"
    monkeypatch.setattr("simplejpeg.decode_jpeg", lambda *a, **k: pytest.fail("it was decoded"))
    started_s = time.process_time()
    with pytest.raises(ImageError) as caught:
        decode_frame(data)
    assert caught.value.reason == reason and time.process_time() - started_s < 0.2


def test_what_a_picture_costs_is_told_from_its_header_and_its_scans() -> None:
    one, ten = encode_jpeg(PICTURE), progressive(size_px=(1000, 1000))
    assert picture_cost_s(one) < 1e-4 and 0.02 < picture_cost_s(ten) < 0.1
    assert picture_cost_s(progressive(10, (1000, 1000))) == pytest.approx(2 * picture_cost_s(ten), rel=0.05)
    assert picture_cost_s(b"?") == 0.0 and 0.0 < picture_cost_s(encode_raw(PICTURE)) < 1e-4
    with pytest.raises(ImageError):
        picture_cost_s(b"\xff\xd8")


def test_a_thousand_damaged_jpegs_give_a_picture_or_a_reason_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    import simplejpeg

    largest, decode, rng = [0], simplejpeg.decode_jpeg, random.Random(6)

    def watched(data: bytes, **options: object) -> np.ndarray:
        pixels = decode(data, **options)
        largest[0] = max(largest[0], pixels.shape[0] * pixels.shape[1])
        return pixels

    monkeypatch.setattr(simplejpeg, "decode_jpeg", watched)
    whole, refused, slowest_s = encode_jpeg(PICTURE), 0, 0.0
    for _ in range(1000):
        data = bytearray(whole)
        if rng.random() < 0.4:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randrange(1, 4) if data else 0):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        start = time.process_time()
        try:
            decode_frame(bytes(data))
        except ImageError as error:
            refused += 1
            assert error.reason
        slowest_s = max(slowest_s, time.process_time() - start)
    assert refused > 300 and largest[0] <= ImageLimits().max_pixels and slowest_s < 1.0


def test_resizing_keeps_the_mean_and_the_type() -> None:
    small = resize(PICTURE, 32, 24)
    assert small.shape == (24, 32, 3) and abs(float(small.mean()) - float(PICTURE.mean())) < 1
    assert resize(PICTURE, 64, 48) is PICTURE


def test_a_click_on_every_pixel_hits_the_same_place_of_the_capture() -> None:
    for size, capture in (((64, 36), (1280, 720)), ((320, 180), (320, 180)), ((84, 84), (320, 180))):
        for x in range(size[0]):
            for y in (0, size[1] // 2, size[1] - 1):
                cx, cy = image_to_capture(x, y, size, capture)
                top_x, top_y = capture_to_image((cx, cy), capture)
                assert top_x * size[0] // capture[0] == x
                assert top_y * size[1] // capture[1] == y


def test_a_click_outside_the_picture_is_clamped() -> None:
    assert image_to_capture(-5, 999, (64, 36), (320, 180)) == (0, 0)
    assert image_to_capture(999, -5, (64, 36), (320, 180)) == (319, 179)
