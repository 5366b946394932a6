"""The command `causal`: what it prints, writes and draws of a book, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.commands.cli import run
from agent.learner.science.book import Book
from tests.learner.science.runs import run_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABONK_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def test_it_says_what_each_card_does_and_what_is_certain(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Book(folder / "cards" / "arena.sqlite").add(run_of(k, effect=12.0) for k in range(20))
    other = folder / "other.sqlite"
    Book(other).add(run_of(k, effect=12.0) for k in range(10, 30))
    out, plot = folder / "out.json", folder / "cards.png"
    assert run(["causal", "--book", str(other), "--out", str(out), "--plot", str(plot)]) == 0
    printed = capsys.readouterr().out
    assert "score_s: 600 menus in 30 runs" in printed and "Eureka: bow" in printed and "announced" in printed
    (bow,) = [line for line in printed.splitlines() if line.strip("│ ").startswith("bow")]
    assert "+1" in bow and "announced" in bow
    values = json.loads(out.read_text(encoding="utf-8"))
    assert values["menus"] == 600 and {e["name"] for e in values["effects"]["score_s"]} == {
        "bow",
        "axe",
        "sword",
        "aura",
    }
    assert plot.read_bytes()[:4] == b"\x89PNG" and plot.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["causal"], "there is no book of arena yet"), (["causal", "doom"], "there is no book of doom yet"),
        (["causal", "--book", "none.sqlite"], "--book none.sqlite: there is no such file"),
        (["causal", "--plot", "a.jpg"], "--plot a.jpg: a name that ends with .png or .svg"),
        (["causal", "--outcome", "luck"], "luck"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_one_line(
    folder: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv) == 2
    text = capsys.readouterr().err
    assert said in " ".join(text.split()) and len(text.strip().splitlines()) <= 2
