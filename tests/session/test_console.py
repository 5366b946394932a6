"""The live line speaks of what the game has."""

from __future__ import annotations

from typing import Any

from agent.core.clock import VirtualClock
from agent.core.latency import Latency
from agent.core.types import Packet
from agent.games.gymnasium_host import GymnasiumGame
from agent.session.console import line
from agent.session.sense import Feed
from agent.session.status import Status
from tests.link.game_side import state


class _Link:
    """As much of a link as the status reads."""

    endpoint = "127.0.0.1:1"
    is_up = True
    last_error = None

    def __init__(self) -> None:
        from agent.link.accounting import LinkCounters

        self.counters = LinkCounters()


def live(name: str, shown: Any, episodes: dict[str, Any]) -> str:
    clock = VirtualClock()
    feed = Feed(0, name, clock, Latency(), lambda: None)
    feed.on_up()
    feed.on_packet(Packet(shown, b""), clock.now_s())
    game = Status._game(_Stub(clock), _Link(), feed)  # type: ignore[arg-type]
    return line({
        "uptime_s": 3.0, "policy": "random", "latency": {}, "deadline_missed": {}, "games": [game],
        "episodes": episodes,
    })  # fmt: skip


class _Stub:
    """A status without a session."""

    def __init__(self, clock: VirtualClock) -> None:
        from agent.session.status import Rates

        self._rates = Rates(clock)


def test_an_environment_has_no_kills_and_no_level_and_its_mean_return_is_shown() -> None:
    said = live("gym:CartPole-v1", GymnasiumGame("gym:CartPole-v1").state(), {"episode_return": {"mean": 21.5}})
    assert "gym:CartPole-v1: 0 s, mean return 21.5" in said
    assert not any(word in said for word in ("kills", "level", "HP", "None"))


def test_a_run_has_its_level_kills_and_health() -> None:
    said = live("arena", state(1), {"count": 0})
    assert "level" in said and "kills" in said and "HP" in said
