"""Play waits for its learner where no game runs by itself, so that little of what is played is thrown away.

Owns the queue of rollouts between the two; no task.
"""

from __future__ import annotations

from typing import Any, Final

from agent.core.clock import Clock
from agent.core.mailbox import ThreadQueue
from agent.core.rollout import Rollout

MAX_WAITING: Final = 8
"""Rollouts that may wait for the learner; more where more games fill theirs at once."""
MAX_HOLD_S: Final = 60.0
"""Play waits no longer than this for one rollout to be learned from."""
LOOK_S: Final = 0.02


class Pace:
    """Says when play may go on: at once in real time, else when fewer than `holds_from` rollouts wait.

    learns: True while somebody takes rollouts.
    """

    def __init__(self, clock: Clock, games: int, *, real_time: bool) -> None:
        self.rollouts: ThreadQueue[Rollout] = ThreadQueue(max(MAX_WAITING, 2 * games))
        self.holds_from = max(MAX_WAITING // 2, games)
        self.learns = False
        self.waited_s = 0.0
        self.gave_up = 0
        self._clock, self._real_time = clock, real_time
        self._tired = False

    async def room(self) -> None:
        """Return when play may go on: there is room, nobody learns, or `MAX_HOLD_S` brought no rollout forward."""
        if self._real_time or not self._is_full:
            self._tired = False
            return
        begun_s = since_s = self._clock.now_s()
        waiting = len(self.rollouts)
        while self._is_full and not self._tired:
            now_s = self._clock.now_s()
            if len(self.rollouts) != waiting:
                waiting, since_s = len(self.rollouts), now_s
            if now_s - since_s >= MAX_HOLD_S:
                self._tired, self.gave_up = True, self.gave_up + 1
                break
            await self._clock.sleep_until(now_s + LOOK_S)
        self.waited_s += self._clock.now_s() - begun_s

    @property
    def _is_full(self) -> bool:
        return self.learns and len(self.rollouts) >= self.holds_from

    def status(self) -> dict[str, Any]:
        """Whether play waits, from how many waiting rollouts on, and how long it has waited so far."""
        return {} if self._real_time else {"play_waits_from": self.holds_from, "play_waited_s": round(self.waited_s, 1)}
