"""Which engine reads, what it makes of small and doubtful letters, and what is said where there is none."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from agent.planning.screen import engines
from agent.planning.screen.engines import (
    MISSING,
    FasterPaddle,
    NoEngine,
    RapidOcr,
    engine_there,
    open_engine,
    upright_size,
)
from agent.planning.screen.messages import DOUBTFUL


def _engine(*results: list[tuple[str, float]]) -> FasterPaddle:
    """The engine with answers in place of its models; the last ones are of the better model."""
    engine = FasterPaddle.__new__(FasterPaddle)
    made = []

    class Model:
        def __init__(self, found: list[tuple[str, float]]) -> None:
            self.found, self.sizes = found, [0]

        def ocr(self, data: bytes) -> dict[str, Any]:
            self.sizes.append(len(data))
            return {"bounds": {i: {"topLeftCoord": (40, 40), "bottomRightCoord": (80, 60), "text": t, "confidence": c}
                               for i, (t, c) in enumerate(self.found)}}  # fmt: skip

    def make(size: str, **options: Any) -> Model:
        made.append((size, options))
        return Model(results[-1])

    engine._make, engine._whole, engine._part, engine._better = make, Model(results[0]), Model(results[0]), None
    return engine


PICTURE = np.full((180, 320, 3), 30, np.uint8)


def test_a_word_that_is_doubtful_is_read_again_and_taken_where_it_is_surer() -> None:
    found = _engine([("Fox", 0.95), ("Calc1um", DOUBTFUL - 0.1)], [("Calcium", 0.9)]).read(
        PICTURE, 1, whole=True, careful=True
    )
    assert [(w.text, w.confidence) for w in found] == [("Fox", 0.95), ("Calcium", 0.9)]
    worse = _engine([("Calc1um", 0.7)], [("C", 0.2)]).read(PICTURE, 1, whole=True, careful=True)
    quick = _engine([("Calc1um", 0.7)], [("Calcium", 0.9)]).read(PICTURE, 1, whole=True, careful=False)
    assert worse[0].text == quick[0].text == "Calc1um"


def test_boxes_are_in_the_pictures_own_pixels_whatever_it_was_read_as() -> None:
    (whole,) = _engine([("x", 0.9)], []).read(PICTURE, 2, whole=True, careful=True)
    (part,) = _engine([("x", 0.9)], []).read(PICTURE, 2, whole=False, careful=True)
    assert whole.box == (20, 20, 40, 30) and part.box == (12, 12, 32, 22), "a part has a margin"


@pytest.mark.parametrize(("height", "times"), [(90, 3), (180, 3), (360, 2), (720, 1), (1080, 1), (2160, 1)])
def test_low_pictures_are_read_larger(height: int, times: int) -> None:
    assert upright_size(height) == times


def test_the_first_engine_that_is_installed_reads_and_without_one_it_says_what_to_install(monkeypatch: Any) -> None:
    there = {"faster_paddle", "rapidocr"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in there else None)
    assert engine_there() == "faster_paddle"
    there.remove("faster_paddle")
    made = []
    monkeypatch.setattr(engines, "RapidOcr", lambda: made.append("rapidocr") or "engine")
    assert engine_there() == "rapidocr" and open_engine() == "engine" and made == ["rapidocr"]  # type: ignore[comparison-overlap]
    there.clear()
    assert engine_there() == "" and "pip install" in MISSING
    with pytest.raises(NoEngine, match=r"metabonk-apex\[menus\]"):
        open_engine()


def test_the_fallback_turns_its_results_into_words() -> None:
    class Result:
        boxes = np.array([[[10, 10], [50, 12], [50, 30], [10, 28]]], float)
        txts, scores = ("Play ",), (0.9,)

    class Nothing:
        boxes = None

    engine = RapidOcr.__new__(RapidOcr)
    engine._engine = lambda picture: Result() if picture.shape[0] == 360 else Nothing()
    (word,) = engine.read(PICTURE, 2, whole=True, careful=True)
    assert (word.text, word.box, word.confidence) == ("Play", (5, 5, 25, 15), 0.9)
    assert engine.read(PICTURE, 1, whole=True, careful=True) == []
