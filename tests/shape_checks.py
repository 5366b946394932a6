"""Annotations with shapes are executed: jaxtyping with beartype over the packages of tensors.

A check costs as much as a small operation, and a recurrent network makes thousands of calls, so in each test the first
calls of every function are checked and the others run as they are. Children that a test starts do without.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Final

import jaxtyping

CHECKED: Final = ("agent.models", "agent.learning", "kernels")
CALLS: Final = 4
"""Of every function in every test."""
_left: Final[list[list[int]]] = []
_jaxtyped: Final = jaxtyping.jaxtyped


def install(packages: tuple[str, ...] = CHECKED) -> None:
    """Check what is imported of `packages` from now on; nothing of them may have been imported."""
    early = [name for name in sys.modules if name.startswith(packages)]
    assert not early, f"imported before its shapes could be checked: {early}"
    jaxtyping.jaxtyped = _first_calls  # type: ignore[assignment]
    jaxtyping.install_import_hook(packages, "beartype.beartype")


def begin() -> None:
    """A test begins: every function is checked anew."""
    for left in _left:
        left[0] = CALLS


def _first_calls(*, typechecker: Any) -> Callable[[Any], Any]:
    """What the import hook puts on every function and class: only functions that name a shape are changed."""

    def decorate(fn: Any) -> Any:
        shaped = any("[Tensor, " in str(kind) for kind in getattr(fn, "__annotations__", {}).values())
        if isinstance(fn, type) or not shaped or "<locals>" in fn.__qualname__:
            return fn
        checked, left = _jaxtyped(typechecker=typechecker)(fn), [CALLS]
        _left.append(left)

        @functools.wraps(fn)
        def called(*args: Any, **others: Any) -> Any:
            if left[0] > 0:
                left[0] -= 1
                return checked(*args, **others)
            return fn(*args, **others)

        return called

    return decorate
