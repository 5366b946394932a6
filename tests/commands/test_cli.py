"""The command line: an option stands once, its dataclass is what the code receives, and refusals are one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.commands import cli
from agent.commands.cli import app, run
from agent.commands.evaluate import EvaluateOptions
from agent.commands.play import PlayOptions
from agent.commands.quantize import QuantizeOptions
from agent.commands.weights import weights_folder
from agent.core.settings import load_settings
from agent.games.options import HostOptions
from agent.setup.install import InstallOptions
from agent.training.options import OutcomesOptions, TrainOptions


def parsed(*words: str) -> Any:
    _, bound, _ = app.parse_args(list(words), exit_on_error=False, print_error=False)
    bound.apply_defaults()
    return bound.arguments["options"]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), PlayOptions()),
        (("--seconds", "3"), PlayOptions(seconds=3.0)),
        (("play", "--no-http", "--games", "2", "--weights", "w"), PlayOptions(http=False, games=2, weights=Path("w"))),
        (("evaluate", "--real-time", "--episodes", "3"), EvaluateOptions(real_time=True, episodes=3)),
        (("evaluate",), EvaluateOptions()),
        (("host",), HostOptions("arena")),
        (("host", "gym:A-v1", "--format", "raw_rgb"), HostOptions("gym:A-v1", format="raw_rgb")),
        (("host", "--game", "arena", "--capture", "90x84"), HostOptions("arena", capture="90x84")),
        (("train", "--steps", "5", "--out", "o"), TrainOptions(steps=5, out=Path("o"))),
        (("train", "outcomes", "--runs", "2"), OutcomesOptions(runs=2)),
        (("quantize", "w", "--format", "int4"), QuantizeOptions(Path("w"), format="int4")),
        (
            ("plugins", "install", "--from", "f", "--no-install", "--dry-run"),
            InstallOptions(from_=Path("f"), install=False, dry_run=True),
        ),
    ],
    ids=str,
)
def test_a_command_receives_its_options_as_one_dataclass(words: tuple[str, ...], options: Any) -> None:
    assert parsed(*words) == options


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("plya",), "did you mean play?"),
        (("train", "outcoms"), "did you mean outcomes?"),
        (("plugins", "instal"), "did you mean install?"),
        (("outcomes",), "did you mean train outcomes?"),
        (("seal", "x"), "did you mean weights seal?"),
        (("play", "--port", "5"), "Unknown option: --port. Did you mean --http-port?"),
        (("--sed", "3"), "Did you mean --seed?"),
        (("evaluate", "--SEED", "3"), "Did you mean --seed?"),
        (("--helpp",), "Did you mean --help?"),
        (("play", "--speed-of-light", "3"), "Unknown option: --speed-of-light. See"),
        (("evaluate", "--epsiodes", "3"), "Did you mean --episodes?"),
        (("host", "arena", "tip"), "tip: nothing takes it"),
        (("host", "--format", "jpg"), 'Did you mean "jpeg"?'),
        (("play", "--games", "many"), '--games: unable to convert "many" into int'),
        (("play", "--episodes", "0"), "--episodes 0: at least 1"),
        (("play", "--http-port", "70000"), "--http-port 70000"),
        (("play", "--http-port", "-1"), "--http-port -1"),
        (("play", "--seconds", "nan"), "--seconds nan"),
        (("play", "--seconds", "inf"), "--seconds inf"),
        (("play", "--seed", "-1"), "--seed -1: between 0 and"),
        (("play", "--game", "bonklink://127.0.0.1:65535", "--games", "2", "--no-http"), "port 65536, above 65535"),
        (("play", "--game", "bonklink://a..b"), "'a..b' is no name of a host"),
        (("play", "--game", "bonklink://::1:5560"), "as in bonklink://[::1]:5560"),
        (("host", "--port", "70000"), "--port 70000: between 0 and 65535"),
        (("host", "--port", "-1"), "--port -1"),
        (("host", "--frame-hz", "-1"), "--frame-hz -1.0"),
        (("host", "--frame-hz", "nan"), "--frame-hz nan"),
        (("host", "--report", "no/r.json"), "no does not exist"),
        (("host", "gym:CartPole-v1", "--capture", "wide"), "--capture wide: write WIDTHxHEIGHT"),
        (("evaluate", "--game", "gym:CartPole-v1", "--capture", "wide"), "--capture wide: write WIDTHxHEIGHT"),
        (("evaluate", "--seed", "-1"), "--seed -1"),
        (("evaluate", "--report", "."), "is a folder"),
        (("train", "--steps", "9", "--out", "o", "--seed", "-1"), "--seed -1"),
        (("train", "--steps", "9" * 30, "--out", "o"), "--steps 9"),
        (("play", "--game", "arena", "--capture", "wide"), "--capture wide: write WIDTHxHEIGHT"),
        (("train",), "--steps requires an argument"),
        (("train", "--steps", "9", "--out", "o", "--copies", "0"), "--copies 0"),
        (("train", "outcomes", "--epsilon", "2"), "--epsilon 2.0: between 0 and 1"),
        (("train", "outcomes", "--out", "no/such/file"), "no/such does not exist"),
        (("weights", "seal", "none", "--kind", "cook"), "--kind"),
        (("quantize",), "--weights requires an argument"),
    ],
    ids=str,
)
def test_a_wrong_command_line_is_one_line_and_the_code_2(
    words: Sequence[str],
    named: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    said = capsys.readouterr().err.strip()
    assert named in said and len(said.splitlines()) == 1, said


def test_a_home_is_read_where_the_shell_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """bash does not replace `~` after `=`, and nobody does in a file of settings."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    given = ["train", "--out=~/runs", "--steps", "5", "~/w", "a~b", "--x=a=~", "-v"]
    assert cli._with_homes(given) == [
        "train",
        "--out=/home/me/runs",
        "--steps",
        "5",
        "/home/me/w",
        "a~b",
        "--x=a=~",
        "-v",
    ]
    assert weights_folder(load_settings(None, {"METABONK_WEIGHTS_DIR": "~/w"})) == Path("/home/me/w")
