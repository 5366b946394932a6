"""The command `learner` refuses what it cannot serve with one line and code 2."""

from __future__ import annotations

import pytest

from agent.commands.cli import run
from agent.commands.cluster.learner import PORT, LearnerOptions


@pytest.mark.parametrize(
    "words, said",
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0: other machines reach this address"),
        (["--host", "a b"], "--host a b: 'a b' is no name of a host"),
        (["--port", "70000"], "--port 70000: between 0 and 65535"),
    ],
)
def test_what_cannot_be_served_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METABONK_HTTP_TOKEN", raising=False)
    assert run(["learner", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_learner_serves_this_machine_alone_unless_told() -> None:
    assert (LearnerOptions().host, LearnerOptions().port) == ("127.0.0.1", PORT) == ("127.0.0.1", 8061)
