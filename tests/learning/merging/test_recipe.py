"""One signature for all methods: bad numbers and sources that do not fit are refused, half precision stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.learning.merging.recipe import METHODS, Recipe, merge
from tests.learning.merging import reference


def _policy(seed: int, dtype: Any = np.float32, spread: float = 0.1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = np.random.default_rng(99)
    found = {}
    for name, shape in (("head.bias", (5,)), ("body.weight", (7, 6)), ("conv.weight", (2, 3, 2, 2))):
        start = base.normal(0, 1, shape)
        found[name] = (start + rng.normal(0, spread, shape) * (rng.random(shape) < 0.5)).astype(dtype)
    return found | {"steps": np.array(seed), "norm.mean": np.zeros(3, np.float32)}


BASE = _policy(0, spread=0.0)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_merges_and_leaves_integers_and_the_normaliser(method: Any) -> None:
    models = [_policy(1), _policy(2)]
    merged = merge(BASE, models, Recipe(method=method, scale=1.0), ["one", "two"])
    assert set(merged.tensors) == set(BASE) and merged.tensors["steps"] is BASE["steps"]
    assert all(merged.tensors[k].shape == BASE[k].shape and merged.tensors[k].dtype == BASE[k].dtype for k in BASE)
    assert not np.array_equal(merged.tensors["body.weight"], BASE["body.weight"])
    assert merged.report["sources"] == ["one", "two"] and merged.report["method"] == method
    assert merged.report["pairwise"][0]["a"] == "one" and ("histogram" in merged.report) == (method == "ram")


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_ties_of_named_tensors_is_the_authors_over_all_of_them_together(dtype: Any) -> None:
    base, models = _policy(0, dtype, 0.0), [_policy(k, dtype) for k in (1, 2, 3)]
    names = ["body.weight", "conv.weight", "head.bias"]

    def flat(tensors: dict[str, np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([tensors[n].astype(np.float32).reshape(-1) for n in names]))

    wanted = reference.ties(flat(base), [flat(m) for m in models], 0.2, 1.8).numpy().astype(dtype)
    merged = merge(base, models, Recipe(method="ties", scale=1.8)).tensors
    found = np.concatenate([merged[n].reshape(-1) for n in names])
    assert found.dtype == dtype and np.abs(found.astype(np.float64) - wanted).max() < 1e-6


def test_retain_lies_between_base_and_model_and_one_is_the_model() -> None:
    tuned = _policy(1)
    half = merge(BASE, [tuned], Recipe(method="retain")).tensors
    assert np.allclose(half["head.bias"], (BASE["head.bias"] + tuned["head.bias"]) / 2, atol=1e-6)
    whole = merge(BASE, [tuned], Recipe(method="retain", scale=1.0)).tensors
    assert np.allclose(whole["body.weight"], tuned["body.weight"], atol=1e-6)


def test_task_arithmetic_is_the_weighted_sum() -> None:
    models = [_policy(1), _policy(2)]
    merged = merge(BASE, models, Recipe(method="task-arithmetic", weights=(0.25, 2.0), scale=0.5)).tensors
    b = BASE["head.bias"]
    wanted = b + 0.5 * (0.25 * (models[0]["head.bias"] - b) + 2.0 * (models[1]["head.bias"] - b))
    assert np.allclose(merged["head.bias"], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (Recipe(weights=(1.0,)), "1 weights for 2 sources"),
        (Recipe(weights=(1.0, 2.5)), "weight 2.5: 0 to 2"),
        (Recipe(weights=(0.0, 0.0)), "all are 0"),
        (Recipe(density=1.5), "density 1.5"),
        (Recipe(density=0.0), "density 0"),
        (Recipe(scale=float("nan")), "scale nan"),
        (Recipe(threshold=-1.0), "threshold -1"),
    ],
)
def test_numbers_out_of_bounds_are_refused(recipe: Recipe, said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        merge(BASE, [_policy(1), _policy(2)], recipe)


def test_nothing_to_merge_is_refused() -> None:
    with pytest.raises(WeightsError, match="nothing to merge"):
        merge(BASE, [], Recipe())
