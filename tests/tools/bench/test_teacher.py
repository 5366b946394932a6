"""The bench of the script of lessons: what it is told is what plays."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.bench import teacher


def published(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """The result of one run with each character in tier 1, played by nobody."""
    monkeypatch.setattr(teacher, "whole_runs", lambda casts, *given: [(cast.character > 0, 9.0) for cast in casts])
    out = folder / "teacher.json"
    monkeypatch.setattr(sys, "argv", ["teacher", "--runs", "1", "--tiers", "1", "--out", str(out), *words])
    with pytest.raises(SystemExit, match="1"):
        teacher.main()
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def test_knobs_and_weights_are_told_and_one_character_that_loses_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = published(tmp_path, monkeypatch, "--knob", "fear=2.5", "--knob", "luck=0.75")
    assert found["knobs"]["fear"] == 2.5 and found["weights"]["luck"] == 0.75 and not found["passed"]
    assert found["tier 1"]["wins"] == found["tier 1"]["runs"] - 1


@pytest.mark.parametrize(("knob", "said"), [("faer=2", "did you mean fear"), ("fear=high", "is no number")])
def test_a_knob_that_there_is_not_is_refused(
    knob: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["teacher", "--knob", knob])
    with pytest.raises(SystemExit, match="2"):
        teacher.main()
    assert said in capsys.readouterr().err
