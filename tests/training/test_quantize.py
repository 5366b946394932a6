"""The gate in front of rounded weights: what is worse is refused with its figures, what is not is written with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.control.motor import Motor, pilot_tensors, save_pilot
from agent.control.reflex import paths
from agent.control.untrained import untrained_tensors
from agent.core.clock import SystemClock
from agent.core.errors import SettingsError, WeightsError
from agent.games.arena.game import ArenaGame
from agent.models.sealed import read_manifest
from agent.training import quantize as module
from agent.training.quantize import calibrate, compare, quantize

RNG = np.random.default_rng(0)
SCORES = RNG.normal(300, 80, 30)


def test_the_same_scores_pass_and_clearly_lower_ones_do_not() -> None:
    assert compare(SCORES, SCORES, 0).passed
    assert compare(SCORES, SCORES + RNG.normal(-5, 60, 30), 0).passed
    worse = compare(SCORES, SCORES - 60 + RNG.normal(0, 30, 30), 0)
    assert not worse.passed and worse.difference_high_s < 0 and worse.difference_low_s < worse.difference_s
    assert compare(SCORES, SCORES + 100, 0).passed


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "p.safetensors"
    save_pilot(path, untrained_tensors(0), {"units": 64}, created_by="a test")
    return path


def run(source: Path, format_: Any, lower_by_s: float, monkeypatch: pytest.MonkeyPatch, episodes: int = 20) -> Path:
    """Quantise with scores that are given instead of played."""

    def played(game: Any, policy: Motor, clock: Any, *, episodes: int, seed: int) -> dict[str, Any]:
        lower_s = 0.0 if policy.chosen.weights == "fp32" else lower_by_s
        return {"results": [{"score_s": s - lower_s} for s in SCORES[:episodes]]}

    monkeypatch.setattr(module, "evaluate", played)
    out = source.with_name("out.safetensors")
    quantize(source, format_, out, ArenaGame(), SystemClock(), episodes=episodes, seed=7, say=lambda text: None)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["int8", "int4", "nvfp4"])
def test_what_passes_is_written_with_its_figures_and_can_be_loaded(
    source: Path, format_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run(source, format_, 0.0, monkeypatch)
    manifest, tensors = read_manifest(out), pilot_tensors(out)
    assert manifest.notes["quantised"] == format_ and manifest.notes["gate"]["passed"] is True
    assert manifest.parent == read_manifest(source).sha256
    assert paths.format_of(tensors) == format_ == Motor(tensors).chosen.weights
    assert out.stat().st_size < source.stat().st_size
    if format_ == "nvfp4":
        assert float(tensors["trunk.0.input_scale"]) > 0


def test_what_is_worse_is_refused_with_its_figures_and_not_written(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsError, match=r"-50\.0 s \[-50\.0, -50\.0\]"):
        run(source, "int4", 50.0, monkeypatch)
    assert not source.with_name("out.safetensors").exists()


def test_too_few_episodes_and_weights_that_are_rounded_already_are_refused(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="at least 20"):
        run(source, "int8", 0.0, monkeypatch, episodes=19)
    save_pilot(source, paths.round_int8(untrained_tensors(0)), {}, created_by="a test")
    with pytest.raises(WeightsError, match="int8 already"):
        run(source, "int8", 0.0, monkeypatch)


def test_a_place_that_cannot_be_written_or_is_the_source_is_refused_before_anything_is_played(source: Path) -> None:
    for out, why in ((source.parent / "nowhere" / "o.safetensors", "no folder"), (source, "would be lost")):
        with pytest.raises(SettingsError, match=why):
            quantize(source, "int8", out, ArenaGame(), SystemClock(), episodes=20, seed=7, say=pytest.fail)


@pytest.mark.slow
def test_calibration_sees_the_largest_input_of_every_layer() -> None:
    maximum = calibrate(untrained_tensors(0), ArenaGame(), 3)
    assert set(paths.INNER) <= maximum.keys() and all(v > 0 for v in maximum.values())
    assert maximum["encoder.flat.0"] <= 8.0
