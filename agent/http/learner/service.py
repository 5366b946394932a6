"""The learner's process where nothing is played: workers register, push rollouts and fetch weights over HTTP.

It begins with the weights of the store, as play does, and publishes there. Owns the server, the log, and the process
that learns.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.control.policy import Learnable, Policy, capabilities_of
from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.core.types import ByteArray
from agent.http.decoding import Decoder
from agent.http.events import EventLog
from agent.http.server import LOOPBACK, serve
from agent.http.workers import event_routes, worker_routes
from agent.learner.client import Learning, Made
from agent.learner.remote.calls import is_loopback
from agent.learner.remote.inbox import Inbox
from agent.learner.remote.rollout_log import RolloutLog
from agent.learning.configs import PILOT, Budget, is_off_policy, spec_of
from agent.models.sizes import FLAT_KIND, FRAME_KIND
from agent.session.loop import Stopping, stopping_on_signals
from agent.store.reload import Reloader
from agent.store.store import WeightsStore

ROLLOUTS: Final = "rollouts"
"""The folder of the log, beside the policies' folders."""
TAUGHT: Final = (PILOT, FLAT_KIND, FRAME_KIND)
"""Kinds of policies that learn from workers of this program."""
MIN_TOKEN: Final = 16


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """What the learner is told. keep_given: the weights of the policy were named; paid_by: as in `PolicySpec`."""

    host: str = LOOPBACK
    port: int = 8061
    token: str
    weights_dir: Path
    budget: Budget = Budget()
    keep_given: bool = False
    paid_by: str = ""


def check_host(host: str, given_token: str, option: str = "--host") -> None:
    """Refuse to serve other machines without a token that was given to them too; raises SettingsError."""
    if is_loopback(host):
        return
    if len(given_token) < MIN_TOKEN:
        raise SettingsError(
            f"{option} {host}: other machines reach this address, so a token is needed; set METABONK_HTTP_TOKEN to the "
            f"same {MIN_TOKEN} or more letters and digits here and on the workers"
        )


def learnable_of(policy: Policy) -> Learnable:
    """The policy as what learns from workers; raises SettingsError where it cannot."""
    learnable = capabilities_of(policy).learnable
    if learnable is None or learnable.kind not in TAUGHT:
        kind = policy.name if learnable is None else f"{policy.name}, a {learnable.kind},"
        raise SettingsError(f"--policy {kind} does not learn from workers; a pilot and policies of environments do")
    return learnable


class LearnerService:
    """Everything behind the learner's port; `run` serves until told to stop."""

    def __init__(self, options: ServiceOptions, policy: Policy, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._learnable = learnable_of(policy)
        self.stopping = Stopping()
        self._disk, self._decoder, self._events = Lane("disk"), Decoder(), EventLog(clock)
        self._supervisor = Supervisor(clock)
        store = WeightsStore(options.weights_dir)
        self.learning = Learning(store, self._disk, clock, self._supervisor, options.budget, say=self._say)
        self._reloader = Reloader(self._learnable, store, self._disk, self._disk, clock, say=self._say)
        self._recorder = self._learnable.learn(("learner",), lambda rollout: None)
        self._spec = spec_of(
            self._learnable.name, self._learnable.kind, self._recorder.features, self._learnable.spec,
            self._learnable.sizes, 0, paid_by=options.paid_by,
        )  # fmt: skip
        self.inbox = Inbox(
            self.learning, RolloutLog(options.weights_dir / ROLLOUTS), self._disk, clock, say=self._say,
            off_policy=is_off_policy(self._learnable.kind, options.budget),
        )  # fmt: skip

    async def run(self, ready: Callable[[int], None] = lambda port: None) -> None:
        """Serve until stopped; raises SettingsError, WeightsError, and ChildGone where nothing can be learned."""
        with contextlib.ExitStack() as closing:
            for close in (
                self._disk.close, self._decoder.close, self.learning.close, self._reloader.close, self.inbox.close
            ):  # fmt: skip
                closing.callback(close)
            with stopping_on_signals(self.stopping.stop_by_signal):
                await self.inbox.begin()
                await self._reloader.begin(keep_given=self._options.keep_given)
                policy, sizes = self._learnable, self._learnable.sizes
                made = Made(policy.kind, policy.layout, dict(msgspec.to_builtins(sizes)) if sizes is not None else {})
                self.learning.serve(self._spec, policy.version, made, self._recorder.units)
                await self._serve(ready)

    async def _serve(self, ready: Callable[[int], None]) -> None:
        options = self._options
        routes = [
            *worker_routes(self.learning, self._decoder, self.inbox), *event_routes(self._decoder, self._events)
        ]  # fmt: skip
        serving = serve(
            self, port=options.port, token=options.token, clock=self._clock, extra_routes=routes,
            losses=self.learning.losses, ready=ready, host=options.host, is_open=not is_loopback(options.host),
            has_page=False,
        )  # fmt: skip
        tasks = [asyncio.ensure_future(work) for work in (serving, self.inbox.run(), self.stopping.within(None))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.inbox.finish()
            await self.learning.finish()

    def _say(self, kind: str, message: str, payload: dict[str, Any]) -> None:
        self._events.add(kind, message, payload)

    def status(self) -> dict[str, Any]:
        """What `/status` and `/metrics` show."""
        return {
            "games": [], "latency": {}, "deadline_missed": {},
            "rss_mb": round(psutil.Process().memory_info().rss / 1e6, 1), "policy": self._spec.name,
            "rollouts": self.inbox.status(), "learner": self.learning.status(), "faults": self._supervisor.status(),
        }  # fmt: skip

    def newest_frame(self) -> ByteArray | None:
        """Nothing is played here."""
        return None
