"""What a session is told: names are checked, and nothing changes while it plays."""

from __future__ import annotations

import dataclasses

import pytest

from agent.link.endpoint import Endpoint
from agent.session.options import SessionOptions


def test_without_more_a_session_plays_until_it_is_stopped_and_keeps_nothing() -> None:
    options = SessionOptions(endpoints=(Endpoint("127.0.0.1", 1),), names=("game",))
    assert options.seconds is options.episodes is options.weights_dir is options.report is None
    assert not options.learn and options.wanted is None and options.real_time and options.watchdog


def test_options_cannot_be_misspelt_or_changed() -> None:
    with pytest.raises(TypeError, match="secnods"):
        SessionOptions(endpoints=(), names=(), secnods=3.0)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        dataclasses.replace(SessionOptions(endpoints=(), names=()), seed=1).seed = 2  # type: ignore[misc]
