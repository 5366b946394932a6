"""The store of weights: a folder for each policy, numbered versions that only grow, the last three kept.

Layout under METABONK_WEIGHTS_DIR: `NAME/v00000012.safetensors` with its manifest, and `NAME/current`, which names a
complete version at every instant. Files that people put into METABONK_WEIGHTS_DIR itself are offers, not versions:
`store.reload` looks after those. Owns no thread; calls block on the disk, so they belong into a lane.
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from agent.core.errors import WeightsError
from agent.core.files import remove_leftovers, write_atomically
from agent.core.folders import data_folder
from agent.models.sealed import Manifest, Tensors, load_sealed, manifest_path, save_sealed

KEEP: Final = 3
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
CURRENT: Final = "current"
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
    version: int
    highest: int


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


class WeightsStore:
    """Versions of every policy. Several threads and processes may publish: a number is claimed by one of them."""

    def __init__(self, folder: Path, *, keep: int = KEEP) -> None:
        self.folder = folder
        self._keep = keep
        self._lock = threading.RLock()
        self._highest: dict[str, int] = {}
        self._current: dict[str, Stored | None] = {}

    def policies(self) -> list[str]:
        """Names of the policies that have a current version, sorted."""
        names = []
        for path in sorted(self.folder.glob(f"policy-*/{CURRENT}")):
            current = _read_current(path)
            if current is not None:
                names.append(current.policy)
        return sorted(names)

    def current(self, policy: str) -> Stored | None:
        """The version that `current` names, or the newest whole one where that is damaged; None where there is none."""
        with self._lock:
            if policy not in self._current:
                self._recover(policy)
            return self._current[policy]

    def versions(self, policy: str) -> list[int]:
        """The versions whose files lie in the store, ascending."""
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

        A failure at any step leaves the version before in force, and its number is not given out again.
        """
        with self._lock:
            before = self.current(policy)
            version = self._claim(policy)
            path = self.path(policy, version)
            try:
                manifest = save_sealed(
                    path,
                    tensors,
                    kind=kind,
                    layout=layout,
                    sizes=sizes or {},
                    created_by=created_by,
                    parent=before.path.name if before is not None else "",
                    version=version,
                    notes=dict(notes or {}),
                )
                self._point(policy, version)
                self._prune(policy, version)
            except OSError as error:
                raise WeightsError(f"{path}: {error.strerror or error}; version {version} was not stored") from error
            finally:
                _remove(self._claim_path(policy, version))
            stored = Stored(policy, version, path, manifest)
            self._current[policy] = stored
            return stored

    def path(self, policy: str, version: int) -> Path:
        """Where a version lies."""
        return self._home(policy) / f"v{version:08d}.safetensors"

    def skip(self, policy: str) -> int:
        """Give out the next version without storing anything under it."""
        with self._lock:
            self.current(policy)
            self._highest[policy] += 1
            return self._highest[policy]

    # --- files ---------------------------------------------------------------------------------------------

    def _home(self, policy: str) -> Path:
        return self.folder / folder_name(policy)

    def _files(self, policy: str) -> list[tuple[int, Path]]:
        home = self._home(policy)
        if not home.is_dir():
            return []
        return [(int(m[1]), p) for p in home.iterdir() if (m := _FILE.fullmatch(p.name)) is not None]

    def _claim_path(self, policy: str, version: int) -> Path:
        return self._home(policy) / f".v{version:08d}.claim"

    def _claim(self, policy: str) -> int:
        """A version above all that this folder has seen, which no other process will take."""
        home = self._home(policy)
        try:
            home.mkdir(parents=True, exist_ok=True)
            named = _read_current(home / CURRENT)
            on_disk = [v for v, _ in self._files(policy)] + ([named.highest] if named is not None else [])
            version = max([self._highest[policy], *on_disk])
            while True:
                version += 1
                try:
                    os.close(os.open(self._claim_path(policy, version), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                except FileExistsError:
                    continue
                self._highest[policy] = version
                return version
        except OSError as error:
            raise WeightsError(f"{home}: {error.strerror or error}; set METABONK_WEIGHTS_DIR") from error

    def _point(self, policy: str, version: int) -> None:
        content = _Current(policy, version, self._highest[policy])
        write_atomically(self._home(policy) / CURRENT, msgspec.json.encode(content))

    def _prune(self, policy: str, newest: int) -> None:
        for version, path in sorted(self._files(policy))[: -self._keep]:
            if version != newest:
                _remove(manifest_path(path))
                _remove(path)

    def _recover(self, policy: str) -> None:
        """Read what an earlier process left: unfinished files go, damaged ones are put aside with the reason."""
        home = self._home(policy)
        files = dict(self._files(policy))
        remove_leftovers(home)
        for path in home.glob(".v*.claim") if home.is_dir() else ():
            _remove(path)
        named = _read_current(home / CURRENT)
        self._highest[policy] = max([0, *files, *((named.version, named.highest) if named is not None else ())])
        wanted = sorted(files, reverse=True)
        if named is not None and named.version in files:
            wanted.remove(named.version)
            wanted.insert(0, named.version)
        self._current[policy] = None
        for version in wanted:
            try:
                manifest, _ = load_sealed(files[version], follow_links=False)
            except WeightsError as error:
                _put_aside(files[version], str(error))
                continue
            self._current[policy] = Stored(policy, version, files[version], manifest)
            break
        found = self._current[policy]
        if found is not None and (named is None or named.version != found.version):
            log.warning("weights_recovered", policy=policy, version=found.version)


def _read_current(path: Path) -> _Current | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Current)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
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
