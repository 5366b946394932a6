"""What goes on in every game now: what is seen, what was decided, by whom and why, and what was weighed.

Built when somebody looks, out of what the path of a frame leaves behind; the path itself computes nothing for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from agent.control.arbiter import Verdict
from agent.control.policy import Thought, version_of
from agent.core.clock import Clock
from agent.core.latency import Latency
from agent.core.part import Part
from agent.core.types import Observation
from agent.session.act import ActLoop
from agent.session.planning.owners import Owners
from agent.session.seeing.scene import scene
from agent.session.seeing.values import action_values

SAMPLE_S: Final = 0.25
KEPT: Final = 240
"""Sampled decisions of each game: a minute of them."""


class View:
    """Shows every game of a session. owners: how long each owner has acted."""

    def __init__(self, actor: ActLoop, latency: Latency, owners: Owners, clock: Clock) -> None:
        self._actor, self._latency, self._owners, self._clock = actor, latency, owners, clock

    def of_game(self, game: int) -> tuple[dict[str, Any] | None, dict[str, Any] | None, dict[str, float]]:
        """A game's scene, its newest decision, and how long each owner has acted; called on the loop."""
        seconds = self._owners.seconds(game, self._clock.now_s())
        return self._scene(game), self.decision(game), {owner: round(s, 1) for owner, s in seconds.items()}

    def misses(self) -> list[dict[str, Any]]:
        """The newest missed deadlines with their causes, newest first."""
        return [
            {"at_s": m.at_s, "late_ms": round(1e3 * m.late_s, 2), "cause": m.cause.value,
             "stages_ms": {k: round(1e3 * v, 2) for k, v in m.stages_s.items()}}
            for m in reversed(self._latency.newest_missed)
        ]  # fmt: skip

    def _scene(self, game: int) -> dict[str, Any] | None:
        state = self._actor.seats[game].feed.latest_state
        return scene(state) if state is not None else None

    def decision(self, game: int) -> dict[str, Any] | None:
        """A game's newest decision as a record of plain values, None before the first."""
        seat = self._actor.seats[game]
        if seat.decided is None:
            return None
        observation, verdict, at_s = seat.decided
        clicked = None
        if seat.clicked is not None:
            clicked = {"at_px": list(seat.clicked[0]), "time_ns": round(1e9 * seat.clicked[1])}
        return {
            **_of_verdict(observation, verdict, at_s), "version": version_of(self._actor.policy), "clicked": clicked,
            "weighed": _weighed(self._actor.thought(game)),
        }  # fmt: skip


def _of_verdict(observation: Observation, verdict: Verdict, at_s: float) -> dict[str, Any]:
    instead = verdict.instead_of
    return {
        "time_ns": round(1e9 * at_s), "sequence": observation.sequence, "owner": verdict.owner,
        "action": action_values(verdict.action), "refused": verdict.refused, "reason": verdict.reason,
        "answer_ms": round(1e3 * (at_s - observation.received_at_s), 3),
        "instead_of": None if instead is None
        else {"owner": instead.owner, "action": action_values(instead.action), "refused": instead.refused},
    }  # fmt: skip


def _weighed(thought: Thought | None) -> dict[str, Any] | None:
    return None if thought is None else dict(msgspec.to_builtins(thought))


@dataclass(frozen=True)
class WhoActed(Part):
    """How long each owner has acted, over all games."""

    name = "owners"
    key = "owners"
    owners: Owners
    games: int
    clock: Clock

    def status(self) -> dict[str, Any]:
        """Seconds by owner."""
        now_s, total = self.clock.now_s(), dict[str, float]()
        for game in range(self.games):
            for owner, seconds in self.owners.seconds(game, now_s).items():
                total[owner] = total.get(owner, 0.0) + seconds
        return {"seconds": {owner: round(seconds, 3) for owner, seconds in total.items()}}


@dataclass(frozen=True)
class DecisionSampler(Part):
    """Keeps a minute of every game's decisions, four a second, whoever looks."""

    name = "decisions"
    clock: Clock
    games: int
    decision: Callable[[int], dict[str, Any] | None]
    _kept: list[deque[dict[str, Any]]] = field(default_factory=list, init=False)

    async def run(self) -> None:
        """Sample until cancelled."""
        self._kept[:] = [deque(maxlen=KEPT) for _ in range(self.games)]
        due_s = self.clock.now_s()
        while True:
            for game, kept in enumerate(self._kept):
                found = self.decision(game)
                if found is not None and (not kept or kept[-1]["time_ns"] != found["time_ns"]):
                    kept.append(found)
            due_s = max(due_s + SAMPLE_S, self.clock.now_s())
            await self.clock.sleep_until(due_s)

    def newest(self, game: int, limit: int) -> Sequence[dict[str, Any]]:
        """The newest records of a game, oldest first."""
        kept = list(self._kept[game]) if game < len(self._kept) else []
        return kept[max(0, len(kept) - limit) :]
