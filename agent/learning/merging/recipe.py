"""One signature for all methods: a base, models fine-tuned from it, and a recipe give merged tensors and a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import msgspec
import numpy as np

from agent.core.errors import WeightsError
from agent.learning.merging import methods
from agent.learning.merging.vectors import Float32, Tensors, added, check_alike, pairwise, parameters, task_vectors

Method = Literal["ties", "weighted", "retain", "average", "task-arithmetic", "dare", "iso-c", "ram"]
METHODS: Final[tuple[str, ...]] = get_args(Method)
_SCALES: Final[dict[str, float]] = {"retain": 0.5, "task-arithmetic": 0.5, "dare": 0.5}
"""How much of the merged vector is added where nothing is said; of the others all of it."""
MAX_SCALE: Final = 4.0
MAX_WEIGHT: Final = 2.0


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How policies are merged. weights: one for each source, in 0 … 2; empty for 1 each.

    density: of ties, weighted and dare, the share of entries that stay. scale: how much of the merged vector is added
    to the base (λ; retain's a); None for the method's own. threshold: of ram, relative. seed: of dare.
    """

    method: Method = "ties"
    weights: tuple[float, ...] = ()
    density: float = 0.2
    scale: float | None = None
    threshold: float = 0.02
    seed: int = 0

    @property
    def factor(self) -> float:
        """The scale, or the method's own."""
        return _SCALES.get(self.method, 1.0) if self.scale is None else self.scale

    def check(self, sources: int) -> None:
        """Raise WeightsError for numbers that are out of bounds."""
        if self.method not in METHODS:
            raise WeightsError(f"method {self.method!r}: there are {', '.join(METHODS)}")
        if self.weights and len(self.weights) != sources:
            raise WeightsError(f"{len(self.weights)} weights for {sources} sources: one for each is needed")
        numbers = [("density", self.density, 0.0, 1.0), ("scale", self.factor, 0.0, MAX_SCALE)]
        numbers += [("threshold", self.threshold, 0.0, 1.0), *(("weight", w, 0.0, MAX_WEIGHT) for w in self.weights)]
        for name, value, low, high in numbers:
            if not (math.isfinite(value) and low <= value <= high):
                raise WeightsError(f"{name} {value:g}: {low:g} to {high:g}")
        if self.density == 0.0:
            raise WeightsError("density 0: nothing would stay; name more than 0")
        if self.weights and not any(self.weights):
            raise WeightsError("weights: all are 0, so nothing would be merged")


class Merged(msgspec.Struct, frozen=True, eq=False):
    """Merged tensors, and what there is to say of them."""

    tensors: Tensors
    report: dict[str, Any]


def merge(base: Tensors, models: Sequence[Tensors], recipe: Recipe, names: Sequence[str] | None = None) -> Merged:
    """Merge models that were fine-tuned from a base; names: of the models, for the report.

    Raises WeightsError where they do not fit, see through another normaliser, or the method does not apply.
    """
    called = list(names) if names is not None else [f"source {k + 1}" for k in range(len(models))]
    if not models:
        raise WeightsError("nothing to merge: name at least one source")
    recipe.check(len(models))
    check_alike(base, models, called)
    keys = parameters(base)
    vectors = task_vectors(base, models, keys)
    report: dict[str, Any] = {
        "sources": called, "pairwise": [msgspec.to_builtins(pair) for pair in pairwise(vectors, called)],
        "method": recipe.method, "topk": recipe.density, "recipe": msgspec.to_builtins(recipe),
    }  # fmt: skip
    shapes = [base[key].shape for key in keys]
    if recipe.method == "ram":
        report["histogram"] = msgspec.to_builtins(methods.histogram(methods.changed(vectors, shapes, recipe.threshold)))
    vector = merged_vector(vectors, shapes, recipe)
    return Merged(added(base, np.float32(recipe.factor) * vector, keys), report)


def merged_vector(vectors: Float32, shapes: methods.Shapes, recipe: Recipe) -> Float32:
    """The vector [d] of task vectors [n, d], before it is scaled."""
    weights = np.array(recipe.weights or (1.0,) * len(vectors), np.float32)
    match recipe.method:
        case "ties":
            return methods.ties(vectors * weights[:, None] if recipe.weights else vectors, recipe.density)
        case "weighted":
            return methods.weighted_ties(vectors, weights, recipe.density)
        case "retain" | "average":
            return methods.average(vectors, weights)
        case "task-arithmetic":
            return methods.arithmetic(vectors, weights)
        case "dare":
            return methods.dare(vectors, weights, recipe.density, np.random.default_rng(recipe.seed))
        case "iso-c":
            return methods.iso_c(vectors, weights, shapes)
        case "ram":
            return methods.ram(vectors * weights[:, None] if recipe.weights else vectors, shapes, recipe.threshold)
