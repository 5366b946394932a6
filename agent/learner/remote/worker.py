"""A session's games as a worker's: rollouts go to a learner on another machine, new weights come back into play.

Play never waits for it. While the learner is away, a few rollouts are kept and the oldest go; the one that is on its
way is pushed again under the same id until the learner has it. Owns the connection; ends by cancellation.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from agent.concurrency.lane import Lane
from agent.control.experience import RolloutRecorder
from agent.core.clock import Clock
from agent.core.errors import LearnerAway, RequestError, WeightsError
from agent.core.part import Part
from agent.core.rollout import Rollout
from agent.learner.pace import Pace
from agent.learner.remote.calls import LearnerCalls, Weights
from agent.learner.tensor_bodies import write_tensors
from agent.learning.configs import PolicySpec
from agent.store.reload import Reloader

POLL_S: Final = 5.0
"""The learner is asked for newer weights this often where no acknowledgement tells of them."""
BACKOFF_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
REFUSED_S: Final = 10.0
"""Pause where the learner refuses who asks, such as a wrong token."""
KNOWN_VERSIONS: Final = 64
LEVEL: Final = 1
"""Of zlib: a rollout shrinks to about a tenth, at a hundredth of a second."""
log = structlog.get_logger(__name__)


class RemoteLearning:
    """Pushes one policy's rollouts, and follows the versions of its weights.

    A version that acts has a number of this session; `learner_version` says which of the learner's it is.
    """

    def __init__(
        self, calls: LearnerCalls, pace: Pace, recorder: RolloutRecorder, reloader: Reloader, policy_spec: PolicySpec,
        kind: str, disk: Lane, clock: Clock, *,
        say: Callable[[str, str, dict[str, Any]], None] = lambda kind, message, payload: None,
    ) -> None:  # fmt: skip
        self.worker = f"w-{secrets.token_hex(5)}"
        self.pushed = self.again = self.duplicates = self.old = self.refused = self.too_early = 0
        self.version, self.is_up, self.why, self.refused_why = -1, False, "it was not asked yet", ""
        self._calls, self._pace, self._recorder, self._reloader = calls, pace, recorder, reloader
        self._spec, self._kind, self._disk, self._clock, self._say = policy_spec, kind, disk, clock, say
        self._newer = asyncio.Event()
        self._of: dict[int, int] = {}
        self._count = 0
        self._down_s = clock.now_s()
        self._said: type[Exception] | None = None

    async def run(self) -> None:
        """Push and follow until cancelled."""
        self._newer = asyncio.Event()
        async with self._calls, asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name="follow the learner")
            group.create_task(self._push(), name="push to the learner")

    # --- weights -----------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Take up newer weights, soon after an acknowledgement tells of them."""
        failures = 0
        while True:
            try:
                if not self.is_up:
                    await self._hello()
                found = await self._calls.weights(self._spec.name, self.version)
            except (LearnerAway, RequestError) as error:
                await self._pause(error, failures)
                failures += 1
                continue
            failures = 0
            self._is_back()
            if found is not None:
                await self._take_up(found)
            self._newer.clear()
            try:
                async with asyncio.timeout(POLL_S):
                    await self._newer.wait()
            except TimeoutError:
                pass

    async def _hello(self) -> None:
        """Say who plays; where the learner has forgotten versions, its newest is taken up."""
        shape: dict[str, Any] = {
            "obs_dim": self._spec.features,
            "action_dim": self._spec.continuous,
            "kind": self._kind,
        }
        shape |= {"paid_by": self._spec.paid_by} if self._spec.paid_by else {}
        if self._spec.branches:
            shape["branches"] = list(self._spec.branches)
        newest = await self._calls.hello(self.worker, self._spec.name, shape)
        if newest < self.version:
            self.version = -1

    async def _take_up(self, found: Weights) -> None:
        try:
            tensors = await self._disk.run(found.tensors)
            acts = await self._reloader.offer(tensors, f"version {found.version} of the learner")
        except WeightsError as error:
            self._reloader.refuse("the learner", str(error))
        else:
            if not self._of:  # what was begun with other weights is nobody's
                self._recorder.part_all()
            self._of[acts] = found.version
            for known in sorted(self._of)[:-KNOWN_VERSIONS]:
                del self._of[known]
        self.version = found.version  # also where it was refused: it is not asked for again until it changes

    def learner_version(self, version: int) -> int:
        """The learner's number of a version that acted here, −1 where the learner did not give it."""
        back = {each["version"]: each["restores"] for each in self._reloader.rollbacks}
        for _ in range(len(back) + 1):
            if version in self._of:
                return self._of[version]
            version = back.get(version, -1)
        return -1

    # --- rollouts ----------------------------------------------------------------------------------------------

    async def _push(self) -> None:
        """Push one rollout after another, each until the learner says what became of it."""
        while True:
            rollout = await self._pace.rollouts.get()
            version = self.learner_version(rollout.policy_version)
            if version < 0:
                self.too_early += 1
                continue
            self._count += 1
            body = await self._disk.run(lambda r=rollout, v=version: self._packed(r, v))  # type: ignore[misc]
            await self._settle(body)

    def _packed(self, rollout: Rollout, version: int) -> bytes:
        """The body of a push; games of one name in two workers are told apart."""
        mine = msgspec.structs.replace(rollout, instance=f"{self.worker} {rollout.instance}", policy=self._spec.name)
        return zlib.compress(write_tensors(mine, f"{self.worker}-{self._count}", version), LEVEL)

    async def _settle(self, body: bytes) -> None:
        failures = 0
        while True:
            try:
                settled = await self._calls.push(body)
            except LearnerAway as error:
                self.again += 1
                await self._pause(error, failures)
                failures += 1
                continue
            except RequestError as error:
                if error.status in (401, 403, 421):
                    await self._pause(error, failures)
                    continue
                self._refuse(str(error))
                return
            self._is_back()
            self.duplicates += settled.duplicate
            self.old += settled.step == "old"
            self.refused += settled.step == "refused"
            self.pushed += settled.step not in ("old", "refused")
            if settled.version != self.version:
                self.version = -1 if settled.version < self.version else self.version
                self._newer.set()
            return

    def _refuse(self, why: str) -> None:
        """The learner does not take this rollout; perhaps it has begun anew, so it is asked which version is newest."""
        self.refused += 1
        self.is_up = False
        self._newer.set()
        if why != self.refused_why:
            self.refused_why = why
            self._say("rollout_refused", why, {"worker": self.worker})
            log.warning("rollout_refused", reason=why)

    # --- the learner is away -----------------------------------------------------------------------------------

    async def _pause(self, error: LearnerAway | RequestError, failures: int) -> None:
        """Wait before the learner is asked again, with full jitter, so that workers do not come all at once.

        One failure alone says nothing: a connection that was kept may just have ended.
        """
        is_there = isinstance(error, LearnerAway) and (error.answered or (self.is_up and not failures))
        if not is_there and (self.is_up or type(error) is not self._said):
            self._said = type(error)
            self._say("learner_away", str(error), {"worker": self.worker})
            log.warning("learner_away", reason=str(error))
        if not is_there:
            self._down_s = self._clock.now_s() if self.is_up else self._down_s
            self.is_up, self.why, self._pace.learns = False, str(error), False
        longest_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
        is_refused = isinstance(error, RequestError) and error.status != 404  # of a learner that begins, 404 passes
        pause_s = REFUSED_S if is_refused else longest_s * (0.2 + 0.8 * random.random())
        await self._clock.sleep_until(self._clock.now_s() + pause_s)

    def _is_back(self) -> None:
        if not self.is_up:
            away_s = self._clock.now_s() - self._down_s
            self._say("learner_there", f"after {away_s:.1f} s", {"worker": self.worker})
            log.info("learner_there", away_s=round(away_s, 1))
        self.is_up, self.why, self._said, self._pace.learns = True, "", None, True

    def status(self) -> dict[str, Any]:
        """Whether the learner answers, the version that it gave last, what became of rollouts, and what that took."""
        return {
            "worker": self.worker, "up": self.is_up, "why": self.why, "version": self.version, "pushed": self.pushed,
            "pushed_again": self.again, "duplicates": self.duplicates, "old": self.old, "refused": self.refused,
            "refused_why": self.refused_why,
            "before_the_first_weights": self.too_early, "overflowed": self._pace.rollouts.dropped,
            "waiting": len(self._pace.rollouts), "requests": self._calls.requests,
            "bytes_out": self._calls.bytes_out, "bytes_in": self._calls.bytes_in, **self._recorder.status(),
        }  # fmt: skip


@dataclass(frozen=True)
class LearnElsewhere(Part):
    """The policy that plays learns on another machine from what it does here."""

    name = "learning elsewhere"
    key = "learning_elsewhere"
    remote: RemoteLearning

    async def run(self) -> None:
        """Push and follow until cancelled."""
        await self.remote.run()

    def status(self) -> dict[str, Any]:
        """What became of rollouts, and whether the learner answers."""
        return self.remote.status()
