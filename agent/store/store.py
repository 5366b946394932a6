"""The store of weights: a folder for each policy, numbered versions that only grow, the last three kept.

Layout under METABONK_WEIGHTS_DIR: `NAME/v00000012.safetensors` with its manifest, `NAME/current`, which names a
complete version at every instant, and `NAME/good`, which names the last version that acted well and is never pruned.
Files that people put into METABONK_WEIGHTS_DIR itself are offers, not versions: `store.reload` looks after those.

Many processes may use one store. A number is claimed by a file that only one of them can make; `current` is read anew
whenever another process has written it; what another is writing is never deleted. Owns no thread; calls block on the
disk, so they belong into a lane.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import structlog

from agent.concurrency.claims import claim, is_abandoned
from agent.core.errors import WeightsError
from agent.core.files import remove_leftovers, write_atomically
from agent.core.folders import data_folder
from agent.models.sealed import Manifest, Tensors, load_sealed, manifest_path, read_manifest, save_sealed

KEEP: Final = 3
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CURRENT: Final = "current"
GOOD: Final = "good"
ORIGIN: Final = "origin"
"""Among a version's notes: the SHA-256 of the weights that a person named, from which it was learned."""
OUTCOMES: Final = ".outcomes"
MOTOR: Final = ".cpqe"
PLAY_CLAIMS: Final = ".play-*.claim"
Identity = tuple[int, ...]
MAX_VERSION: Final = 10**11
"""Far beyond all that were ever given out: a file that names a higher one is damaged, and counts for nothing."""
_FILE: Final = re.compile(r"v(\d{8,12})\.safetensors")
log = structlog.get_logger(__name__)


class Stored(msgspec.Struct, frozen=True):
    """One version in the store."""

    policy: str
    version: int
    path: Path
    manifest: Manifest


class _Current(msgspec.Struct, frozen=True):
    """The content of `current`: the version that is served, and the highest that was ever given out."""

    policy: str
    version: Annotated[int, msgspec.Meta(ge=0, le=MAX_VERSION)]
    highest: Annotated[int, msgspec.Meta(ge=0, le=MAX_VERSION)]


class _Good(msgspec.Struct, frozen=True):
    """The content of `good`: the last version that acted well."""

    policy: str
    version: int


def default_folder() -> Path:
    """Where weights lie unless METABONK_WEIGHTS_DIR says otherwise."""
    return data_folder() / "weights"


def check_name(policy: str) -> str:
    """The name of a policy, if it is one; raises WeightsError."""
    if NAME.fullmatch(policy) is None:
        raise WeightsError(f"policy name {policy[:80]!r}: 1 to 64 letters, digits, _ . -, the first a letter or digit")
    return policy


def folder_name(policy: str) -> str:
    """The folder of a policy; names that differ in capitals alone do not share one, and none is a device's name."""
    name = check_name(policy)
    lower = name.lower()
    return f"policy-{lower}" if lower == name else f"policy-{lower}-{zlib.crc32(name.encode()):08x}"


def outcomes_name(policy: str) -> str:
    """The name under which a policy's model of outcomes is stored."""
    return f"{policy[:55]}{OUTCOMES}"


def motor_name(policy: str) -> str:
    """The name under which what a motor's learner makes is stored, whether it acts or not."""
    return f"{policy[:55]}{MOTOR}"


class WeightsStore:
    """Versions of every policy. Several threads and processes may publish: a number is claimed by one of them."""

    def __init__(self, folder: Path, *, keep: int = KEEP) -> None:
        self.folder = folder
        self._keep = keep
        self._lock = threading.RLock()
        self._highest: dict[str, int] = {}
        self._current: dict[str, Stored | None] = {}
        self._seen: dict[str, Identity] = {}

    def policies(self) -> list[str]:
        """Names of the policies that have a current version, sorted."""
        names = []
        for path in sorted(self.folder.glob(f"policy-*/{CURRENT}")):
            current = _read_current(path)
            if current is None:
                continue
            if NAME.fullmatch(current.policy) is None or folder_name(current.policy) != path.parent.name:
                log.warning("weights_pointer_of_another", path=str(path), policy=current.policy[:80])
                continue
            names.append(current.policy)
        return sorted(names)

    def named(self, policy: str) -> int:
        """The version that `current` names, 0 where it names none; looks at no other file and changes nothing."""
        current = _read_current(self.home(policy) / CURRENT)
        return 0 if current is None else current.version

    def current(self, policy: str) -> Stored | None:
        """The version that `current` names, or the newest whole one where that is damaged; None where there is none.

        Also one that another process has published since. Raises WeightsError where the folder cannot be read.
        """
        with self._lock, self._readable(policy):
            seen, known = self._pointer(policy), self._current.get(policy)
            is_new = policy not in self._current or (seen and seen != self._seen.get(policy))
            if is_new or (known is not None and not known.path.exists()):
                self._recover(policy)
                self._seen[policy] = seen
            found = self._current[policy]
            if found is None and not self._highest.get(policy):
                self._forget(policy)
            return found

    def _forget(self, policy: str) -> None:
        """Keep nothing of a name of which nothing was ever stored: anyone may ask for any name."""
        for kept in (self._current, self._seen, self._highest):
            kept.pop(policy, None)

    def versions(self, policy: str) -> list[int]:
        """The versions whose files lie in the store, ascending; raises WeightsError."""
        with self._readable(policy):
            return sorted(v for v, _ in self._files(policy))

    def load(self, policy: str, version: int | None = None) -> tuple[Stored, Tensors]:
        """One version with its tensors, the current one unless told; raises WeightsError."""
        stored = self.current(policy) if version is None else None
        if version is None and stored is None:
            raise WeightsError(f"policy {policy}: the store {self.folder} holds no version of it")
        path = stored.path if stored is not None else self.path(policy, version or 0)
        manifest, tensors = load_sealed(path, follow_links=False)
        return Stored(policy, manifest.version, path, manifest), tensors

    def publish(
        self,
        policy: str,
        tensors: Tensors,
        *,
        kind: str,
        layout: dict[str, Any],
        sizes: dict[str, Any] | None = None,
        created_by: str = "",
        notes: Mapping[str, Any] | None = None,
    ) -> Stored:
        """Write the next version and make it the current one; raises WeightsError where the disk refuses.

        It has the ORIGIN of the version before, unless its notes name one; "" is none.
        A failure at any step leaves the version before in force, and its number is not given out again.
        """
        _check_finite(policy, tensors)
        with self._lock:
            version = self._claim(policy)
            try:
                return self._write(policy, version, tensors, kind, layout, sizes or {}, created_by, dict(notes or {}))
            except OSError as error:
                path = self.path(policy, version)
                for part in (manifest_path(path), path):
                    _remove(part)
                raise WeightsError(f"{path}: {error.strerror or error}; version {version} was not stored") from error
            finally:
                _remove(self._claim_path(policy, version))

    def write_again(
        self,
        policy: str,
        version: int,
        tensors: Tensors,
        *,
        kind: str,
        layout: dict[str, Any],
        sizes: dict[str, Any],
        created_by: str = "",
    ) -> bool:
        """Write weights that are in force here, where the store has lost them: True where they were missing.

        Nothing is done while the store holds this version or a later one. Raises WeightsError.
        """
        with self._lock:
            newest = max(self.versions(policy), default=0)
            if newest > version or (newest == version and self._pointer(policy)):
                return False
            try:
                self.home(policy).mkdir(parents=True, exist_ok=True)
                self._write(policy, version, tensors, kind, layout, sizes, created_by, {"written_again": True})
            except OSError as error:
                path = self.path(policy, version)
                raise WeightsError(
                    f"{path}: {error.strerror or error}; version {version} is in memory alone"
                ) from error
            log.warning("weights_written_again", policy=policy, version=version)
            return True

    def _write(
        self,
        policy: str,
        version: int,
        tensors: Tensors,
        kind: str,
        layout: dict[str, Any],
        sizes: dict[str, Any],
        created_by: str,
        notes: dict[str, Any],
    ) -> Stored:
        """One version, and `current` where there is no later one."""
        path, named = self.path(policy, version), _read_current(self.home(policy) / CURRENT)
        parent = self.path(policy, named.version).name if named is not None else ""
        origin = notes.pop(ORIGIN, self.origin(policy, named.version) if named is not None else "")
        notes |= {ORIGIN: origin} if origin else {}
        manifest = save_sealed(
            path, tensors, kind=kind, layout=layout, sizes=sizes, created_by=created_by, parent=parent,
            version=version, notes=notes,
        )  # fmt: skip
        stored = Stored(policy, version, path, manifest)
        self._highest[policy] = max(version, self._highest.get(policy, 0))
        if self._point(policy, version):
            self._current[policy], self._seen[policy] = stored, self._pointer(policy)
        self._prune(policy, version)
        return stored

    def origin(self, policy: str, version: int) -> str:
        """The ORIGIN of a version; empty where it has none, or cannot be read."""
        try:
            return str(read_manifest(self.path(policy, version)).notes.get(ORIGIN, ""))
        except (OSError, WeightsError):
            return ""

    def good(self, policy: str) -> int:
        """The last version that acted well, 0 where none is known."""
        try:
            return msgspec.json.decode((self.home(policy) / GOOD).read_bytes(), type=_Good).version
        except (OSError, RecursionError, msgspec.DecodeError, msgspec.ValidationError):
            return 0

    def mark_good(self, policy: str, version: int) -> None:
        """Note that a version has acted well: it is never pruned until another has."""
        try:
            write_atomically(self.home(policy) / GOOD, msgspec.json.encode(_Good(policy, version)))
        except OSError as error:
            log.warning("weights_not_marked", policy=policy, version=version, reason=str(error))

    def path(self, policy: str, version: int) -> Path:
        """Where a version lies."""
        return self.home(policy) / f"v{version:08d}.safetensors"

    def skip(self, policy: str) -> int:
        """Give out the next version without storing anything under it, also where the folder cannot be read."""
        with self._lock:
            known = self._highest.get(policy, 0)
            with contextlib.suppress(OSError):
                known = self._newest(policy)
            self._highest[policy] = known + 1
            return self._highest[policy]

    def reserve(self, policy: str) -> int:
        """Give out the next version without storing anything under it, so that no process ever gives it out again.

        Raises WeightsError.
        """
        with self._lock:
            version = self._claim(policy)
            try:
                named = _read_current(self.home(policy) / CURRENT)
                if named is not None:
                    kept = msgspec.structs.replace(named, highest=max(version, named.highest))
                    write_atomically(self.home(policy) / CURRENT, msgspec.json.encode(kept))
                    self._point(policy, named.version)
            except OSError as error:
                raise WeightsError(f"{self.home(policy)}: {error.strerror or error}") from error
            finally:
                _remove(self._claim_path(policy, version))
            return version

    # --- who plays -------------------------------------------------------------------------------------------

    def claim_play(self, policy: str) -> Path | None:
        """A file that says that this process plays with a policy, until it is removed; None where none can be made."""
        home = self.home(policy)
        try:
            for path in home.glob(PLAY_CLAIMS):
                if is_abandoned(path):
                    _remove(path)
            for number in itertools.count(1):
                path = home / PLAY_CLAIMS.replace("*", str(number))
                if claim(path):
                    return path
        except OSError as error:
            log.info("play_not_claimed", policy=policy, reason=f"{home}: {error.strerror or error}")
        return None

    def is_played(self, policy: str) -> bool:
        """True where a process that lives, or one of another machine, says that it plays with this policy."""
        return any(not is_abandoned(path) for path in self.home(policy).glob(PLAY_CLAIMS))

    # --- files ---------------------------------------------------------------------------------------------

    def home(self, policy: str) -> Path:
        """The folder of a policy."""
        return self.folder / folder_name(policy)

    @contextlib.contextmanager
    def _readable(self, policy: str) -> Iterator[None]:
        """A context that turns OSError into WeightsError."""
        try:
            yield
        except OSError as error:
            home = error.filename or self.home(policy)
            why = f"{error.strerror or error}; make it readable, or set METABONK_WEIGHTS_DIR"
            raise WeightsError(f"{home}: {why}") from error

    def _files(self, policy: str) -> list[tuple[int, Path]]:
        home = self.home(policy)
        if not home.is_dir():
            return []
        found = [(int(m[1]), p) for p in home.iterdir() if (m := _FILE.fullmatch(p.name)) is not None]
        return [(version, path) for version, path in found if version <= MAX_VERSION]

    def _claim_path(self, policy: str, version: int) -> Path:
        return self.home(policy) / f".v{version:08d}.claim"

    def _pointer(self, policy: str) -> Identity:
        """What changes when `current` is written by anybody; empty where it is missing."""
        try:
            info = (self.home(policy) / CURRENT).stat()
        except OSError:
            return ()
        return (info.st_mtime_ns, info.st_ino, info.st_size)

    def _newest(self, policy: str) -> int:
        """The highest version that this store has seen or that lies in its folder."""
        named = _read_current(self.home(policy) / CURRENT)
        on_disk = [v for v, _ in self._files(policy)] + ([named.highest, named.version] if named is not None else [])
        return max([self._highest.get(policy, 0), *on_disk])

    def _claim(self, policy: str) -> int:
        """A version above all that this folder has seen, which no other process will take."""
        home = self.home(policy)
        try:
            home.mkdir(parents=True, exist_ok=True)
            version = self._newest(policy)
            while True:
                version += 1
                if not claim(self._claim_path(policy, version)):
                    continue
                newest = self._newest(policy)
                if newest < version:
                    self._highest[policy] = version
                    return version
                # Between the look and the claim another process wrote this version and gave its claim back.
                _remove(self._claim_path(policy, version))
                version = newest
        except OSError as error:
            raise WeightsError(f"{home}: {error.strerror or error}; set METABONK_WEIGHTS_DIR") from error

    def _point(self, policy: str, version: int) -> bool:
        """Have `current` name this version, or a later whole one; True where it is this one.

        Two processes may write at once: whoever is last looks again, so that `current` ends at the latest.
        """
        home, mine = self.home(policy), version
        while True:
            named = _read_current(home / CURRENT)
            if named is None or named.version < version or not self.path(policy, named.version).exists():
                highest = max(self._newest(policy), version)
                write_atomically(home / CURRENT, msgspec.json.encode(_Current(policy, version, highest)))
            whole = [v for v, path in self._files(policy) if manifest_path(path).exists()]
            version = max([version, *whole])
            named = _read_current(home / CURRENT)
            if named is not None and named.version >= version:
                return named.version == mine

    def _prune(self, policy: str, newest: int) -> None:
        kept = {newest, self.good(policy)}
        for version, path in sorted(self._files(policy))[: -self._keep]:
            if version not in kept:
                _remove(manifest_path(path))
                _remove(path)

    def _recover(self, policy: str) -> None:
        """Read what others left: what a process that is gone left unfinished goes, damaged versions are put aside."""
        home = self.home(policy)
        remove_leftovers(home)
        for path in home.glob(".v*.claim") if home.is_dir() else ():
            if is_abandoned(path):
                _remove(path)
        files = dict(self._files(policy))
        named = _read_current(home / CURRENT)
        self._highest[policy] = self._newest(policy)
        first = [named.version if named is not None else 0, self.good(policy)]
        wanted = [v for v in dict.fromkeys([*first, *sorted(files, reverse=True)]) if v in files]
        self._current[policy] = None
        for version in wanted:
            try:
                manifest, _ = load_sealed(files[version], follow_links=False)
            except WeightsError as error:
                if files[version].exists() and not self._claim_path(policy, version).exists():
                    _put_aside(files[version], str(error))
                continue
            self._current[policy] = Stored(policy, version, files[version], manifest)
            break
        found = self._current[policy]
        if found is not None and (named is None or named.version != found.version):
            log.warning("weights_recovered", policy=policy, version=found.version)


def _check_finite(policy: str, tensors: Tensors) -> None:
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise WeightsError(f"policy {policy}: tensor {name} has values that are not finite; nothing was stored")


def _read_current(path: Path) -> _Current | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Current)
    except FileNotFoundError:
        return None
    except (OSError, RecursionError, msgspec.DecodeError, msgspec.ValidationError) as error:
        log.warning("weights_pointer_unreadable", path=str(path), reason=str(error))
        return None


def _remove(path: Path) -> None:
    """Delete a file that is no longer needed; one that stays does no harm."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("weights_not_removed", path=str(path), reason=str(error))


def _put_aside(path: Path, reason: str) -> None:
    """Move a file that cannot be used, with its manifest, to `quarantine/`, and write down why."""
    aside = path.parent / "quarantine"
    log.warning("weights_quarantined", path=str(path), reason=reason)
    try:
        aside.mkdir(exist_ok=True)
        for part in (path, manifest_path(path)):
            if part.exists() or part.is_symlink():
                part.replace(aside / part.name)
        write_atomically(aside / f"{path.name}.reason.txt", reason + "\n")
    except OSError as error:
        log.warning("weights_quarantine_failed", path=str(path), reason=str(error))
