"""The methods of merging, each from task vectors [n, d] to one vector [d] that is added to the base.

TIES: Yadav et al. 2023. Weighted TIES normalises as mergekit does. RETAIN: Wortsman et al. 2022, linear towards the
base. Task arithmetic: Ilharco et al. 2023. DARE: Yu et al. 2024. Iso-C: Marczak et al. 2025. RAM sums what one source
alone changed and averages what several did, above a threshold relative to the tensor's root mean square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.errors import WeightsError
from agent.learning.merging.vectors import Float32

MIN_UNIQUE: Final = 0.05
"""With a smaller share of unique elements RAM is an average, and is refused."""
Shapes = Sequence[tuple[int, ...]]


def trimmed(vectors: Float32, density: float) -> Float32:
    """Each vector's entries that are at least as large as its (d − int(density · d))-th smallest; zeros for others."""
    count = vectors.shape[1]
    if count == 0:
        return vectors
    kth = count - int(count * density)
    if kth <= 0:
        return vectors.copy()
    sizes = np.abs(vectors)
    limit = np.partition(sizes, kth - 1, axis=1)[:, kth - 1 : kth]
    return np.where(sizes >= limit, vectors, np.float32(0.0))


def elected_signs(vectors: Float32) -> Float32:
    """The sign of each entry's sum [d]; where that is 0, the sign of all signs' sum."""
    signs: Float32 = np.sign(vectors.sum(axis=0))
    signs[signs == 0] = np.sign(signs.sum())
    return signs


def _kept(vectors: Float32, signs: Float32) -> NDArray[np.bool_]:
    return np.where(signs > 0, vectors > 0, vectors < 0)


def ties(vectors: Float32, density: float) -> Float32:
    """Trim, elect signs, and the mean of the entries whose sign was elected."""
    kept = trimmed(vectors, density)
    agree = _kept(kept, elected_signs(kept))
    total = np.where(agree, kept, np.float32(0.0)).sum(axis=0)
    merged: Float32 = total / np.maximum(agree.sum(axis=0), 1).astype(np.float32)
    return merged


def weighted_ties(vectors: Float32, weights: Float32, density: float) -> Float32:
    """As `ties`, every vector counting with its weight, of which those of an entry's agreeing sources add up to one."""
    kept = trimmed(vectors, density)
    heavy = kept * weights[:, None]
    agree = _kept(kept, elected_signs(heavy))
    total = np.where(agree, heavy, np.float32(0.0)).sum(axis=0)
    norm = np.where(agree, weights[:, None], np.float32(0.0)).sum(axis=0)
    merged: Float32 = np.where(norm > 0, total / np.where(norm > 0, norm, np.float32(1.0)), np.float32(0.0))
    return merged.astype(np.float32)


def average(vectors: Float32, weights: Float32) -> Float32:
    """The weighted mean: what RETAIN interpolates to."""
    merged: Float32 = (vectors * weights[:, None]).sum(axis=0) / weights.sum()
    return merged


def arithmetic(vectors: Float32, weights: Float32) -> Float32:
    """The weighted sum."""
    merged: Float32 = (vectors * weights[:, None]).sum(axis=0)
    return merged


def dare(vectors: Float32, weights: Float32, density: float, rng: np.random.Generator) -> Float32:
    """Drop entries at random, `density` of them stay; make the others larger by as much, and sum."""
    stays = rng.random(vectors.shape) < density
    return arithmetic(np.where(stays, vectors / np.float32(density), np.float32(0.0)), weights)


def iso_c(vectors: Float32, weights: Float32, shapes: Shapes) -> Float32:
    """Of each matrix the sum, with all its singular values their mean; of what is no matrix the mean."""
    total, mean, at = arithmetic(vectors, weights), average(vectors, weights), 0
    merged = mean.copy()
    for shape in shapes:
        size = int(np.prod(shape)) if shape else 1
        if len(shape) == 2:
            left, values, right = np.linalg.svd(total[at : at + size].reshape(shape).astype(np.float64), False)
            merged[at : at + size] = (values.mean() * (left @ right)).reshape(-1)
        at += size
    return merged


class Histogram(msgspec.Struct, frozen=True):
    """Shares of the elements that so many sources changed: from 0 to n. unique: of those that any did, one alone."""

    shares: list[float]
    unique: float

    def lines(self) -> list[str]:
        """For people, a bar each."""
        found = [
            f"changed by {count}: {share:7.2%} {'#' * round(40 * share)}" for count, share in enumerate(self.shares)
        ]
        return [*found, f"unique among the changed: {self.unique:.2%} (RAM applies from {MIN_UNIQUE:.0%})"]


def changed(vectors: Float32, shapes: Shapes, threshold: float) -> NDArray[np.bool_]:
    """Where a source changed an element [n, d]: by at least `threshold` of the tensor's root mean square change."""
    found, at = np.zeros(vectors.shape, np.bool_), 0
    for shape in shapes:
        size = int(np.prod(shape)) if shape else 1
        part = np.abs(vectors[:, at : at + size])
        rms = np.sqrt(np.square(part, dtype=np.float64).mean(axis=1, keepdims=True)) if size else np.zeros((1, 1))
        found[:, at : at + size] = (part >= threshold * rms) & (part > 0)
        at += size
    return found


def histogram(active: NDArray[np.bool_]) -> Histogram:
    """How many sources changed each element."""
    counts = np.bincount(active.sum(axis=0), minlength=len(active) + 1) / max(1, active.shape[1])
    any_ = float(counts[1:].sum())
    return Histogram([round(float(c), 6) for c in counts], round(float(counts[1]) / any_, 6) if any_ else 0.0)


def ram(vectors: Float32, shapes: Shapes, threshold: float) -> Float32:
    """What one source alone changed, as it is; what several changed, their mean. Raises WeightsError.

    Refused where fewer than `MIN_UNIQUE` of the changed elements are of one source.
    """
    active = changed(vectors, shapes, threshold)
    counted = histogram(active)
    if len(vectors) > 1 and counted.unique < MIN_UNIQUE:
        raise WeightsError(
            f"RAM does not apply: {counted.unique:.1%} of the changed elements are one source's alone, "
            f"{MIN_UNIQUE:.0%} are needed; average does the same"
        )
    total = np.where(active, vectors, np.float32(0.0)).sum(axis=0)
    merged: Float32 = total / np.maximum(active.sum(axis=0), 1).astype(np.float32)
    return merged
