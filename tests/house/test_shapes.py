"""Shapes that annotations name are executed: one sabotage for each package that is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from jaxtyping import TypeCheckError

from agent.learning.ppo.returns import advantages
from agent.models.encoder import RunningNorm
from kernels.int4 import pack_words

STEPS = torch.zeros(4, 2)
NEVER = torch.zeros(4, 2, dtype=torch.bool)


def _advantages(values: torch.Tensor, ended: torch.Tensor) -> torch.Tensor:
    return advantages(STEPS, values, STEPS, ended, NEVER, 0.99, 0.95)


@pytest.mark.parametrize(
    "call, right, wrong",
    [
        (RunningNorm(3).update, [torch.zeros(5, 3)], [torch.zeros(5, 2, 3)]),
        (_advantages, [STEPS, NEVER], [torch.zeros(4), NEVER]),
        (_advantages, [STEPS, NEVER], [torch.zeros(4, 3), NEVER]),
        (_advantages, [STEPS, NEVER], [STEPS, torch.zeros(4, 2)]),
        (pack_words, [torch.zeros(2, 8, dtype=torch.uint8)], [torch.zeros(8, dtype=torch.uint8)]),
    ],
    ids=["models: rank", "learning: rank", "learning: size", "learning: type", "kernels: rank"],
)
def test_a_wrong_shape_raises(call: Callable[..., Any], right: list[torch.Tensor], wrong: list[torch.Tensor]) -> None:
    call(*right)
    with pytest.raises(TypeCheckError):
        call(*wrong)
