"""The commands of a cluster refuse what cannot be placed with one line and code 2."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from agent.commands.cli import run
from agent.commands.cluster import cluster


@pytest.mark.parametrize(
    "words, said",
    [
        (["up", "--host", "0.0.0.0"], "--host 0.0.0.0: other machines reach this address"),
        (["join", "--head", "10.0.0.1"], "--head 10.0.0.1: other machines reach this address"),
        (["up", "--workers", "999"], "--workers 999: 0 to 256"),
        (["up", "--games", "0"], "--games 0: 1 to 64"),
    ],
)
def test_what_cannot_be_placed_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("METABONK_HTTP_TOKEN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "check_ray", lambda: None)
    assert run(["cluster", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_without_ray_every_command_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "ray" else found(name, *a))
    for word in ("up", "join", "status", "down"):
        assert run(["cluster", word]) == 2
        assert "metabonk-apex[cluster]" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("word", ["status", "down"])
def test_where_no_cluster_is_that_is_said_at_once(
    word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "check_ray", lambda: None)
    with socket.socket() as taken:  # bound and not listening: refuses
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert run(["cluster", word, "--ray-port", str(port)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"no cluster answers at 127.0.0.1:{port}: Connection refused; is `cluster up` running there?" in said
