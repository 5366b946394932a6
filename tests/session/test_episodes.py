"""The log of finished episodes: how many are kept, and when there are enough."""

from __future__ import annotations

import msgspec

from agent.core.types import Action
from agent.session.episodes import EpisodeLog
from tests.control.test_control import observe
from tests.link.game_side import state


def test_more_episodes_than_are_kept_by_default_can_be_asked_for() -> None:
    told: list[int] = []
    log = EpisodeLog(1, keep=2, enough=3, on_enough=lambda: told.append(len(log.results)))
    for _ in range(3):
        log.on_step(msgspec.structs.replace(observe(state(1)), is_last=True), Action(), 0)
    assert told == [3]
