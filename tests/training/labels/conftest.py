"""Recordings of the small game and a model of them, for all tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.commands.cli import run
from tests.training.labels.files import write


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, and a model that hardly learned: what is tested is how they go together."""
    made = tmp_path_factory.mktemp("labels")
    write(made / "known", 4)
    write(made / "unseen", 2, 50, actions=False)
    write(made / "again", 1, 70)
    model = made / "idm"
    asked = ["--npz-dir", str(made / "known"), "--out", str(model), "--steps", "4", "--batch", "2", "--window", "5"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(made / "cache"))
        assert run(["label", "train", *asked]) == 0
    return made


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resized pictures go into a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
