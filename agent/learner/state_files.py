"""What a learner's process goes on from: its state on disk, in numbered files of which the newest whole one counts.

`learner-00000012.safetensors` with its manifest lies beside the versions of the policy's weights. The manifest comes
last and the file before goes only then, so a process that is killed while it writes leaves the former state. Learners
of two sessions claim their numbers, and none deletes what the other writes. Calls block on the disk; only the learner's
process makes them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from agent.concurrency.claims import claim, is_abandoned
from agent.concurrency.supervise import Failure, attempt
from agent.core.errors import WeightsError
from agent.core.files import remove_leftovers
from agent.learning.learner import PolicyLearner
from agent.learning.state import load_state, state_tensors
from agent.models.sealed import load_sealed, manifest_path, save_sealed

KIND: Final = "learner-state"
PAID_BY: Final = "paid_by"
_FILE: Final = re.compile(r"learner-(\d{8,12})\.safetensors")


def _files(folder: Path) -> list[tuple[int, Path]]:
    """Numbers and files, the newest first."""
    if not folder.is_dir():
        return []
    found = [(int(m[1]), path) for path in folder.iterdir() if (m := _FILE.fullmatch(path.name)) is not None]
    return sorted(found, reverse=True)


def save(folder: Path, learner: PolicyLearner, notes: dict[str, Any]) -> Path:
    """Write the state, then drop the one before; the one before stays where the disk refuses (raises OSError) or a
    number of the new one is not finite, so that it could not be taken up (raises WeightsError).
    """
    tensors = {name: t.detach().cpu().numpy() for name, t in state_tensors(learner).items()}
    notes = {**notes, PAID_BY: learner.policy_spec.paid_by} if learner.policy_spec.paid_by else notes
    broken = [name for name, array in tensors.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if broken:
        raise WeightsError(f"{broken[0]} has values that are not finite; the state before stays")
    before = _files(folder)
    number = _claim(folder, before[0][0] + 1 if before else 1)
    path = _path(folder, number)
    try:
        save_sealed(path, tensors, kind=KIND, layout={}, sizes={}, created_by="the learner", notes=notes)
    finally:
        _claim_path(folder, number).unlink(missing_ok=True)
    for old_number, old in before:
        if not _claim_path(folder, old_number).exists():
            manifest_path(old).unlink(missing_ok=True)
            old.unlink(missing_ok=True)
    return path


def _path(folder: Path, number: int) -> Path:
    return folder / f"learner-{number:08d}.safetensors"


def _claim_path(folder: Path, number: int) -> Path:
    return folder / f".learner-{number:08d}.claim"


def _claim(folder: Path, number: int) -> int:
    """The first number from this one on that no other process is writing or has written."""
    folder.mkdir(parents=True, exist_ok=True)
    while not claim(_claim_path(folder, number)):
        number += 1
    if not _path(folder, number).exists():
        return number
    _claim_path(folder, number).unlink(missing_ok=True)
    return _claim(folder, number + 1)


def resume(folder: Path, make: Callable[[], PolicyLearner]) -> tuple[PolicyLearner, dict[str, Any], str]:
    """A learner with the newest whole state that fits, its notes and ""; or a new one, {}, and why it starts anew.

    A state whose replay was paid by another table of rewards does not fit. Those of version 0.1.0 do not say.
    """
    reasons = []
    remove_leftovers(folder)
    for path in folder.glob(".learner-*.claim") if folder.is_dir() else ():
        if is_abandoned(path):
            path.unlink(missing_ok=True)
    for _, path in _files(folder):
        learner = make()
        notes = attempt(partial(_take_up, path, learner))
        if not isinstance(notes, Failure):
            return learner, notes, ""
        reasons.append(str(notes.error) if isinstance(notes.error, WeightsError) else f"{path.name}: {notes.reason}")
        print(f"learner: state not taken up: {reasons[-1]}", file=sys.stderr, flush=True)
    return make(), {}, "; ".join(reasons) if reasons else "there is no state of an earlier session"


def _take_up(path: Path, learner: PolicyLearner) -> dict[str, Any]:
    """Load a state into a new learner, and return its notes; what this raises says why it cannot be used."""
    manifest, tensors = load_sealed(path, follow_links=False)
    if manifest.kind != KIND:
        raise WeightsError(f"{path.name} holds a {manifest.kind}")
    count = manifest.notes.get("rollouts", 0)
    if not isinstance(count, int) or count < 0:
        raise WeightsError(f"{path.name}: its notes say {str(count)[:40]} rollouts")
    paid_by, pays = manifest.notes.get(PAID_BY, ""), learner.policy_spec.paid_by
    if paid_by and pays and paid_by != pays:
        raise WeightsError(f"{path.name} learned from rewards of the table {str(paid_by)[:60]}; play's are of {pays}")
    load_state(learner, {name: torch.from_numpy(array) for name, array in tensors.items()})
    return dict(manifest.notes)
