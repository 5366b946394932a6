"""Who plays: names, kinds of weights, and games that a policy cannot see; a trained policy is measured and goes on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from agent.commands.cli import run
from agent.commands.evaluate import EvaluateOptions
from agent.commands.play import PlayOptions
from agent.commands.players import check_sight, name_of, with_sight
from agent.core.errors import SettingsError, WeightsError
from agent.core.types import Shown
from agent.games import hosting
from agent.games.options import HostOptions
from agent.link.endpoint import Endpoint
from agent.models.policies import FlatPolicy
from agent.models.sealed import save_sealed
from agent.models.sizes import FLAT_KIND, FlatSizes

TENSORS = {"x": np.zeros(1, np.float32)}


def sealed(folder: Path, name: str, kind: str) -> Path:
    save_sealed(folder / name, TENSORS, kind=kind, layout={}, sizes={})
    return folder / name


def test_weights_say_what_they_are_where_no_policy_is_named(tmp_path: Path) -> None:
    for kind in ("pilot", "dreamer", "flat-policy", "frame-policy"):
        assert name_of(None, sealed(tmp_path, "w.safetensors", kind), "kiter") == kind
    assert name_of("random", tmp_path / "none.safetensors", "kiter") == "random"
    assert name_of(None, None, "kiter") == "kiter"
    checkpoint = sealed(tmp_path, "checkpoint.safetensors", "training")
    with pytest.raises(WeightsError, match="checkpoint of a training.*beside it lies w.safetensors"):
        name_of(None, checkpoint, "pilot")
    with pytest.raises(WeightsError, match="holds a outcomes, which does not play"):
        name_of(None, sealed(tmp_path, "o.safetensors", "outcomes"), "pilot")


def test_a_policy_is_refused_a_game_that_it_cannot_see_and_told_who_can() -> None:
    for name in ("pilot", "untrained-pilot", "kiter"):
        with pytest.raises(SettingsError, match="--policy dreamer.*train --game gym:A-v0.*--weights"):
            check_sight(name, "gym:A-v0")
        check_sight(name, "arena")
        check_sight(name, "bonklink://127.0.0.1:5560")
    for name in ("dreamer", "random", "flat-policy", "my_pilot:Walker"):
        check_sight(name, "gym:A-v0")
    with pytest.raises(SettingsError, match="arena is none"):
        check_sight("frame-policy", "arena")


@pytest.mark.parametrize(
    "option", [{"frame_skip": 4}, {"picture_px": 40}, {"paint_flags": True}, {"profile": Path("none.toml")}]
)
def test_options_of_environments_are_refused_where_nothing_takes_them(
    option: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "host", lambda *given, **more: {})
    commands = (
        lambda: with_sight(PlayOptions(game="auto", **option), None),
        lambda: with_sight(EvaluateOptions(**option), None),
        lambda: hosting.run_host(HostOptions(**option)),
    )
    for command in commands:
        with pytest.raises(SettingsError, match=f"--{next(iter(option))}: only Gym".replace("_", "-")):
            command()


@pytest.mark.parametrize("command", ["play", "evaluate"])
def test_the_default_policy_in_a_game_of_pictures_is_one_line_and_the_code_2(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--game", "gym:CartPole-v1"]) == 2
    said = capsys.readouterr().err
    assert "sees the state of a run" in said and "--weights runs/mine/policy.safetensors" in said


def env_weights(folder: Path) -> Path:
    """Weights of CartPole-v1, untrained."""
    network = FlatPolicy(FlatSizes(4, 0, (2,)))
    tensors = {name: t.numpy() for name, t in network.state_dict().items()}
    sizes = {"features": 4, "continuous": 0, "branches": [2]}
    path = folder / "policy.safetensors"
    save_sealed(path, tensors, kind=FLAT_KIND, layout={"game": "gym:CartPole-v1"}, sizes=sizes)
    return path


@pytest.mark.parametrize(
    ("game", "learns"), [("gym:CartPole-v1?sutton_barto_reward=true", True), ("gym:CartPole-v0", False)]
)
def test_weights_learn_in_their_own_game_alone_and_say_so_in_another_of_the_same_shape(
    game: str, learns: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hosted(SimpleNamespace):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__(names=("a",), notes=["shows 4 numbers"], shown=Shown((), 4, 0, (2,)), doing=lambda: "")

        def endpoints(self) -> tuple[Endpoint, ...]:
            return (Endpoint("127.0.0.1", 9),)

        def parts(self, clock: Any) -> list[Any]:
            return []

    told: list[bool] = []

    def begun(options: Any, *_: Any, **__: Any) -> Any:
        told.append(options.learn)
        raise SettingsError("enough")

    monkeypatch.setattr("agent.commands.games.Games", Hosted)
    monkeypatch.setattr("agent.app.build_session", begun)
    weights = str(env_weights(tmp_path))
    threads = torch.get_num_threads()
    assert run(["play", "--game", game, "--weights", weights, "--no-http"]) == 2
    torch.set_num_threads(threads)
    said = capsys.readouterr().err
    assert told == [learns] and ("flat-CartPole-v1 learns" in said) == learns
    assert ("was trained on gym:CartPole-v1: it plays gym:CartPole-v0 as it is" in said) == (not learns)


def test_what_was_trained_on_a_game_is_measured_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "run", tmp_path / "r.json"
    train = ["train", "--game", "gym:CartPole-v1", "--steps", "2048", "--copies", "4", "--seed", "1"]
    assert run([*train, "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert said.count("shows 4 numbers") == 1 and said.count("gamma 0.99") == 1 and "2,048 of 2,048 steps" in said
    weights = ["--weights", str(out / "policy.safetensors")]
    measure = ["evaluate", *weights, "--game", "gym:CartPole-v1", "--episodes", "3", "--report", str(report)]
    hashes = []
    for _ in range(2):
        assert run(measure) == 0
        hashes.append(json.loads(report.read_text(encoding="utf-8"))["action_hash"])
    assert hashes[0] == hashes[1] and "flat-CartPole-v1 observes" in capsys.readouterr().err
    assert run(["evaluate", *weights, "--game", "gym:Acrobot-v1"]) == 2
    assert "it observes and does 4 numbers, choices of 2; gym:Acrobot-v1 has 6" in capsys.readouterr().err
