"""Options of all commands: each says what it is for, and none changes after it was read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from agent.commands.cli import app
from agent.commands.evaluate import EvaluateOptions
from agent.commands.play import PlayOptions
from agent.games.options import HostOptions
from agent.setup.install import InstallOptions
from agent.training.options import TrainOptions


def commands(node: App, chain: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    for name in node:
        if not name.startswith("-"):
            yield (*chain, name), node[name]
            yield from commands(node[name], (*chain, name))


def test_every_command_and_every_option_says_what_it_is_for() -> None:
    found = dict(commands(app))
    assert len(found) == 53
    silent = [" ".join(chain) for chain, command in found.items() if not command.help]
    count = 0
    for chain, command in found.items():
        if command.default_command is None:
            continue
        for argument in command.assemble_argument_collection(parse_docstring=True):
            if not argument.show:
                continue
            count += 1
            if not argument.parameter.help:
                silent.append(f"{' '.join(chain)} {argument.name}")
    assert not silent and count > 60


@pytest.mark.parametrize("kind", [PlayOptions, EvaluateOptions, HostOptions, TrainOptions, InstallOptions])
def test_options_cannot_be_changed_after_they_were_read(kind: Any) -> None:
    options = kind(steps=1, out=Path("o")) if kind is TrainOptions else kind()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.game = "other"
