"""The gate in front of quantised weights: only what is shown to be no worse than the margin passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.commands.cli import run as run_command
from agent.control.motor import Motor, pilot_tensors, save_pilot
from agent.control.reflex import paths
from agent.control.untrained import untrained_tensors
from agent.core.errors import SettingsError, WeightsError
from agent.models.sealed import read_manifest
from agent.training import quantize as module
from agent.training.quantize import EPISODES, MARGIN_SHARE, calibrate, compare, episodes_needed, quantize

RNG = np.random.default_rng(0)
SHIPPED = Path(__file__).resolve().parents[2] / "agent" / "shipped" / "pilot.safetensors"
SCORES = RNG.normal(1093, 200, EPISODES)
MARGIN_S = MARGIN_SHARE * float(SCORES.mean())
SPREAD_S = 390.0
"""Of the paired differences of the pilot of 0.1.0; the docstring of the gate computes with it."""


def old_rule(gate: module.Gate) -> bool:
    """The gate of version 0.1.0: it passed wherever the interval reached zero."""
    return gate.difference_high_s >= 0


def centred(spread_s: float, episodes: int = EPISODES) -> np.ndarray:
    """Differences with exactly this mean (zero) and spread."""
    noise = RNG.normal(0, 1, episodes)
    return (noise - noise.mean()) / noise.std(ddof=1) * spread_s


def test_the_same_scores_pass_and_so_do_better_ones() -> None:
    same = compare(SCORES, SCORES, 7)
    assert same.passed and same.difference_low_s == same.difference_s == 0.0
    assert (same.episodes, same.seed, same.margin_s) == (EPISODES, 7, round(MARGIN_S, 2))
    assert compare(SCORES, SCORES + 50, 0).passed


def test_a_loss_beyond_the_margin_fails_and_a_sure_small_one_passes() -> None:
    assert not compare(SCORES, SCORES - 1.05 * MARGIN_S, 0).passed
    assert compare(SCORES, SCORES - 0.95 * MARGIN_S, 0).passed
    assert not compare(SCORES, SCORES - 2 * MARGIN_S + centred(SPREAD_S), 0).passed


def test_what_few_episodes_cannot_show_fails_where_the_old_rule_let_it_through() -> None:
    few = SCORES[:30]
    gate = compare(few, few - 91 + centred(355.0, 30), 0)
    assert old_rule(gate) and not gate.passed
    assert gate.difference_low_s < -200 and gate.difference_high_s > 0, "not the interval that int8 had"
    lucky = compare(few, few, 0)
    assert lucky.difference_low_s == 0.0 and not lucky.passed, "a number of episodes below the minimum decides nothing"


def test_more_episodes_pass_more_easily() -> None:
    wide = centred(600.0)
    assert not compare(SCORES, SCORES + wide, 0).passed
    more, wider = np.tile(SCORES, 4), np.tile(wide, 4)
    assert compare(more, more + wider, 0).passed


def test_the_stated_number_of_episodes_has_the_stated_power() -> None:
    assert episodes_needed(SPREAD_S, 54.7, 0.9) == 535
    assert episodes_needed(SPREAD_S, 54.7, 0.8) == episodes_needed(100.0, 54.7) == EPISODES
    assert episodes_needed(2 * SPREAD_S, 54.7) == 1596
    as_good = [compare(SCORES, SCORES + RNG.normal(0, SPREAD_S, EPISODES), 0).passed for _ in range(60)]
    assert 0.62 <= np.mean(as_good) <= 0.95
    worse = [compare(SCORES, SCORES + RNG.normal(-MARGIN_S, SPREAD_S, EPISODES), 0).passed for _ in range(60)]
    assert np.mean(worse) <= 0.1


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "p.safetensors"
    save_pilot(path, untrained_tensors(0), {"units": 64}, created_by="a test")
    return path


def give(monkeypatch: pytest.MonkeyPatch, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Scores that are given instead of played; `change` makes those of the quantised pilot."""

    def scores_s(tensors: Any, name: str, seeds: range, say: Any) -> Any:
        return SCORES[: len(seeds)] if name == "original" else change(SCORES[: len(seeds)])

    monkeypatch.setattr(module, "scores_s", scores_s)


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["int8", "int4", "nvfp4"])
def test_what_passes_is_written_with_its_figures_and_can_be_loaded(
    source: Path, format_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, lambda scores: scores)
    out = source.with_name("out.safetensors")
    quantize(source, format_, out, episodes=EPISODES, seed=7, say=lambda text: None)
    manifest, tensors = read_manifest(out), pilot_tensors(out)
    gate = manifest.notes["gate"]
    assert manifest.notes["quantised"] == format_ and gate["passed"] is True
    assert gate["margin_s"] == round(MARGIN_S, 2) and gate["margin_share"] == MARGIN_SHARE
    assert manifest.parent == read_manifest(source).sha256
    assert paths.format_of(tensors) == format_ == Motor(tensors).chosen.weights
    assert out.stat().st_size < source.stat().st_size
    if format_ == "nvfp4":
        assert float(tensors["trunk.0.input_scale"]) > 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda scores: scores - 200, "worse by more than the margin"),
        (lambda scores: scores + centred(900.0, len(scores)), "not ruled out; .* give --episodes [0-9]{4} with"),
    ],
)
def test_a_refusal_is_one_line_with_the_margin_and_what_to_do_and_exit_code_2(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: Any, why: str
) -> None:
    give(monkeypatch, change)
    out = source.with_name("out.safetensors")
    assert run_command(["quantize", str(source), "--format", "int8", "--out", str(out)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and not out.exists()
    for part in ("int8 is not written", f"margin {MARGIN_S:.1f} s (5% of the score)", "keep full precision"):
        assert part in lines[0]
    with pytest.raises(WeightsError, match=why):
        quantize(source, "int8", out, episodes=EPISODES, seed=0, say=lambda text: None)


def test_too_few_episodes_and_weights_that_are_quantised_already_are_refused(source: Path) -> None:
    out = source.with_name("out.safetensors")
    with pytest.raises(SettingsError, match=f"fewer than {EPISODES}"):
        quantize(source, "int8", out, episodes=EPISODES - 1, seed=7, say=pytest.fail)
    save_pilot(source, paths.round_int8(untrained_tensors(0)), {}, created_by="a test")
    with pytest.raises(WeightsError, match="int8 already"):
        quantize(source, "int8", out, episodes=EPISODES, seed=7, say=pytest.fail)


def test_a_place_that_cannot_be_written_or_is_the_source_is_refused_before_anything_is_played(source: Path) -> None:
    for out, why in ((source.parent / "nowhere" / "o.safetensors", "does not exist"), (source, "would be lost")):
        with pytest.raises(SettingsError, match=why):
            quantize(source, "int8", out, episodes=EPISODES, seed=7, say=pytest.fail)


@pytest.mark.slow
def test_played_episodes_pass_the_same_pilot_and_refuse_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EPISODES", 2)
    out = tmp_path / "out.safetensors"
    monkeypatch.setattr(module, "quantised", lambda tensors, format_, seed: tensors)
    gate = quantize(SHIPPED, "int8", out, episodes=2, seed=5000, say=lambda text: None)
    assert gate.original_s == gate.quantised_s == 1200.0 and gate.difference_low_s == 0.0
    out.unlink()
    blind = {"axes.weight", "axes.bias"}
    broken = {name: np.zeros_like(t) if name in blind else t for name, t in pilot_tensors(SHIPPED).items()}
    monkeypatch.setattr(module, "quantised", lambda tensors, format_, seed: paths.round_int8(broken))
    with pytest.raises(WeightsError, match="worse by more than the margin"):
        quantize(SHIPPED, "int8", out, episodes=2, seed=5000, say=lambda text: None)
    assert not out.exists()


@pytest.mark.slow
def test_calibration_sees_the_largest_input_of_every_layer() -> None:
    maximum = calibrate(untrained_tensors(0), 3)
    assert set(paths.INNER) <= maximum.keys() and all(v > 0 for v in maximum.values())
    assert maximum["encoder.flat.0"] <= 8.0
