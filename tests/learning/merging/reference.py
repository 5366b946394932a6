"""The published formulas of merging, written out in torch from their papers, apart from the program."""

from __future__ import annotations

import torch
from torch import Tensor


def ties(base: Tensor, models: list[Tensor], keep: float, scale: float) -> Tensor:
    """TIES of flat vectors [d] as its authors' code computes it (Yadav et al. 2023, `ties_minimal`)."""
    vectors = torch.stack([m - base for m in models])
    d = vectors.shape[1]
    kth = vectors.abs().kthvalue(d - int(d * keep), dim=1, keepdim=True).values
    vectors = vectors * (vectors.abs() >= kth)
    signs = torch.sign(vectors.sum(dim=0))
    signs[signs == 0] = torch.sign(signs.sum())
    chosen = torch.where(signs.unsqueeze(0) > 0, vectors > 0, vectors < 0)
    entries = vectors * chosen
    counts = (entries != 0).sum(dim=0).float()
    return base + scale * entries.sum(dim=0) / torch.clamp(counts, min=1)


def weighted_ties(vectors: Tensor, weights: Tensor, keep: float) -> Tensor:
    """Weighted and normalised as mergekit's generalised task arithmetic does after a global trim; entry by entry."""
    n, d = vectors.shape
    kept = vectors.clone()
    for row in range(n):
        limit = vectors[row].abs().sort().values[d - int(d * keep) - 1]
        kept[row][vectors[row].abs() < limit] = 0.0
    heavy = kept * weights[:, None]
    signs = heavy.sum(0).sign()
    majority = signs.sum().sign()
    out = torch.zeros(d)
    for column in range(d):
        sign = signs[column] if signs[column] != 0 else majority
        agree = [
            i for i in range(n) if heavy[i, column] != 0 and heavy[i, column].sign() == (1.0 if sign > 0 else -1.0)
        ]
        if agree:
            out[column] = sum(heavy[i, column] for i in agree) / sum(weights[i] for i in agree)
    return out


def dare(vectors: Tensor, weights: Tensor, density: float, stays: Tensor) -> Tensor:
    """Drop and rescale, then the weighted sum, as `peft.utils.merge_utils.dare_linear` does with this mask."""
    pruned = torch.div(vectors * stays, density)
    return (pruned * weights[:, None]).sum(0)


def iso_c(matrices: list[Tensor]) -> Tensor:
    """Isotropic merging of one matrix of each task (Marczak et al. 2025): of the sum, every singular value the mean."""
    left, values, right = torch.linalg.svd(sum(matrices[1:], matrices[0]).double(), full_matrices=False)
    return torch.linalg.multi_dot((left, torch.diag(torch.ones_like(values) * values.mean()), right))
