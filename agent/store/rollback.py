"""Going back, for a person: to a version that the store still holds, or to what came with the program.

Versions only grow: going back stores the older weights as the next version, so that whoever plays or learns from this
store takes them up. Calls block on the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.core.errors import WeightsError
from agent.store.store import MOTOR, ORIGIN, OUTCOMES, Stored, WeightsStore, folder_name, motor_name, outcomes_name

REMOVED: Final = "removed"
_STAYS: Final = "accepted.json"
"""What was taken up of the files that people put into the weights folder: they are not taken up again."""


def one_policy(store: WeightsStore, policy: str | None) -> str:
    """The policy that is meant: the named one, or the only one; raises WeightsError."""
    there = [name for name in store.policies() if policy is not None or not name.endswith((OUTCOMES, MOTOR))]
    if policy is None and len(there) == 1:
        return there[0]
    if policy in there:
        return policy
    if not there:
        raise WeightsError(f"{store.folder}: holds no versions of any policy")
    asked = "name one with --policy" if policy is None else f"none is called {policy}"
    raise WeightsError(f"{store.folder}: holds {', '.join(there)}; {asked}")


def roll_back(store: WeightsStore, policy: str, version: int | None) -> Stored:
    """Make an older version's weights the next version, the one before the current unless told; raises WeightsError."""
    current, versions = store.current(policy), store.versions(policy)
    newest = current.version if current is not None else 0
    older = [v for v in versions if v < newest]
    if version is None and older:
        version = older[-1]
    if version is None or version not in versions or version == newest:
        held = f"versions {', '.join(map(str, versions))}" if versions else "no version"
        asked = "nothing older to go back to" if version is None else f"version {version} cannot be gone back to"
        raise WeightsError(f"{policy}: {asked}; the store holds {held}, and {newest} is in force")
    stored, tensors = store.load(policy, version)
    m = stored.manifest
    return store.publish(
        policy, tensors, kind=m.kind, layout=m.layout, sizes=m.sizes,
        created_by=f"weights rollback to version {version}",
        notes={"restores": version, "instead_of": newest, ORIGIN: m.notes.get(ORIGIN, "")},
    )  # fmt: skip


def reset(store: WeightsStore, policy: str) -> Path:
    """Put all versions of a policy aside, with what its learners know and made; returns where to.

    The next start plays the weights that came with the program. Raises WeightsError, also while play runs.
    """
    if store.is_played(policy.removesuffix(OUTCOMES).removesuffix(MOTOR)):
        raise WeightsError(f"{policy}: play is running with it and would write it again; end play, then reset")
    removed = store.folder / REMOVED
    numbers = [int(p.name) for p in removed.glob("*") if p.name.isdigit()]
    aside = removed / f"{max(numbers, default=0) + 1:04d}"
    homes = [store.folder / folder_name(name) for name in (policy, outcomes_name(policy), motor_name(policy))]
    try:
        for home in homes:
            for path in sorted(home.iterdir()) if home.is_dir() else ():
                if path.name != _STAYS:
                    (aside / home.name).mkdir(parents=True, exist_ok=True)
                    path.rename(aside / home.name / path.name)
    except OSError as error:
        raise WeightsError(f"{error.filename or store.folder}: {error.strerror or error}") from error
    return aside
