"""`train outcomes`: choices are gathered with the options given, and the sealed model says where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.core.choices import EDGES, Choices
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError
from agent.models.sealed import read_manifest
from agent.training import outcomes as module
from agent.training.arena.choices import SIZES
from agent.training.options import OutcomesOptions
from agent.training.outcomes import train_outcomes


def episode(rng: np.random.Generator, length: int = 6) -> Choices:
    picks = rng.integers(0, 2, length)
    options = rng.random((length, 3, SIZES.option), np.float32)
    return Choices(
        options, np.ones(options.shape[:2], np.bool_), picks, rng.integers(0, len(EDGES) + 1, length),
        np.zeros(length, np.bool_), rng.random((length, SIZES.context), np.float32), np.arange(length),
    )  # fmt: skip


def test_the_model_is_sealed_with_what_it_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def gather(runs: tuple[int, int, int], decisions: int, pick: Any, *, say: Any) -> list[Choices]:
        asked.append((*runs, decisions))
        rng = np.random.default_rng(0)
        return [episode(rng) for _ in range(20)]

    monkeypatch.setattr(module, "PilotRuns", lambda runs, seed, tensors, casts: (runs, seed, len(casts)))
    monkeypatch.setattr(module, "gather", gather)
    out, said = tmp_path / "o.safetensors", list[str]()
    options = OutcomesOptions(runs=3, decisions=7, seed=5, max_steps=1, out=out)
    assert train_outcomes(options, SystemClock(), said.append) == 0
    assert asked == [(3, 5, 24, 7)] and str(out) in said[-1]
    manifest = read_manifest(out)
    assert manifest.created_by == manifest.notes["trained_by"] == "python -m agent train outcomes"
    assert (manifest.notes["episodes"], manifest.notes["choices"]) == (20, 120)


def test_too_few_runs_that_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PilotRuns", lambda runs, seed, tensors, casts: None)
    monkeypatch.setattr(module, "gather", lambda runs, decisions, pick, say: [])
    with pytest.raises(SettingsError, match="0 runs came to their end, 10 are needed"):
        train_outcomes(OutcomesOptions(), SystemClock(), lambda text: None)
