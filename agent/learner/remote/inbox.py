"""Rollouts that workers push: journaled, acknowledged, and applied one after another, each at most once.

An acknowledgement is given when the rollout log is synced; learning comes after it, so a worker never waits for a step
of the learner. New weights are published once for as many rollouts as there are games that push, so that what eight
play at the same time is not eight versions old. A learner's process that dies costs the rollout that it learned from.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from safetensors.numpy import load as load_tensors

from agent.concurrency.lane import Lane
from agent.core.clock import Clock
from agent.core.errors import ChildGone, RequestError, WeightsError
from agent.core.rollout import Rollout
from agent.learner.bodies import Arrays, unpack_rollout
from agent.learner.client import Known, Learning
from agent.learner.remote.rollout_log import Entry, RolloutLog
from agent.learning.configs import MAX_VERSIONS_OLD

MAX_WAITING: Final = 64
"""Rollouts that may wait to be learned from; a worker that brings one more is told to come again."""
ACTIVE_S: Final = 60.0
"""A game that pushed within this time counts where versions are shared out."""
PUBLISH_S: Final = 10.0
"""What was learned is published after this time however few rollouts came."""
RETRY_S: Final = 1.0
log = structlog.get_logger(__name__)


class Inbox:
    """What waits to be learned from, and what became of the rest. off_policy: rollouts of any age are learned from."""

    def __init__(
        self, learning: Learning, rollout_log: RolloutLog, disk: Lane, clock: Clock, *, off_policy: bool = False,
        max_waiting: int = MAX_WAITING,
        say: Callable[[str, str, dict[str, Any]], None] = lambda kind, message, payload: None,
    ) -> None:  # fmt: skip
        self.duplicates = self.published = 0
        self._learning, self._log, self._disk, self._clock, self._say = learning, rollout_log, disk, clock, say
        self._off_policy, self._max_waiting = off_policy, max_waiting
        self._waiting: deque[Entry] = deque()
        self._taking, self._there = asyncio.Lock(), asyncio.Event()
        self._pushed_s: dict[str, float] = {}
        self._unpublished: dict[str, bytes] = {}
        self._since, self._since_s = 0, 0.0

    async def begin(self) -> None:
        """Recover what was taken and not applied before; raises SettingsError, WeightsError."""
        self._waiting.extend(await self._disk.run(self._log.open))
        if self._waiting:
            self._there.set()
            log.info("rollouts_recovered", waiting=len(self._waiting))

    # --- taking ------------------------------------------------------------------------------------------------

    async def take(self, head: Arrays, payload: bytes) -> dict[str, Any]:
        """Acknowledge a rollout that is journaled, now or before; raises RequestError where it is not."""
        policy = await self._learning.fitting(head)
        self._pushed_s[head.instance] = self._clock.now_s()
        if head.version > policy.version:
            raise RequestError(400, f"policy_version {head.version}: the newest is {policy.version}")
        async with self._taking:  # two pushes of one rollout come one after the other
            step = self._log.step_of(head.rollout_id)
            if step:
                self.duplicates += 1
                return self._answer(policy, head, step, duplicate=True)
            entry = Entry(head.rollout_id, "taken", policy.name, head.instance, head.version, head.steps)
            why = self._why_old(policy, entry)
            if not why and len(self._waiting) >= self._max_waiting:
                raise RequestError(503, f"{len(self._waiting)} rollouts wait to be learned from; come again")
            try:
                if why:
                    old = msgspec.structs.replace(entry, step="old", why=why)
                    await self._disk.run(lambda: self._log.note(old))
                else:
                    entry = await self._disk.run(lambda: self._log.take(entry, payload))
            except OSError as error:
                raise RequestError(507, f"the rollout was not journaled: {error.strerror or error}") from error
        if why:
            policy.stale += 1
            return {**self._answer(policy, head, "old"), "dropped": why}
        self._waiting.append(entry)
        self._there.set()
        return self._answer(policy, head, "taken")

    def _answer(self, policy: Known, head: Arrays, step: str, *, duplicate: bool = False) -> dict[str, Any]:
        return {
            "ok": step not in ("old", "refused"), "rollout_id": head.rollout_id, "step": step, "duplicate": duplicate,
            "version": policy.version, "waiting": len(self._waiting),
        }  # fmt: skip

    def _why_old(self, policy: Known, entry: Entry) -> str:
        """Why a rollout is too old to be learned from, ""."""
        if self._off_policy or not 0 <= entry.version < policy.version - MAX_VERSIONS_OLD:
            return ""
        return f"version {entry.version} is more than {MAX_VERSIONS_OLD} older than {policy.version}"

    # --- applying ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Apply what waits, in order; ends by cancellation. Raises ChildGone where the learner's process is parked."""
        while True:
            while not self._waiting:
                self._there.clear()
                try:
                    async with asyncio.timeout(RETRY_S):
                        await self._there.wait()
                except TimeoutError:
                    await self.publish_due()
            if self._learning.parked:
                raise ChildGone(f"nothing is learned any more: {self._learning.parked}")
            await self._apply(self._waiting[0])
            await self.publish_due()

    async def _apply(self, entry: Entry) -> None:
        """Learn from one rollout; it goes on waiting where the policy cannot be opened now."""
        policy = self._learning.known(entry.policy)
        try:
            payload = await self._disk.run(lambda: self._log.read(entry))
            if policy.policy_spec is None:  # workers made it before a restart
                await self._learning.fitting(await self._disk.run(lambda: _head(unpack_rollout(payload))))
            await self._learning.open(policy)
            why = self._why_old(policy, entry)
            if why:
                policy.stale += 1
                await self._end(entry, "old", why)
                return
            await self._disk.run(lambda: self._log.begin(entry))
        except (ChildGone, RequestError, OSError) as error:
            if isinstance(error, RequestError) and error.status in (400, 409):
                await self._end(entry, "refused", str(error)[:200])
                return
            log.warning("rollout_waits", rollout=entry.id, reason=str(error))
            await self._clock.sleep_until(self._clock.now_s() + RETRY_S)
            return
        try:
            answer, weights = await self._learning.learn(policy, payload)
        except RequestError as error:
            await self._end(entry, "refused", str(error)[:200])
            return
        except ChildGone as error:
            await self._end(entry, "lost", str(error)[:200])
            return
        if answer.refused:
            await self._end(entry, "refused", answer.refused[:200])
            return
        self._unpublished[policy.name] = weights
        self._since += 1
        self._since_s = self._since_s or self._clock.now_s()
        await self._end(entry, "done")

    async def _end(self, entry: Entry, step: Any, why: str = "") -> None:
        self._waiting.popleft()
        if step != "done":
            self._say(f"rollout_{step}", f"{entry.id}: {why}", {"rollout_id": entry.id})
        try:
            await self._disk.run(lambda: self._log.end(entry, step, why))
        except OSError as error:  # it was begun on disk already, or waits there: no restart applies it twice
            log.warning("rollout_log_not_written", rollout=entry.id, reason=str(error))

    async def publish_due(self, *, at_once: bool = False) -> None:
        """Publish what was learned, where as many rollouts came as games push, or it has waited long enough."""
        if not self._unpublished:
            return
        now_s = self._clock.now_s()
        self._pushed_s = {name: s for name, s in self._pushed_s.items() if now_s - s < ACTIVE_S}
        is_due = self._since >= len(self._pushed_s) or now_s - self._since_s >= PUBLISH_S
        if not is_due and not at_once:
            return
        learned, rollouts, self._unpublished, self._since, self._since_s = self._unpublished, self._since, {}, 0, 0.0
        for name, weights in learned.items():
            policy = self._learning.known(name)
            tensors = await self._disk.run(lambda data=weights: load_tensors(data))  # type: ignore[misc]
            try:
                dropped = await self._learning.publish(policy, tensors, f"rollout of {rollouts} workers' rollouts")
            except (RequestError, WeightsError) as error:
                dropped = str(error)
            if dropped:
                log.warning("weights_not_published", policy=name, reason=dropped)
            else:
                self.published += 1

    async def finish(self) -> None:
        """Publish what was learned last."""
        await self.publish_due(at_once=True)

    def close(self) -> None:
        """Let another process hold the rollout log."""
        self._log.close()

    def status(self) -> dict[str, Any]:
        """Rollouts by what became of them, those that wait, those that came again, and workers of the last minute."""
        now_s = self._clock.now_s()
        workers = sorted(name for name, s in self._pushed_s.items() if now_s - s < ACTIVE_S)
        return {
            **{f"rollouts_{step}": n for step, n in sorted(self._log.counts.items())},
            "waiting": len(self._waiting), "duplicates": self.duplicates, "published": self.published,
            "workers": workers,
        }  # fmt: skip


def _head(rollout: Rollout) -> Arrays:
    """What a push said of a rollout that was taken before a restart."""
    return Arrays(
        instance=rollout.instance, policy=rollout.policy, version=rollout.policy_version, steps=len(rollout),
        features=rollout.obs.shape[1], continuous=rollout.actions_cont.shape[1],
        branches=[int(n) + 1 for n in rollout.actions_disc.max(0)] if rollout.actions_disc.size else [],
        units=0 if rollout.carry is None else len(rollout.carry),
    )  # fmt: skip
