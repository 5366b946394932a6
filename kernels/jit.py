"""Triton where it is installed, and the same names where it is not, so that every operation can be imported.

Without Triton a decorated kernel can be named but not launched.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

HAS_TRITON = importlib.util.find_spec("triton") is not None
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Kernels are stepped through by Triton's interpreter, which knows no instructions of a card."""


class KernelUnavailable(RuntimeError):
    """A kernel cannot run here: the card, the driver or Triton lacks what it needs."""


class Unlaunchable:
    """A kernel where Triton is not installed; its Python source is in `fn`."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn

    def __getitem__(self, grid: object) -> Callable[..., Any]:
        raise KernelUnavailable(f"{self.fn.__name__} needs Triton: pip install 'metabonk-apex[kernels]'")


if TYPE_CHECKING:
    Value: TypeAlias = Any
    """An argument of a kernel: a pointer, a number, or a tile inside it."""
    constexpr: TypeAlias = Any
    """An argument that is fixed when a kernel is compiled; Triton finds this name in the annotation."""
    tl: Any

    def jit(fn: Callable[..., Any]) -> Any:
        """A kernel, compiled at its first launch."""

elif HAS_TRITON:
    import inspect

    import triton
    import triton.language as tl

    Value, constexpr = tl.tensor, tl.constexpr

    def jit(fn: Callable[..., Any]) -> Any:
        """Triton compiles the source, so what checks shapes in the tests is taken off first."""
        return triton.jit(inspect.unwrap(fn))

else:
    jit, tl, Value, constexpr = Unlaunchable, None, Any, Any


def triton_version() -> str | None:
    """Version of the Triton that is installed, None without one."""
    return version("triton") if HAS_TRITON else None
