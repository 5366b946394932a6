"""A recording as CSV: every record is a line."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from agent.core.errors import RecordingError
from agent.journal.export import table
from agent.journal.export.table import COLUMNS, write_csv
from tests.journal.export.test_npz import recording


def test_every_record_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    counts = write_csv(recording(tmp_path / "rec"), tmp_path / "a.csv", None, read.append)
    with (tmp_path / "a.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert (
        Counter(line["kind"] for line in lines) == {"packet": 120, "decision": 120} and counts.rows == len(read) == 240
    )
    assert tuple(lines[0]) == COLUMNS and [line["record"] for line in lines] == [str(n) for n in range(1, 241)]
    assert (lines[239]["owner"], lines[239]["move_x"], lines[238]["menu"]) == ("motor", "0.5", "Shop")
    assert sum(line["click_x_px"] == "160" for line in lines) == 1
    assert write_csv(tmp_path / "rec", tmp_path / "b.csv", 1).rows == 0
    monkeypatch.setattr(table.csv, "DictReader", lambda file: iter(()))
    with pytest.raises(RecordingError, match="reads back 0 of 240 lines"):
        write_csv(tmp_path / "rec", tmp_path / "c.csv", None)
    assert not (tmp_path / "c.csv").exists()
