"""A snapshot of everything that runs, for the page, the console and the report.

Reads the parts; owns none of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
import psutil

from agent.control.policy import path_of, version_of
from agent.core.clock import Clock
from agent.core.latency import Latency
from agent.core.part import Part
from agent.core.types import ByteArray
from agent.link.links import Link
from agent.session.act import ActLoop
from agent.session.episodes import EpisodeLog
from agent.session.sense import Feed

REPORT_SCHEMA = "metabonk-report/1"
SNAPSHOT_S: Final = 0.25


class Rates:
    """Events per second of growing counters, over the time since the last question that is a second or older."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: dict[str, tuple[float, int]] = {}
        self._rates: dict[str, float] = {}

    def rate_hz(self, name: str, total: int) -> float:
        """Rate of the named counter, Hz; 0 until two questions lie a second apart."""
        now_s = self._clock.now_s()
        mark_s, mark = self._marks.setdefault(name, (now_s, total))
        if now_s - mark_s >= 1.0:
            self._rates[name] = (total - mark) / (now_s - mark_s)
            self._marks[name] = (now_s, total)
        return round(self._rates.get(name, 0.0), 1)


def _cpu_ms() -> int:
    """This process's processor time so far, ms."""
    times = os.times()
    return round(1000 * (times.user + times.system))


class Status:
    """Joins links, feeds, actor, latency, episodes and parts into one JSON-able snapshot.

    All readers share a snapshot, which is built at most every `SNAPSHOT_S`.
    """

    def __init__(
        self,
        clock: Clock,
        links: Sequence[Link],
        feeds: Sequence[Feed],
        actor: ActLoop,
        latency: Latency,
        episodes: EpisodeLog,
        parts: Sequence[Part] = (),
    ) -> None:
        self._clock = clock
        self._links = links
        self._feeds = feeds
        self._version = version("metabonk-apex")
        self._actor = actor
        self._latency = latency
        self._episodes = episodes
        self._rates = Rates(clock)
        self._started_s = clock.now_s()
        self._process = psutil.Process()
        self._cores = psutil.cpu_count() or 1
        self._snapshot: tuple[float, dict[str, Any]] | None = None
        self._shown = {part.key: part for part in parts if part.key}
        if len(self._shown) < sum(part.key != "" for part in parts):
            raise ValueError(f"two parts show themselves under one key: {[part.key for part in parts]}")

    def status(self) -> dict[str, Any]:
        """Everything that the page shows, as plain JSON values; not to be changed, for it is others' too."""
        now_s = self._clock.now_s()
        if self._snapshot is None or now_s - self._snapshot[0] >= SNAPSHOT_S:
            self._snapshot = now_s, self.built()
        return self._snapshot[1]

    def built(self) -> dict[str, Any]:
        """A snapshot of this instant."""
        return {
            "version": self._version,
            "uptime_s": round(self._clock.now_s() - self._started_s, 3),
            "policy": self._actor.policy.name,
            "policy_version": version_of(self._actor.policy),
            "policy_path": path_of(self._actor.policy),
            "policy_step": {**self._actor.runner.status(), "rehearsals": self._actor.rehearsals.status()},
            "real_time": self._feeds[0].real_time,
            "games": [self._game(link, feed) for link, feed in zip(self._links, self._feeds, strict=True)],
            "latency": {k: msgspec.to_builtins(v) for k, v in self._latency.summary().items()},
            "deadline_missed": {cause.value: n for cause, n in self._latency.missed.items()},
            "counters": dict(self._latency.counters),
            "actions_refused": self._actor.refused,
            "episodes": self._episodes.summary(),
            "rss_mb": round(self._process.memory_info().rss / 2**20, 1),
            "cores": self._cores,
            "cores_used": round(self._rates.rate_hz("cpu_ms", _cpu_ms()) / 1000, 2),
            **{key: part.status() for key, part in self._shown.items()},
        }

    def newest_frame(self) -> ByteArray | None:
        """The newest decoded frame of the first game that has one."""
        return next((f.latest_frame.pixels for f in self._feeds if f.latest_frame is not None), None)

    def _game(self, link: Link, feed: Feed) -> dict[str, Any]:
        ledger, counters, state = feed.ledger, link.counters, feed.latest_state
        run = state.run if state is not None else None
        source = run.picture_source if run is not None else None
        if run is not None and run.level == 0:
            run = None  # a game without levels counts no kills and no gold
        return {
            "name": feed.name,
            "address": str(link.endpoint),
            "owner": self._actor.seats[feed.game].owner,
            "link": {
                "state": "up" if link.is_up else "down",
                **msgspec.to_builtins(counters),
                **ledger.as_builtins(),
                "frames_refused": dict(feed.frames_refused),
            },
            "pictures": {"source": source, "counted_from": feed.frame_time},
            "human": feed.human.status(),
            "last_error": link.last_error,
            "packet_hz": self._rates.rate_hz(f"p{feed.game}", counters.packets),
            "action_hz": self._rates.rate_hz(f"a{feed.game}", counters.actions_sent),
            "frame_hz": self._rates.rate_hz(f"f{feed.game}", counters.frames),
            "menu": state.current_menu if state is not None else None,
            "health": state.health if state is not None else None,
            "max_health": state.max_health if state is not None else None,
            "game_time_s": state.game_time_s if state is not None else None,
            "enemies": len(state.enemies) if state is not None else None,
            "level": run.level if run is not None else None,
            "kills": run.kills if run is not None else None,
            "gold": run.gold if run is not None else None,
        }
