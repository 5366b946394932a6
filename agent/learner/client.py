"""Policies that learn: which there are, their versions, and the learner's process that trains them.

Owns that process. The policy that plays here is a learner like any other, but its new weights
go through `store.reload`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from agent.concurrency.child import Child
from agent.concurrency.lane import Lane
from agent.concurrency.supervise import Supervisor
from agent.core.clock import Clock
from agent.core.errors import ChildGone, RequestError, WeightsError
from agent.core.rewards.tables import Weights
from agent.learner.bodies import Arrays, Register, shape_asked
from agent.learner.held import check_room
from agent.learner.messages import (
    Done,
    Imitate,
    Imitated,
    Learn,
    Learned,
    Lesson,
    LessonsHeld,
    Load,
    NextLesson,
    OfferOutcomes,
    Open,
    Opened,
    Outcomes,
    Save,
    Saved,
    ServeOutcomes,
    TakeLesson,
)
from agent.learning.configs import MAX_VERSIONS_OLD, MOTOR, Budget, PolicySpec
from agent.models.sealed import Manifest, Tensors, read_limited
from agent.store.store import Stored, WeightsStore, check_name, folder_name, motor_name

MAX_POLICIES: Final = 64
FILES_BYTES: Final = 64 << 20
"""Of the files of weights that are kept for those who fetch them."""
KIND: Final = "flat-policy"
PART: Final = "learner"
LEARNER: Final = "learner"
OWN: Final = (LEARNER, "rollout of ", "demonstration of ", "a first push")
"""Who made a version of weights, where it was the learner: what it holds beside them then still fits them."""
FINISH_S: Final = 9.0
"""Play's end waits this long for the state of the learners; an end takes at most 15 s in all."""
log = structlog.get_logger(__name__)


class Made(msgspec.Struct, frozen=True):
    """What the manifest of a policy's weights says, where it is no policy that workers made."""

    kind: str
    layout: dict[str, Any]
    sizes: dict[str, Any]


class Known(msgspec.Struct):
    """One policy: its shape (features 0 until it is known), and what became of what was pushed to it.

    units: numbers of its memory, which a rollout may bring, 0 where it has none.
    """

    name: str
    features: int = 0
    continuous: int = 0
    branches: tuple[int, ...] = ()
    policy_spec: PolicySpec | None = None
    version: int = 0
    opened_in: int = 0
    loads: int = 0
    plays_here: bool = False
    made: Made | None = None
    units: int = 0
    wanted: dict[str, Any] = {}
    rollouts: int = 0
    steps: int = 0
    stale: int = 0
    losses: dict[str, float] = {}
    begun: str = ""
    place: str = ""
    parked: dict[str, str] = {}


class _Kept(msgspec.Struct, frozen=True):
    """The file of a version as it is in memory, and its manifest."""

    version: int
    data: bytes
    manifest: Manifest


class Learning:
    """All policies that learn. `say` hears of what is worth an event.

    outcomes_in_play: the model that chooses cards for the policy that plays here, as safetensors; empty: none does.
    """

    def __init__(
        self,
        store: WeightsStore,
        disk: Lane,
        clock: Clock,
        supervisor: Supervisor,
        budget: Budget,
        *,
        outcomes_in_play: Callable[[], bytes] = bytes,
        say: Callable[[str, str, dict[str, Any]], None] = lambda kind, message, payload: None,
    ) -> None:
        self.store = store
        self.policies: dict[str, Known] = {}
        self.child = Child(PART, "agent.learner.process", supervisor=supervisor)
        self._clock = clock
        self._supervisor = supervisor
        self._outcomes_in_play = outcomes_in_play
        self._budget = budget
        self._say = say
        self._disk = disk
        self._opening = asyncio.Lock()
        self._files: dict[str, _Kept] = {}

    async def finish(self) -> None:
        """Have the process save what it holds, before a clean end; gives up after `FINISH_S`."""
        if not self.child.is_up:
            return
        try:
            await self.child.call(Save(), Saved, timeout_s=FINISH_S)
        except (ChildGone, RequestError) as error:
            log.warning("learner_not_saved", reason=str(error))

    @property
    def parked(self) -> str:
        """Why nothing is learned any more, "" while the process may work."""
        return self._supervisor.parked.get(PART, "")

    async def give_up(self, why: str) -> str:
        """Save, end the process for good and say why; "" where it was parked before."""
        if self.parked:
            return ""
        await self.finish()
        self._supervisor.park(PART, why)
        await asyncio.to_thread(self.child.close)
        return "nothing is learned any more"

    def close(self) -> None:
        """End the process."""
        self.child.close()

    # --- policies ----------------------------------------------------------------------------------------------

    def known(self, name: str) -> Known:
        """A policy by name, new where it is; raises RequestError."""
        try:
            check_name(name)
        except WeightsError as error:
            raise RequestError(400, str(error)) from error
        if name not in self.policies:
            if len(self.policies) >= MAX_POLICIES:
                raise RequestError(409, f"there are {MAX_POLICIES} policies already")
            self.policies[name] = Known(name)
        return self.policies[name]

    async def stored(self, name: str) -> Stored | None:
        """The version of a policy that the store serves; raises RequestError where it is no name, or unreadable."""
        try:
            check_name(name)
        except WeightsError as error:
            raise RequestError(400, str(error)) from error
        try:
            return await self._disk.run(lambda: self.store.current(name))
        except WeightsError as error:
            raise RequestError(507, str(error)) from error

    async def register(self, body: Register) -> dict[str, Any]:
        """A worker says hello; a policy whose whole shape it names is made."""
        self._check_worker(body.policy_name, body.capabilities)
        policy = self.known(body.policy_name)
        features, axes, branches = shape_asked(body.capabilities)
        if features and policy.features and features != policy.features:
            raise RequestError(400, f"policy {policy.name} observes {policy.features} numbers, this worker {features}")
        policy.wanted = {"branches": branches, "continuous": axes, "features": features}
        if not policy.features and features and axes is not None and (branches or axes):
            await self._shape(policy, features, axes, tuple(branches or ()))
        self._say("worker_registered", f"{body.instance_id} for {policy.name}", {"policy": policy.name})
        return {"ok": True, "instance_id": body.instance_id, "policy_name": policy.name, "version": policy.version}

    def _check_worker(self, name: str, capabilities: dict[str, Any]) -> None:
        """Refuse a worker of this program whose policy or rewards are others than here; raises RequestError(409)."""
        known, kind, paid_by = self.policies.get(name), capabilities.get("kind"), capabilities.get("paid_by")
        if kind is not None and known is not None and known.plays_here:
            raise RequestError(409, f"policy {name} plays here itself; `python -m agent learner` takes workers for it")
        here = KIND if known is None or known.made is None else known.made.kind
        if kind is not None and kind != here:
            there = ", ".join(self.policies) or "none"
            raise RequestError(409, f"a {str(kind)[:40]} named {name} does not learn here; policies: {there}")
        pays = "" if known is None or known.policy_spec is None else known.policy_spec.paid_by
        if paid_by and pays and paid_by != pays:
            raise RequestError(409, f"policy {name} is paid by {pays} here, by {str(paid_by)[:40]} at the worker")

    async def _shape(self, policy: Known, features: int, continuous: int, branches: tuple[int, ...]) -> None:
        """Fix the shape of a policy: the store's, if it holds one."""
        current = await self.stored(policy.name)
        if current is not None:
            layout = current.manifest.layout
            if current.manifest.kind != KIND:
                raise RequestError(409, f"policy {policy.name} is a {current.manifest.kind}; choose another name")
            found = (layout["features"], layout["continuous"])
            if found != (features, continuous):
                raise RequestError(
                    400, f"policy {policy.name} has {found} observed numbers and axes, this {(features, continuous)}"
                )
            branches, policy.version = tuple(layout["branches"]), current.version
        policy_spec = PolicySpec(name=policy.name, features=features, continuous=continuous, branches=branches)
        check_room(policy_spec, self._held(policy))
        policy.features, policy.continuous, policy.branches = features, continuous, branches
        policy.policy_spec = policy_spec
        await self.open(policy)

    def _held(self, policy: Known) -> list[PolicySpec]:
        """The other policies that the process holds."""
        others = (p for p in self.policies.values() if p is not policy and p.opened_in == self.child.starts)
        return [p.policy_spec for p in others if p.policy_spec is not None]

    def adopt(self, policy_spec: PolicySpec, version: int) -> Known:
        """The policy that plays here learns too."""
        policy = self.known(policy_spec.name)
        policy.policy_spec, policy.features = policy_spec, policy_spec.features
        policy.version, policy.plays_here = version, True
        return policy

    def serve(self, policy_spec: PolicySpec, version: int, made: Made, units: int) -> Known:
        """A policy of this program learns from what workers play with it."""
        policy = self.known(policy_spec.name)
        policy.policy_spec, policy.features = policy_spec, policy_spec.features
        policy.continuous, policy.branches = policy_spec.continuous, policy_spec.branches
        policy.version, policy.made, policy.units = version, made, units
        return policy

    # --- learning ----------------------------------------------------------------------------------------------

    async def push(self, head: Arrays, payload: bytes) -> dict[str, Any]:
        """Learn from a worker's rollout; raises RequestError or ChildGone."""
        policy = await self.fitting(head)
        if head.version > policy.version:
            raise RequestError(400, f"policy_version {head.version}: the newest is {policy.version}")
        if 0 <= head.version < policy.version - MAX_VERSIONS_OLD:
            policy.stale += 1
            reason = f"version {head.version} is more than {MAX_VERSIONS_OLD} older than {policy.version}"
            return {"ok": False, "dropped": reason, "version": policy.version, "losses": policy.losses}
        answer, weights = await self.learn(policy, payload)
        dropped = ""
        if not answer.refused:
            dropped = await self.publish(policy, load_tensors(weights), f"rollout of {head.instance}"[:80])
        if dropped:
            policy.stale += 1
            return {"ok": False, "dropped": dropped, "version": policy.version, "losses": policy.losses}
        reply: dict[str, Any] = {
            "ok": not answer.refused, "version": policy.version, "steps": answer.steps, "losses": policy.losses,
            "seconds": answer.seconds, "parked": policy.parked, "stale_dropped": policy.stale,
        }  # fmt: skip
        if answer.refused:
            reply["error"] = answer.refused
        if head.ignored:
            reply["ignored"] = head.ignored
        return reply

    async def demo(self, head: Arrays, payload: bytes) -> dict[str, Any]:
        """Imitate a worker's demonstration."""
        policy = await self.fitting(head)
        await self.open(policy)
        answer, weights = await self.child.call(Imitate(policy=policy.name), Imitated, payload)
        dropped = await self.publish(policy, load_tensors(weights), f"demonstration of {head.instance}"[:80])
        if dropped:
            return {"ok": False, "dropped": dropped, "version": policy.version}
        return {"ok": True, "version": policy.version, "metrics": answer.metrics}

    async def learn(self, policy: Known, payload: bytes) -> tuple[Learned, bytes]:
        """One rollout through every part; the answer, and the new weights as safetensors, empty where it refuses."""
        await self.open(policy)
        answer, weights = await self.child.call(Learn(policy=policy.name), Learned, payload)
        policy.rollouts += 1
        policy.steps += answer.steps
        policy.losses = answer.losses
        for part in answer.parked.keys() - policy.parked.keys():
            self._supervisor.park(f"{policy.name}: {part}", answer.parked[part])
        policy.parked = answer.parked
        return answer, weights

    async def teach(self, policy: Known, decisions: int, paid_by: Weights) -> int:
        """Have a policy's learner hold so many decisions of the kiter's as prior data; how many it holds then.

        paid_by: the table of play itself; the values of a replay are of one table.
        Those that it has kept from an earlier session count; a state has not room for all of 50,000.
        """
        await self.open(policy)
        held, _ = await self.child.call(TakeLesson(policy=policy.name), LessonsHeld)
        teacher = Child("teacher", "agent.learner.teacher", supervisor=self._supervisor)
        try:
            while held.takes and held.decisions < decisions:
                _, rollout = await teacher.call(NextLesson(reward=paid_by), Lesson)
                before = held.decisions
                held, _ = await self.child.call(TakeLesson(policy=policy.name), LessonsHeld, rollout)
                if held.decisions <= before:  # there is no room for more
                    break
        finally:
            await self._disk.run(teacher.close)
        return held.decisions

    async def better_outcomes(self, policy: Known) -> tuple[dict[str, float], bytes]:
        """A model of outcomes better than the one in play, with its trial; empty bytes where there is none."""
        answer, tensors = await self.child.call(OfferOutcomes(policy=policy.name), Outcomes)
        return answer.trial, tensors

    async def take_back(self, policy: Known, tensors: Tensors) -> None:
        """Go on from these weights instead of what was learned last."""
        if policy.opened_in == self.child.starts and self.child.is_up:
            payload = await self._disk.run(lambda: save_tensors(tensors))
            await self.child.call(Load(policy=policy.name), Done, payload)

    async def fitting(self, head: Arrays) -> Known:
        """The policy that arrays belong to, made where it is new; raises RequestError where they do not fit."""
        policy = self.known(head.policy)
        if policy.plays_here:
            raise RequestError(409, f"policy {policy.name} plays here; choose another name")
        if not policy.features:
            branches = policy.wanted.get("branches") or head.branches
            await self._shape(policy, head.features, head.continuous, tuple(branches))
        if (head.features, head.continuous) != (policy.features, policy.continuous):
            raise RequestError(
                400,
                f"policy {policy.name} observes {policy.features} numbers and has {policy.continuous} axes; "
                f"this has {head.features} and {head.continuous}",
            )
        fits = len(head.branches) == len(policy.branches)
        if not fits or any(n > maximum for n, maximum in zip(head.branches, policy.branches, strict=True)):
            raise RequestError(
                400, f"policy {policy.name} has branches of {policy.branches}; this needs {head.branches}"
            )
        if head.units not in (0, policy.units):
            raise RequestError(400, f"carry: {head.units} numbers; policy {policy.name} remembers {policy.units}")
        return policy

    async def open(self, policy: Known) -> None:
        """Have the process hold the policy; after a restart of the process it goes on from the stored weights."""
        async with self._opening:
            if self.child.is_up and policy.opened_in == self.child.starts:
                await self._follow(policy)
                return
            if policy.policy_spec is not None and not policy.plays_here:
                check_room(policy.policy_spec, self._held(policy))
            current = await self._newest(policy.name)
            payload = current.data if current is not None else b""
            own = current is not None and current.manifest.created_by.startswith(OWN)
            state = str(self.store.folder / folder_name(policy.name))
            assert policy.policy_spec is not None
            message = Open(policy_spec=policy.policy_spec, budget=self._budget, state=state, own=own)
            answer, weights = await self.child.call(message, Opened, payload)
            policy.opened_in, policy.begun, policy.place = self.child.starts, answer.begun, answer.place
            if current is not None and not policy.plays_here:
                policy.version = current.version
            log.info("learner_opened", policy=policy.name, begun=policy.begun, dreams=policy.place)
            outcomes = self._outcomes_in_play() if policy.plays_here else b""
            if outcomes:
                await self.child.call(ServeOutcomes(policy=policy.name), Done, outcomes)
            if current is None:
                await self.publish(policy, load_tensors(weights), "a first push")

    async def _follow(self, policy: Known) -> None:
        """Go on from a later version that another process has published; play follows by itself."""
        current = None if policy.plays_here else await self._newest(policy.name)
        if current is not None and current.version > policy.version:
            await self.child.call(Load(policy=policy.name), Done, current.data)
            policy.version = current.version
            policy.loads += 1

    async def _newest(self, name: str) -> _Kept | None:
        """The newest version of a policy; where the store has lost it, from memory, and it is written again.

        Raises RequestError where it can be had from neither.
        """
        try:
            return await self._disk.run(lambda: self._read_newest(name))
        except WeightsError as error:
            raise RequestError(507, str(error)) from error

    def _read_newest(self, name: str) -> _Kept | None:
        current, kept = self.store.current(name), self._files.get(name)
        if current is not None and (kept is None or current.version > kept.version):
            data = read_limited(current.path, current.manifest.bytes, follow_links=False)
            kept = _Kept(current.version, data, current.manifest)
            self._keep(name, kept)
        elif kept is not None and (current is None or current.version < kept.version):
            made = kept.manifest
            self.store.write_again(
                name, kept.version, load_tensors(kept.data), kind=made.kind, layout=made.layout,
                sizes=made.sizes, created_by=made.created_by,
            )  # fmt: skip
        return kept

    async def publish(self, policy: Known, tensors: Tensors, source: str) -> str:
        """Store the learner's weights as the next version; why not, where another process has published one meanwhile.

        Raises RequestError(507).
        """
        loads = policy.loads
        flat = {"features": policy.features, "continuous": policy.continuous, "branches": list(policy.branches)}
        made = policy.made or Made(KIND, flat, {})

        def publish() -> str:
            current = self.store.current(policy.name)
            newest = policy.version if current is None else max(current.version, policy.version)
            if policy.loads != loads or newest > policy.version:
                return f"version {newest} of another process came meanwhile"
            stored = self.store.publish(
                policy.name, tensors, kind=made.kind, layout=made.layout, sizes=made.sizes, created_by=source
            )
            self._keep(policy.name, _Kept(stored.version, save_tensors(tensors), stored.manifest))
            policy.version = stored.version
            return ""

        try:
            return await self._disk.run(publish)
        except WeightsError as error:
            raise RequestError(507, str(error)) from error

    async def serve_motor(self, policy: Known, tensors: Tensors, layout: dict[str, Any], sizes: dict[str, Any]) -> None:
        """Store what a motor's learner made as the next version of those that `motor_weights` gives.

        They have versions of their own, under `motor_name`: what acts here is another matter. A disk that refuses is
        logged, and the version before goes on being served.
        """
        name, source = motor_name(policy.name), f"rollout {policy.rollouts} of {policy.name}"

        def publish() -> None:
            stored = self.store.publish(name, tensors, kind=MOTOR, layout=layout, sizes=sizes, created_by=source)
            self._keep(name, _Kept(stored.version, save_tensors(tensors), stored.manifest))

        try:
            await self._disk.run(publish)
        except WeightsError as error:
            log.warning("motor_not_served", policy=policy.name, reason=str(error))

    # --- what others read ------------------------------------------------------------------------------------

    async def motor_weights(self, name: str, since: int) -> tuple[int, bytes] | None:
        """Version and file of what a motor's learner made last, None where they are not newer.

        Where it has made none, the file that acts, as version 0. Raises RequestError(404) where there is no such motor.
        """
        await self.stored(name)
        made = await self._newest(motor_name(name))
        acts = await self._newest(name) if made is None else None
        if made is None and acts is None:
            raise RequestError(404, f"there is no policy {name}")
        if acts is not None and acts.manifest.kind != MOTOR:
            raise RequestError(404, f"policy {name} is a {acts.manifest.kind}, not a motor; ask /get_weights")
        version, data = (made.version, made.data) if made is not None else (0, acts.data if acts is not None else b"")
        return (version, data) if version > since else None

    async def weights(self, name: str, since: int) -> tuple[int, bytes] | None:
        """Version and file of a policy's weights, None where they are not newer; raises RequestError(404)."""
        await self.stored(name)
        current = await self._newest(name)
        if current is None:
            if name in self.policies:
                return None
            raise RequestError(404, f"there is no policy {name}")
        return (current.version, current.data) if current.version > since else None

    def _keep(self, name: str, file: _Kept) -> None:
        """Keep a file for the next who asks, and let the oldest go where all are too many bytes; on the disk's lane."""
        self._files.pop(name, None)
        self._files[name] = file
        while sum(len(kept.data) for kept in self._files.values()) > FILES_BYTES:
            self._files.pop(next(iter(self._files)))

    def losses(self) -> dict[str, dict[str, float]]:
        """Newest losses by policy."""
        return {name: dict(policy.losses) for name, policy in self.policies.items()}

    def status(self) -> dict[str, Any]:
        """The process, and every policy's counts."""
        keys = ("version", "rollouts", "steps", "stale", "parked", "begun", "place")
        policies = {name: {key: getattr(p, key) for key in keys} for name, p in self.policies.items()}
        return {"process": self.child.status(), "policies": policies, "losses": self.losses()}
