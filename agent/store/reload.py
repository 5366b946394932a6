"""Exchanges the weights of the policy that plays: tried before, swapped between two steps, taken back when bad.

Offers come from the learner (`offer`), from files that people put into the weights folder, and from other processes
that publish versions of this policy (`watch`); versions are kept by `store.store`. Works on the lane of the disk that
it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import structlog

from agent.concurrency.lane import Lane, Runner
from agent.concurrency.output import printable
from agent.concurrency.supervise import Failure
from agent.control.arbiter import Verdict
from agent.control.policy import Reloadable, Tensors
from agent.core.clock import Clock
from agent.core.errors import WeightsError
from agent.core.files import write_atomically
from agent.core.types import Observation
from agent.models.sealed import Manifest, content_sha256, load_sealed, manifest_path, read_manifest, specs_of
from agent.store.store import ORIGIN, Stored, WeightsStore, folder_name
from agent.store.trial import Baseline, Trial

LOOK_EVERY_S: Final = 0.25
MAX_REASON: Final = 500
WRITE_AGAIN_S: Final = 10.0
"""Pause after a disk refused to take weights that it had lost."""
ALL_MISSED: Final = 1.0
Identity = tuple[int, ...]
log = structlog.get_logger(__name__)


class _Trusted(msgspec.Struct):
    """Weights that have shown themselves: what a bad version is replaced by."""

    prepared: Any
    tensors: Tensors
    version: int


class Reloader:
    """Weights of one policy in one session. `say` hears of every exchange, refusal and roll-back."""

    def __init__(
        self,
        policy: Reloadable,
        store: WeightsStore,
        inference: Runner,
        disk: Lane,
        clock: Clock,
        *,
        say: Callable[[str, str, dict[str, Any]], None] = lambda kind, message, payload: None,
    ) -> None:
        self.policy = policy
        self.store = store
        self.swaps = 0
        self.rollbacks: list[dict[str, Any]] = []
        self.refused: dict[str, str] = {}
        self._inference = inference
        self._clock = clock
        self._say = say
        self._disk = disk
        self._exchange = asyncio.Lock()
        self._bad = asyncio.Event()
        self._bad_reason = ""
        self._baseline = Baseline()
        self._trial: Trial | None = None
        self._trusted: _Trusted | None = None
        self._seen: dict[str, Identity] = {}
        self._accepted: dict[str, Identity] = {}
        self._followed = 0
        self._write_again_s = 0.0
        self._claim: Path | None = None

    # --- the beginning of a session ----------------------------------------------------------------------------

    async def begin(self, *, keep_given: bool, go_on: bool = True) -> None:
        """Serve the store's current version where it fits, else the last good one, else what the policy came with.

        keep_given: the user named a file. Then the newest version that was learned from it is served, and where there
        is none, or with `go_on` false, what the policy came with. A current version that has not acted well yet is on
        trial.
        """
        await self._disk.run(lambda: self._begin(keep_given, go_on))
        self._claim = await self._disk.run(lambda: self.store.claim_play(self.policy.name))
        self._accepted = await self._disk.run(self._known_files)
        self._seen = dict(self._accepted)

    def close(self) -> None:
        """Withdraw the claim of this play; safe where nothing was begun."""
        if self._claim is not None:
            self._claim.unlink(missing_ok=True)
            self._claim = None

    def _begin(self, keep_given: bool, go_on: bool) -> None:
        policy, name = self.policy, self.policy.name
        origin = content_sha256(policy.tensors) if keep_given else ""
        found = self._newest_that_fits(origin)
        if found is not None and origin:
            found = self._go_on(found, origin) if go_on or content_sha256(found.tensors) == origin else None
        if found is None:
            prepared = policy.prepare(policy.tensors, name)
            found = self._begin_anew(prepared, policy.tensors, origin)
        policy.load(found.prepared, found.version)
        self._followed, self._trusted = found.version, found
        good = self.store.good(name)
        if good in (0, found.version):
            self.store.mark_good(name, found.version)
            return
        try:
            self._trusted = self._fitting(good)
        except WeightsError:
            return
        self._trial = Trial(found.version, ALL_MISSED)

    def _begin_anew(self, prepared: Any, tensors: Tensors, origin: str) -> _Trusted:
        """These weights as the next version, which is trusted."""
        stored = self._publish(tensors, "the start of a session", {ORIGIN: origin})
        self.store.mark_good(self.policy.name, stored.version)
        return _Trusted(prepared, tensors, stored.version)

    def _go_on(self, found: _Trusted, origin: str) -> _Trusted:
        """A version that was learned from the file that the user named, as the current one; says so."""
        name, learned = self.policy.name, content_sha256(found.tensors) != origin
        if learned:
            message = f"begins with version {found.version}, which was learned from the weights that were named"
            self._say("weights_go_on", message, {"version": found.version})
            log.info("weights_go_on", policy=name, message=message)
        if self.store.named(name) == found.version:
            return found
        return self._begin_anew(found.prepared, found.tensors, origin)

    def _newest_that_fits(self, origin: str) -> _Trusted | None:
        """The current version, else the last that acted well, else the newest other one that this policy takes.

        origin: where it is not empty, only versions of this ORIGIN.
        """
        name = self.policy.name
        current = self.store.current(name)
        if current is None:
            return None
        others = [self.store.good(name), *reversed(self.store.versions(name))]
        for version in dict.fromkeys([current.version, *(v for v in others if v)]):
            if origin and self.store.origin(name, version) != origin:
                continue
            try:
                return self._fitting(version)
            except WeightsError as error:
                self.refuse(self.store.path(name, version).name, str(error))
        return None

    def _fitting(self, version: int) -> _Trusted:
        """A stored version, made ready; raises WeightsError where this policy does not take it."""
        stored, tensors = self.store.load(self.policy.name, version)
        self._check(stored.manifest, str(stored.path))
        return _Trusted(self.policy.prepare(tensors, str(stored.path)), tensors, version)

    # --- exchanges ---------------------------------------------------------------------------------------------

    async def offer(
        self, tensors: Tensors, source: str, notes: dict[str, Any] | None = None, *, base: int | None = None
    ) -> int:
        """Try weights, store them as the next version, act with them; raises WeightsError and changes nothing.

        base: the version they were learned from. They are refused where another version has taken its place.
        """
        async with self._exchange:
            try:
                prepared = await self._disk.run(lambda: self.prepare(tensors, source))
                await self._check_base(base, source)
                stored = await self._disk.run(lambda: self._publish(tensors, source, notes or {}))
            except WeightsError as error:
                self.refuse(source, str(error))
                raise
            await self._swap(prepared, stored.version)
            self._trial = Trial(stored.version, self._baseline.missed_share)
            self._say("weights_live", f"version {stored.version} from {source}", {"version": stored.version})
            return stored.version

    async def promote(self, prepared: Any, tensors: Tensors, source: str, notes: dict[str, Any], *, base: int) -> int:
        """Act with weights that have shown themselves in whole runs: stored as the next version, and trusted.

        base: the version that they are better than. Raises WeightsError, and changes nothing, where another version has
        taken its place, or the disk refuses.
        """
        async with self._exchange:
            try:
                await self._check_base(base, source)
                stored = await self._disk.run(lambda: self._publish(tensors, source, notes))
            except WeightsError as error:
                self.refuse(source, str(error))
                raise
            await self._swap(prepared, stored.version)
            self._trial = None
            self._trust(stored.version)
            self._say("weights_live", f"version {stored.version} from {source}", {"version": stored.version})
            return stored.version

    def trial(self, version: int) -> Trial:
        """What judges the first steps of weights that do not act in all games."""
        return Trial(version, self._baseline.missed_share)

    async def _check_base(self, base: int | None, source: str) -> None:
        if base is None:
            return
        await self._follow()
        if self.policy.version != base:
            raise WeightsError(f"{source}: learned from version {base}, version {self.policy.version} acts now")

    def prepare(self, tensors: Tensors, source: str) -> Any:
        """What the policy's `load` takes, tried; blocks, raises WeightsError."""
        _same_specs(tensors, self.policy.tensors, source)
        for name, tensor in tensors.items():
            if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
                raise WeightsError(f"{source}: tensor {name} has values that are not finite")
        return self.policy.prepare(tensors, source)

    def _check(self, manifest: Manifest, where: str) -> None:
        policy = self.policy
        if manifest.kind != policy.kind:
            raise WeightsError(f"{where}: holds a {manifest.kind}, a {policy.kind} is needed")
        if manifest.layout != policy.layout:
            raise WeightsError(f"{where}: observes {manifest.layout}, this program encodes {policy.layout}")

    def _publish(self, tensors: Tensors, source: str, notes: dict[str, Any]) -> Stored:
        policy = self.policy
        return self.store.publish(
            policy.name, tensors, kind=policy.kind, layout=policy.layout, sizes=_sizes(policy), created_by=source,
            notes=notes,
        )  # fmt: skip

    async def _swap(self, prepared: Any, version: int) -> None:
        await self._inference.run(lambda: self.policy.load(prepared, version))
        self.swaps += 1

    def refuse(self, source: str, reason: str) -> None:
        """Say, once, why something was not taken up."""
        reason = printable(reason[:MAX_REASON])
        if self.refused.get(source) == reason:
            return
        self.refused.pop(source, None)
        self.refused[source] = reason
        while len(self.refused) > 20:
            del self.refused[next(iter(self.refused))]
        self._say("weights_refused", reason, {"source": source})
        log.warning("weights_refused", source=source, reason=reason)

    # --- how a version behaves ---------------------------------------------------------------------------------

    def stepped(self, version: int, observation: Observation, verdict: Verdict, missed: bool) -> None:
        """Hear of one answered observation; called on the loop."""
        trial = self._trial
        if trial is None or trial.version != version:
            self._baseline.add(missed)
            return
        reason = trial.step(observation, verdict, missed)
        if reason:
            self._give_up(reason)
        elif trial.passed:
            self._trial = None
            self._trust(version)

    def failed(self, failure: Failure) -> bool:
        """A step raised: True where older weights are about to take over, so that play can go on."""
        if self._trial is not None:
            self._give_up(f"a step raised {failure.reason}")
        return self._bad.is_set()

    def _give_up(self, reason: str) -> None:
        self._trial = None
        self._bad_reason = reason
        self._bad.set()

    def _trust(self, version: int) -> None:
        policy = self.policy
        if policy.version == version:
            self._trusted = _Trusted(None, policy.tensors, version)
            self._disk.submit(lambda: self.store.mark_good(policy.name, version))

    async def mend(self) -> None:
        """Take back each version that fails its trial; ends by cancellation."""
        while True:
            await self._bad.wait()
            async with self._exchange:
                await self._roll_back(self._bad_reason)
                self._trial = None
                self._bad.clear()

    async def _roll_back(self, reason: str) -> None:
        trusted, bad = self._trusted, self.policy.version
        assert trusted is not None
        if trusted.prepared is None:
            trusted.prepared = await self._disk.run(lambda: self.policy.prepare(trusted.tensors, "trusted weights"))
        notes = {"taken_back": bad, "restores": trusted.version, "reason": reason}
        origin = await self._disk.run(lambda: self.store.origin(self.policy.name, trusted.version))
        stored_notes = notes | {ORIGIN: origin}
        try:
            stored = await self._disk.run(
                lambda: self._publish(trusted.tensors, f"roll-back of version {bad}", stored_notes)
            )
            version = stored.version
            await self._disk.run(lambda: self.store.mark_good(self.policy.name, version))
        except WeightsError as error:
            self.refuse("roll-back", str(error))
            version = self.store.skip(self.policy.name)
        await self._swap(trusted.prepared, version)
        trusted.version = version
        self.rollbacks = [*self.rollbacks[-19:], {**notes, "version": version}]
        self._say("weights_rolled_back", f"version {bad} taken back: {reason}", {**notes, "version": version})
        log.warning("weights_rolled_back", **notes, version=version)

    # --- files that people put into the folder -----------------------------------------------------------------

    async def watch(self) -> None:
        """Look at the folder four times a second and take up what is new or changed; ends by cancellation."""
        while True:
            await self._clock.sleep_until(self._clock.now_s() + LOOK_EVERY_S)
            async with self._exchange:
                await self._follow()
                await self._write_again()
            for path, identity in await self._disk.run(self._changed):
                self._seen[path.name] = identity
                await self._offer_file(path, identity)

    async def _follow(self) -> None:
        """Take up a later version that another process has published."""
        name = self.policy.name
        newest = await self._disk.run(lambda: self.store.current(name))
        if newest is None or newest.version <= max(self.policy.version, self._followed):
            return
        version = self._followed = newest.version
        try:
            found = await self._disk.run(lambda: self._fitting(version))
        except WeightsError as error:
            self.refuse(newest.path.name, str(error))
            return
        await self._swap(found.prepared, version)
        self._trial = Trial(version, self._baseline.missed_share)
        source = newest.manifest.created_by or "another process"
        self._say("weights_live", f"version {version} from {source}, by another process", {"version": version})

    async def _write_again(self) -> None:
        """Write the weights in force again where the store has lost them."""
        policy, version, tensors = self.policy, self.policy.version, self.policy.tensors
        if self._clock.now_s() < self._write_again_s:
            return
        try:
            missing = await self._disk.run(
                lambda: self.store.write_again(
                    policy.name,
                    version,
                    tensors,
                    kind=policy.kind,
                    layout=policy.layout,
                    sizes=_sizes(policy),
                    created_by="memory",
                )  # fmt: skip
            )
        except WeightsError as error:
            self._write_again_s = self._clock.now_s() + WRITE_AGAIN_S
            self.refuse("memory", str(error))
            return
        if missing:
            self._say("weights_written_again", f"version {version} was missing in the store", {"version": version})

    def _changed(self) -> list[tuple[Path, Identity]]:
        found = []
        for path in sorted(self.store.folder.glob("*.safetensors")):
            try:
                identity = _identity(path)
            except OSError:
                continue
            if self._seen.get(path.name) != identity:
                found.append((path, identity))
        return found

    async def _offer_file(self, path: Path, identity: Identity) -> None:
        try:
            sha256, tensors = await self._disk.run(lambda: self.read_file(path))
            await self.offer(tensors, path.name, {"file": path.name, "sha256": sha256, ORIGIN: sha256})
        except (WeightsError, OSError) as error:
            self.refuse(printable(path.name), str(error))
            return
        self.refused.pop(path.name, None)
        self._accepted[path.name] = identity
        await self._disk.run(self._write_accepted)

    def read_file(self, path: Path) -> tuple[str, Tensors]:
        """SHA-256 and tensors of a sealed file that this policy takes; blocks, raises WeightsError."""
        if not path.name.isprintable():
            raise WeightsError(f"{printable(path.name)}: its name has characters that cannot be shown; rename it")
        if path.is_symlink():
            raise WeightsError(f"{path}: is a symbolic link; put the file itself there")
        manifest = read_manifest(path)
        self._check(manifest, str(path))
        expected = specs_of(self.policy.tensors)
        for name in sorted(expected.keys() | manifest.tensors.keys()):
            if manifest.tensors.get(name) != expected.get(name):
                raise WeightsError(
                    f"{path}: tensor {name} is {manifest.tensors.get(name)}, the policy has {expected.get(name)}"
                )
        return manifest.sha256, load_sealed(path, follow_links=False)[1]

    @property
    def _accepted_path(self) -> Path:
        return self.store.folder / folder_name(self.policy.name) / "accepted.json"

    def _known_files(self) -> dict[str, Identity]:
        """Files that were taken up before, also where the session ended before that was written down."""
        known, current = self._read_accepted(), self.store.current(self.policy.name)
        taken = current.manifest.notes.get("sha256") if current is not None else None
        for path in self.store.folder.glob("*.safetensors") if taken else ():
            try:
                if read_manifest(path).sha256 == taken:
                    known[path.name] = _identity(path)
            except (WeightsError, OSError):
                continue
        return known

    def _read_accepted(self) -> dict[str, Identity]:
        try:
            return msgspec.json.decode(self._accepted_path.read_bytes(), type=dict[str, Identity])
        except (OSError, RecursionError, msgspec.DecodeError, msgspec.ValidationError):
            return {}

    def _write_accepted(self) -> None:
        try:
            write_atomically(self._accepted_path, msgspec.json.encode(self._accepted))
        except OSError as error:
            log.warning("weights_accepted_not_written", reason=str(error))

    def status(self) -> dict[str, Any]:
        """What is served, since when, what was refused and what was taken back."""
        return {
            "policy": self.policy.name,
            "version": self.policy.version,
            "folder": str(self.store.folder),
            "on_trial": self._trial is not None,
            "swaps": self.swaps,
            "rollbacks": list(self.rollbacks),
            "refused": dict(self.refused),
        }


def _sizes(policy: Reloadable) -> dict[str, Any]:
    """What builds the network again, for the manifest."""
    return dict(msgspec.to_builtins(policy.sizes)) if policy.sizes is not None else {}


def _identity(path: Path) -> Identity:
    """What changes when a file or its manifest does."""
    info = path.lstat()
    try:
        beside = manifest_path(path).lstat()
    except OSError:  # also where the name is too long for a manifest's beside it
        return (info.st_mtime_ns, info.st_size, info.st_ino)
    return (info.st_mtime_ns, info.st_size, info.st_ino, beside.st_mtime_ns, beside.st_size, beside.st_ino)


def _same_specs(tensors: Tensors, live: Tensors, where: str) -> None:
    found, expected = specs_of(tensors), specs_of(live)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise WeightsError(f"{where}: tensor {name} is {found.get(name)}, the policy has {expected.get(name)}")
