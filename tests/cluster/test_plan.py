"""What a cluster runs: command lines that the program's own parser takes, and clear refusals."""

from __future__ import annotations

import importlib.util

import pytest

from agent.cluster.plan import Plan, check_ray, ray_token
from agent.commands.cli import app
from agent.core.errors import SettingsError


def test_every_command_line_of_a_plan_is_one_of_this_program() -> None:
    plan = Plan(
        host="10.0.0.2", head="fd00::1", port=9, workers=2, games=3, weights="w.safetensors", more=("--tier", "3")
    )
    placed = [plan.learner(), *plan.players()]
    assert [p.name for p in placed] == ["learner", "worker-10-0-0-2-0", "worker-10-0-0-2-1"]
    for each in placed:
        command, bound, _ = app.parse_args(each.words[3:], exit_on_error=False, print_error=False)
        options = bound.arguments["options"]
        if each.name == "learner":
            assert command.__name__ == "learner" and (options.host, options.port) == ("10.0.0.2", 9)
        else:
            assert (options.learner, options.games, options.tier) == ("http://[fd00::1]:9", 3, 3)
            assert not options.http and options.record is False


def test_numbers_that_are_none_are_refused() -> None:
    for changes in ({"workers": -1}, {"workers": 999}, {"games": 0}):
        with pytest.raises(SettingsError, match=f"--{next(iter(changes))}"):
            Plan(**({"host": "a", "head": "a", "port": 1, "workers": 1} | changes)).check()  # type: ignore[arg-type]


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"metabonk-apex\[cluster\].*play --learner"):
        check_ray()


def test_rays_token_is_not_the_learners() -> None:
    assert ray_token("a") != ray_token("b") and "a" * 20 not in ray_token("a" * 20) and len(ray_token("")) == 64
