"""`weights compare`: both play the same seeds, the worse first one gives exit code 1, bad input one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.commands.cli import run

ONE_SIDED = """
from agent.core.types import Action

class Left:
    def act(self, observation):
        return Action(move=(-1.0, 0.0))

class Balance:
    def act(self, observation):
        _, _, angle, _ = observation.state.env.numbers
        return Action(move=(-1.0 if angle > 0 else 0.0, 0.0))  # "left" is the second of two choices
"""


def test_the_worse_first_one_gives_exit_code_one_and_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one_sided18.py").write_text(ONE_SIDED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["weights", "compare", "--game", "gym:CartPole-v1", "--episodes", "20", "--seed", "5"]

    assert run([*words, "one_sided18:Left", "one_sided18:Balance", "--report", "r.json"]) == 1
    report = json.loads(Path("r.json").read_text(encoding="utf-8"))
    printed = capsys.readouterr()
    assert report["verdict"] == json.loads(printed.out)["verdict"] == "second is better"
    assert "Balance is better" in printed.err
    assert report["difference"]["high"] < 0
    assert len(report["results"]) == 20

    assert run([*words, "random", "random"]) == 0  # the same player on the same seeds: the same runs
    same = json.loads(capsys.readouterr().out)
    assert (same["difference"]["mean"], same["correlation"], same["verdict"]) == (0.0, 1.0, "undecided")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pilot", "nothing"], "there are random"),
        (["pilot", "kiter", "--episodes", "0"], "at least 1"),
        (["pilot", "kiter", "--game", "bonklink://localhost:1"], "a hosted game is needed"),
        (["missing.safetensors", "kiter"], "missing.safetensors"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(["weights", "compare", *words]) == 2
    assert said in capsys.readouterr().err
