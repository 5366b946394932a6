"""`population` on the command line: what it is given reaches the population, and bad input is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run
from agent.training.population import command


def test_its_options_reach_the_population(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.toml").write_text("steps = 500\n[search.lr]\nlow = 1e-4\nhigh = 1e-2\n")
    told: list[Any] = []
    monkeypatch.setattr(command, "run_population", lambda work, *rest, **more: told.append((work, more)))
    monkeypatch.setenv("METABONK_USE_LLM_PBT_WEIGHTS", "0")
    monkeypatch.chdir(tmp_path)
    words = ["population", "--game", "gym:CartPole-v1", "--members", "6", "--config", "p.toml", "--out", "o"]
    assert run([*words, "--demos", "one", "--demos", "two", "--seed", "4", "--no-publish"]) == 0
    work, more = told[0]
    assert (work.members, work.config.steps, work.seed, work.publish) == (6, 500, 4, False)
    assert work.demos == (Path("one"), Path("two")) and more["wants_llm"] is False


def test_bad_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text("members = 3\n")
    assert run(["population", "--game", "gym:CartPole-v1", "--out", "o", "--config", "p.toml"]) == 2
    said = capsys.readouterr().err.strip()
    assert "p.toml" in said and "members" in said and len(said.splitlines()) == 1
