"""What `play --learner` refuses before anything starts, and what a worker's session is told."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from agent.commands.cluster.elsewhere import learner_elsewhere, worker_options
from agent.core.errors import SettingsError
from agent.core.settings import load_settings
from agent.session.options import LearnerElsewhere

WITH_TOKEN = load_settings(None, {"METABONK_HTTP_TOKEN": "t" * 20})


def test_another_machine_is_asked_with_a_token_that_was_given() -> None:
    assert learner_elsewhere(None, WITH_TOKEN, learns=True) is None
    found = learner_elsewhere("http://10.0.0.2:8061/", WITH_TOKEN, learns=True)
    assert found == LearnerElsewhere(address="http://10.0.0.2:8061", token="t" * 20)
    with pytest.raises(SettingsError, match="set METABONK_HTTP_TOKEN"):
        learner_elsewhere("http://10.0.0.2:8061", load_settings(None, {}), learns=True)
    with pytest.raises(SettingsError, match="--no-learn: name one"):
        learner_elsewhere("http://10.0.0.2:8061", WITH_TOKEN, learns=False)


def test_a_workers_session_learns_nothing_itself_and_leaves_no_folder() -> None:
    learnable: Any = SimpleNamespace(name="p", capabilities=SimpleNamespace(learnable=SimpleNamespace(kind="pilot")))
    elsewhere = LearnerElsewhere(address="http://10.0.0.2:8061", token="t")
    with contextlib.ExitStack() as stack:
        told = worker_options(elsewhere, learnable, stack)
        folder = told["weights_dir"]
        assert (told["learner"], told["learn"], told["challenger_share"]) == (elsewhere, False, 0.0) and folder.is_dir()
    assert not folder.exists() and worker_options(None, learnable, stack) == {}
    plays: Any = SimpleNamespace(name="kiter")
    with pytest.raises(SettingsError, match="kiter does not learn"):
        worker_options(elsewhere, plays, stack)
