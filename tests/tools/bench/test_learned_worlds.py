"""The benchmark of worlds gathers what there is, and names what there is not."""

from __future__ import annotations

import json
from pathlib import Path

from agent.commands.cli import app
from tools.bench.worlds.learned import CASES, gathered


def test_parts_that_are_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "arena").mkdir()
    (tmp_path / "arena" / "cnn.json").write_text(json.dumps({"arm": "cnn"}), encoding="utf-8")
    found = gathered(tmp_path)
    assert found["cases"]["arena"] == {"cnn": {"arm": "cnn"}} and not found["cases"]["breakout"]
    assert found["not_measured"] == [
        "health_gathering: tokenizer", "health_gathering: cnn", "health_gathering: maskgit", "arena: tokenizer",
        "breakout: tokenizer",
    ]  # fmt: skip


def test_its_commands_are_the_programs() -> None:
    for case in CASES.values():
        _, bound, _ = app.parse_args(["world", "record", *case.record.split(), "--out", "x"], exit_on_error=False)
        assert bound.arguments
