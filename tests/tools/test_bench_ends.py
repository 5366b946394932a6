"""Thirty ends of different kinds: their cases, their published result, and two of them for real."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tools.bench import ends
from tools.bench._result_file import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts processes by their environment in /proc")


def test_there_are_thirty_of_different_kinds_and_the_published_ones_left_nothing() -> None:
    names = [case.name for case in ends.CASES]
    assert len(set(names)) == len(names) >= 30
    published = json.loads((ROOT / "docs" / "results" / "ends.json").read_text(encoding="utf-8"))
    assert [result["case"] for result in published["results"]] == names
    assert published["processes_left"] == published["late"] == 0 and published["longest_s"] < published["limit_s"]


@pytest.mark.slow
def test_a_kill_while_compiled_code_holds_the_game_leaves_no_process(tmp_path: Path) -> None:
    result = ends.run(ends.Case("SIGKILL", "native", "daemon"), tmp_path)
    assert (result["code"], result["left"], result["tracebacks"]) == (-9, 0, 0) and result["gone_s"] is not None, result


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_all_ends_leave_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "ends.json"
    monkeypatch.setattr(sys, "argv", ["ends", "--out", str(out)])
    code = ends.main()
    assert code == 0, json.loads(out.read_text(encoding="utf-8"))
