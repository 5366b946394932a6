"""Each method equals its published formula to 1e-6, also with ties, zeros, one model and half precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.learning.merging import methods
from tests.learning.merging import reference

NEAR = 1e-6


def _vectors(n: int, d: int, seed: int, kind: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(0.0, 0.1, (n, d)).astype(np.float32)
    if kind == "ties":  # few sizes, so that many entries lie at the threshold and sums cancel
        found = (rng.integers(-3, 4, (n, d)) * 0.25).astype(np.float32)
    if kind == "zeros":
        found[rng.random((n, d)) < 0.9] = 0.0
    if kind == "half":
        found = found.astype(np.float16).astype(np.float32)
    return found


@pytest.mark.parametrize("kind", ["normal", "ties", "zeros", "half"])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("keep", [0.2, 0.05, 0.7])
def test_ties_is_the_authors(kind: str, n: int, keep: float) -> None:
    for seed in range(3):
        vectors = _vectors(n, 537, seed, kind)
        wanted = reference.ties(torch.zeros(537), list(torch.from_numpy(vectors)), keep, 1.3)
        assert np.abs(1.3 * methods.ties(vectors, keep) - wanted.numpy()).max() < NEAR


def test_ties_keeps_one_entry_more_than_the_share_and_all_that_are_as_large() -> None:
    vectors = np.array([[5, 4, 3, 2, 1, 0, 0, 0, 0, 0], [5, 1, 1, 1, 1, 1, 1, 1, 1, 1]], np.float32)
    kept = methods.trimmed(vectors, 0.2)
    assert kept[0].tolist() == [5, 4, 3, 0, 0, 0, 0, 0, 0, 0] and kept[1].tolist() == vectors[1].tolist()


def test_where_signs_cancel_the_sign_of_all_signs_decides() -> None:
    vectors = np.array([[1.0, 2.0, 2.0], [-1.0, 2.0, 2.0]], np.float32)
    assert methods.ties(vectors, 1.0 - 1e-9).tolist() == [1.0, 2.0, 2.0]
    assert methods.ties(-vectors, 1.0 - 1e-9).tolist() == [-1.0, -2.0, -2.0]


@pytest.mark.parametrize("kind", ["normal", "ties", "zeros", "half"])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_weighted_ties_is_normalised_over_the_sources_that_agree(kind: str, n: int) -> None:
    vectors = _vectors(n, 211, 7, kind)
    weights = np.array([0.3, 1.0, 1.7, 0.9][:n], np.float32)
    wanted = reference.weighted_ties(torch.from_numpy(vectors), torch.from_numpy(weights), 0.3)
    assert np.abs(methods.weighted_ties(vectors, weights, 0.3) - wanted.numpy()).max() < NEAR


def test_weighted_ties_of_equal_weights_is_ties() -> None:
    vectors = _vectors(3, 400, 1, "ties")
    equal = methods.weighted_ties(vectors, np.full(3, 0.7, np.float32), 0.2)
    assert np.abs(equal - methods.ties(vectors, 0.2)).max() < NEAR


def test_dare_drops_and_rescales_what_stays() -> None:
    vectors, weights = _vectors(3, 1000, 2, "normal"), np.array([1.0, 0.5, 2.0], np.float32)
    stays = torch.from_numpy(np.random.default_rng(5).random(vectors.shape) < 0.4)
    wanted = reference.dare(torch.from_numpy(vectors), torch.from_numpy(weights), 0.4, stays)
    found = methods.dare(vectors, weights, 0.4, np.random.default_rng(5))
    assert np.abs(found - wanted.numpy()).max() < 4 * NEAR
    means = [methods.dare(vectors, weights, 0.4, np.random.default_rng(s)) for s in range(400)]
    assert np.abs(np.mean(means, 0) - methods.arithmetic(vectors, weights)).mean() < 0.02


def test_iso_c_makes_the_singular_values_of_a_matrix_equal_and_averages_what_is_none() -> None:
    rng = np.random.default_rng(3)
    matrices = rng.normal(0, 0.1, (3, 6, 4)).astype(np.float32)
    biases = rng.normal(0, 0.1, (3, 5)).astype(np.float32)
    vectors = np.concatenate([matrices.reshape(3, -1), biases], 1)
    found = methods.iso_c(vectors, np.ones(3, np.float32), [(6, 4), (5,)])
    wanted = reference.iso_c([torch.from_numpy(m) for m in matrices])
    assert np.abs(found[:24].reshape(6, 4) - wanted.numpy()).max() < NEAR
    assert np.abs(found[24:] - biases.mean(0)).max() < NEAR
    assert np.ptp(np.linalg.svd(found[:24].reshape(6, 4), compute_uv=False)) < NEAR


def test_ram_sums_what_one_source_changed_and_averages_what_several_did() -> None:
    vectors = np.array([[1.0, 0.0, 2.0, 1e-4], [0.0, 3.0, 4.0, 0.0]], np.float32)
    assert methods.ram(vectors, [(4,)], 0.02).tolist() == [1.0, 3.0, 3.0, 0.0]
    counted = methods.histogram(methods.changed(vectors, [(4,)], 0.02))
    assert counted.shares == [0.25, 0.5, 0.25] and abs(counted.unique - 2 / 3) < 1e-5
    assert "unique among the changed: 66.67%" in counted.lines()[-1] and len(counted.lines()) == 4


def test_ram_is_refused_where_nearly_all_is_shared() -> None:
    """Every weight that Adam touched counts as changed at an absolute threshold of 1e-5; a relative one says so too."""
    vectors = _vectors(2, 1000, 0, "normal")
    with pytest.raises(WeightsError, match="RAM does not apply: .* average does the same"):
        methods.ram(vectors, [(1000,)], 0.001)


def test_one_source_alone_is_never_refused_by_ram() -> None:
    vectors = _vectors(1, 50, 0, "normal")
    assert np.array_equal(methods.ram(vectors, [(50,)], 0.0), vectors[0])
