"""Episodes of choices side by side, and the beliefs of a model along them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from agent.core.choices import Choices
from agent.models.outcome_model import OutcomeModel


class ChoiceBatch(NamedTuple):
    """Episodes side by side, padded; the fields of `core.choices.Choices`, and which steps are valid."""

    options: Float[Tensor, "B T K A"]
    allowed: Bool[Tensor, "B T K"]
    picks: Int64[Tensor, "B T"]
    outcomes: Int64[Tensor, "B T"]
    ended: Bool[Tensor, "B T"]
    context: Float[Tensor, "B T C"]
    known: Int64[Tensor, "B T"]
    valid: Bool[Tensor, "B T"]


def padded(episodes: list[Choices], max_length: int, device: torch.device) -> ChoiceBatch:
    """The first `max_length` choices of each episode."""
    length = min(max_length, max(len(e.picks) for e in episodes))
    columns: list[Tensor] = []
    for field in range(len(Choices._fields)):
        parts = [np.asarray(e[field])[:length] for e in episodes]
        wide = np.zeros((len(parts), length, *parts[0].shape[1:]), parts[0].dtype)
        for row, part in zip(wide, parts, strict=True):
            row[: len(part)] = part
        columns.append(torch.from_numpy(wide).to(device))
    lengths = torch.tensor([min(length, len(e.picks)) for e in episodes], device=device)
    options, allowed, picks, outcomes, ended, context, known = columns
    valid = torch.arange(length, device=device) < lengths.unsqueeze(1)
    return ChoiceBatch(options, allowed, picks, outcomes, ended, context, known, valid)


def beliefs(model: OutcomeModel, batch: ChoiceBatch) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B T A"]]:
    """The belief before each choice, from the outcomes that were known then, and the option that was taken."""
    wide = batch.picks[:, :, None, None].expand(-1, -1, 1, batch.options.shape[-1])
    taken = batch.options.gather(2, wide).squeeze(2)
    outcome = F.one_hot(batch.outcomes, model.sizes.outcomes).float()
    belief = model.initial(len(taken))
    each = [belief]
    for t in range(taken.shape[1] - 1):
        belief = model.step(belief, taken[:, t], outcome[:, t], batch.context[:, t])
        each.append(belief)
    all_ = torch.stack(each, 1)
    return all_.gather(1, batch.known.unsqueeze(-1).expand(-1, -1, all_.shape[-1])), taken
