"""Named tensors as task vectors: what a fine-tuned policy differs by from its base.

Parameters are the floats; integers, counters and the normaliser's statistics are not merged. Names go in sorted order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.errors import WeightsError

Tensors = dict[str, NDArray[Any]]
Float32 = NDArray[np.float32]
_NORMALISER: Final = re.compile(r"(^|\.)norm(aliser)?\.(mean|var|count)$")
_COUNTER: Final = re.compile(r"(^|\.)(num_batches_tracked|decision_ticks|steps?|updates)$")


class Pair(msgspec.Struct, frozen=True):
    """How alike two task vectors are. sign_agreement: of the entries that neither leaves alone."""

    a: str
    b: str
    cosine: float
    sign_agreement: float


def is_normaliser(name: str) -> bool:
    """True for a statistic of the observations' normaliser."""
    return _NORMALISER.search(name) is not None


def parameters(tensors: Mapping[str, NDArray[Any]]) -> list[str]:
    """Sorted names of what is merged."""
    return sorted(
        name
        for name, t in tensors.items()
        if t.dtype.kind == "f" and not is_normaliser(name) and _COUNTER.search(name) is None
    )


def check_alike(base: Tensors, models: Sequence[Tensors], names: Sequence[str]) -> None:
    """Raise WeightsError where a model has other tensors than the base, or another normaliser."""
    for model, name in zip(models, names, strict=True):
        for key in sorted(base.keys() | model.keys()):
            mine, theirs = base.get(key), model.get(key)
            if mine is None or theirs is None or mine.shape != theirs.shape:
                said = [None if t is None else list(t.shape) for t in (theirs, mine)]
                raise WeightsError(f"{name}: tensor {key} is {said[0]}, that of the base is {said[1]}")
            if is_normaliser(key) and not np.array_equal(mine, theirs):
                raise WeightsError(
                    f"{name}: {key} is not the base's: policies are merged that see through one normaliser"
                )


def flat(tensors: Mapping[str, NDArray[Any]], names: Sequence[str]) -> Float32:
    """These tensors end to end [d], in single precision."""
    if not names:
        return np.zeros(0, np.float32)
    return np.concatenate([np.asarray(tensors[name], np.float32).reshape(-1) for name in names])


def task_vectors(base: Tensors, models: Sequence[Tensors], names: Sequence[str]) -> Float32:
    """What each model differs by from the base [n, d]."""
    return np.stack([flat(model, names) - flat(base, names) for model in models])


def added(base: Tensors, vector: Float32, names: Sequence[str]) -> Tensors:
    """The base with a vector [d] added; each tensor keeps its type, others are the base's."""
    found, at = dict(base), 0
    for name in names:
        tensor = base[name]
        part = vector[at : at + tensor.size].reshape(tensor.shape)
        found[name] = (np.asarray(tensor, np.float32) + part).astype(tensor.dtype)
        at += tensor.size
    return found


def pairwise(vectors: Float32, names: Sequence[str]) -> list[Pair]:
    """Cosine and agreement of signs of every two of the vectors [n, d]."""
    found = []
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            scale = float(lengths[i] * lengths[j])
            cosine = float(vectors[i].astype(np.float64) @ vectors[j]) / scale if scale else 0.0
            both = (vectors[i] != 0) & (vectors[j] != 0)
            agree = float((np.sign(vectors[i][both]) == np.sign(vectors[j][both])).mean()) if both.any() else 0.0
            found.append(Pair(names[i], names[j], round(cosine, 4), round(agree, 4)))
    return found
