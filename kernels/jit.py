"""Triton where it is installed, and the same names where it is not, so that every operation can be imported.

Without Triton a decorated kernel can be named but not launched.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

HAS_TRITON = importlib.util.find_spec("triton") is not None


class KernelUnavailable(RuntimeError):
    """A kernel cannot run here: the card, the driver or Triton lacks what it needs."""


class Unlaunchable:
    """A kernel where Triton is not installed; its Python source is in `fn`."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn

    def __getitem__(self, grid: object) -> Callable[..., Any]:
        raise KernelUnavailable(f"{self.fn.__name__} needs Triton: pip install 'metabonk-apex[kernels]'")


if HAS_TRITON:
    import triton
    import triton.language

    jit: Any = triton.jit
    tl: Any = triton.language
else:
    jit = Unlaunchable
    tl = None

if TYPE_CHECKING or not HAS_TRITON:
    Value: TypeAlias = Any
    """An argument of a kernel: a pointer, a number, or a tile inside it."""
    constexpr: TypeAlias = Any
    """An argument that is fixed when a kernel is compiled; Triton finds this name in the annotation."""
else:
    Value, constexpr = tl.tensor, tl.constexpr


def triton_version() -> str | None:
    """Version of the Triton that is installed, None without one."""
    return str(triton.__version__) if HAS_TRITON else None
