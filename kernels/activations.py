"""Functions at the end of a linear, in a kernel and in its reference.

Owns no kernel of its own.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kernels.jit import Value, constexpr, jit, tl

ACTIVATIONS = ("none", "silu", "lecun_tanh")


def activation_code(name: str) -> int:
    """The number by which kernels know an activation; raises ValueError where there is none of this name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r}: there are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS.index(name)


def activate_reference(x: Float[Tensor, "*S"], name: str) -> Float[Tensor, "*S"]:
    """The function itself."""
    match activation_code(name):
        case 1:
            return x * torch.sigmoid(x)
        case 2:
            return 1.7159 * torch.tanh(0.666 * x)
        case _:
            return x


@jit
def tanh(x: Value) -> Value:
    """By the exponential alone, which every card has."""
    return 2.0 * tl.sigmoid(2.0 * x) - 1.0


@jit
def activate(x: Value, CODE: constexpr) -> Value:
    """The function of this number, in fp32."""
    if CODE == 1:
        x = x * tl.sigmoid(x)
    if CODE == 2:
        x = 1.7159 * tanh(0.666 * x)
    return x
