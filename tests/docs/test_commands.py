"""Every command on a page is one that its program accepts, and the cheap ones are run.

RUN says which are run. Everything else is parsed by the program's own parser; a program that is not known fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.core.settings import env_name, fields
from tests.docs.pages import ROOT, Command, command, commands
from tests.docs.parsers import Refused, check

ALL = list({(c.words, tuple(c.variables.items())): c for c in commands()}.values())
OTHER_VARIABLES = {"BENCH_STEPS"}
"""Variables that stand before a command and are no settings of the program: how long a bench learns."""
RUN = (
    "python -m agent --version",
    "python -m agent weights list",
    "python -m agent.games.arena.rules_hash",
    "python -m tools.scripts.changelog --check",
)
"""Commands that are run as they stand. Those of the examples are run by test_examples.py, with small numbers."""


def test_there_are_commands_on_the_pages() -> None:
    assert len(ALL) > 60
    shown = {str(c) for c in ALL}
    assert not [text for text in RUN if text not in shown], "RUN names a command that no page has any more"
    assert {"python tools/bootstrap.py play", "python tools/bootstrap.py test"} <= shown


@pytest.mark.parametrize("shown", ALL, ids=str)
def test_every_command_on_a_page_is_accepted_by_its_program(shown: Command) -> None:
    known = {env_name(field) for _, _, field in fields()} | OTHER_VARIABLES
    assert not set(shown.variables) - known, shown.where
    try:
        check(shown)
    except Refused as error:
        pytest.fail(f"{shown.where}: {shown}\n{error}")


@pytest.mark.parametrize(
    "text",
    [
        "python -m agent plai",
        "python -m agent play --secnds 3",
        "python -m agent play --games many",
        "python tools/bootstrap.py tests",
        "python tools/bench_latency.py",
        "python -m tools.bench.latency --hurts 3",
        "python -m tools.bench.learning a9_unknown",
        "python docs/examples/worker.py --port 8040",
        "python -m mkdocs biuld",
        "python -m pytest tests/nowhere",
        "pip install -e '.[everything]'",
        "dotnet build plugins/Bonklink",
        "curl https://example.org",
    ],
)
def test_a_command_that_is_not_right_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        check(command("here", text))


@pytest.mark.slow
@pytest.mark.parametrize("text", RUN, ids=str)
def test_a_cheap_command_does_what_the_page_says(text: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *command("here", text).words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
