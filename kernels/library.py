"""Registration of operations with `torch.library`, and a count of what ran.

An operation has one schema and three implementations: on the CPU its reference, on CUDA its kernel, and on meta tensors
its shape alone. Owns the namespace `metabonk` and the counts; no kernel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

NAMESPACE = "metabonk"
_library = torch.library.Library(NAMESPACE, "DEF")  # type: ignore[no-untyped-call]
ran: Counter[str] = Counter()
"""How often each path ran in this process, by its name; `/status` shows it."""


def register(
    schema: str, *, cpu: Callable[..., Any], cuda: Callable[..., Any], meta: Callable[..., Any]
) -> Callable[..., Any]:
    """Define `metabonk::<schema>` and return the callable operation."""
    name = _library.define(schema)  # type: ignore[no-untyped-call]
    for key, implementation in (("CPU", cpu), ("CUDA", cuda), ("Meta", meta)):
        _library.impl(name, implementation, key)  # type: ignore[no-untyped-call]
    packet = getattr(torch.ops.metabonk, name)
    return packet.default  # type: ignore[no-any-return]


def capability(device: torch.device) -> int:
    """Compute capability of a CUDA device as one number: 90 for 9.0."""
    major, minor = torch.cuda.get_device_capability(device)
    return major * 10 + minor
