"""How a pilot's weights are computed on this processor: the fastest of the ways that they allow, found by measuring.

A file of full precision has one way. One whose inner layers were rounded to eight bits by `quantize`, which tried it,
can be computed in whole numbers, by vpdpbusd on processors that have it, or expanded again; whole numbers are taken
only where they are faster here. Weights of four bits are made for a card and are expanded on a processor. Owns the
measure; no weights and no clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import numpy as np

from agent.control.reflex import vnni
from agent.control.reflex.linears import Dense
from agent.control.reflex.network import Reflex, Tensors, build_reflex

T = TypeVar("T")
FULL, WHOLE, PACKED = "numba fp32", "numba int8", "numba int8 vpdpbusd"
FOUR_BIT = ("int4", "nvfp4")
"""Formats of weights that are made for a card."""
INNER = (
    "encoder.flat.0", "encoder.token.0", "encoder.token.2", "encoder.join.0", "memory.backbone.0", "memory.ff1",
    "memory.ff2", "memory.time_a", "memory.time_b", "trunk.0", "card.0",
)  # fmt: skip
"""The linears that may be rounded; the heads and the picture's layers stay in full precision."""
ROUNDS, STEPS = 24, 20
WORTH = 0.97
"""A way must take less than this share of the time of full precision."""


class Chosen(msgspec.Struct, frozen=True, eq=False):
    """A network, the name of the way it is computed, the format of its file, and what was measured, µs a step.

    looks: false where no weight of full precision leads from a picture to an action. without_card: why a card that is
    there does not compute them; empty where none is, and where one does.
    """

    reflex: Reflex
    path: str
    weights: str
    measured_us: dict[str, float] = {}
    looks: bool = True
    without_card: str = ""

    def as_builtins(self) -> dict[str, Any]:
        """For `/status` and reports."""
        measured = {name: round(us, 2) for name, us in self.measured_us.items()}
        shown = {"path": self.path, "weights": self.weights, "measured_us": measured}
        return {**shown, "without_card": self.without_card} if self.without_card else shown


def format_of(tensors: Tensors) -> str:
    """fp32, int8, int4 or nvfp4, by the tensors' names and types."""
    if any(name.endswith("weight_scale_2") for name in tensors):
        return "nvfp4"
    if any(name.endswith("weight_packed") for name in tensors):
        return "int4"
    return "int8" if any(t.dtype == np.int8 for t in tensors.values()) else "fp32"


def expand_int8(tensors: Tensors) -> Tensors:
    """The same weights in full precision."""
    plain = {name: t for name, t in tensors.items() if not name.endswith(".weight_scale")}
    for name, t in plain.items():
        if t.dtype == np.int8:
            plain[name] = t.astype(np.float32) * tensors[f"{name}_scale"][:, None]
    return plain


def round_int8(tensors: Tensors) -> Tensors:
    """The inner linears in eight bits, a scale for each row by its largest weight."""
    rounded = dict(tensors)
    for name in INNER:
        weight = tensors[f"{name}.weight"]
        scale = np.maximum(np.abs(weight).max(1) / 127, np.finfo(np.float32).tiny).astype(np.float32)
        rounded[f"{name}.weight"] = np.rint(weight / scale[:, None]).astype(np.int8)
        rounded[f"{name}.weight_scale"] = scale
    return rounded


def whole_way() -> str:
    """The way of whole numbers on this processor."""
    return PACKED if vnni.lanes() else WHOLE


def ways_of(tensors: Tensors) -> dict[str, Reflex]:
    """Every way to compute these weights here, full precision first; raises KeyError or ValueError on other tensors."""
    weights = format_of(tensors)
    if weights in FOUR_BIT:
        from agent.models.quantised import expand

        return {FULL: build_reflex(expand(tensors))}
    if weights == "int8":
        return {FULL: build_reflex(expand_int8(tensors)), whole_way(): build_reflex(tensors)}
    return {FULL: build_reflex(tensors)}


def choose(
    tensors: Tensors,
    ways: dict[str, Reflex],
    step: Callable[[Reflex], object],
    now_s: Callable[[], float],
    way: str | None = None,
) -> Chosen:
    """The fastest of the ways, or the one that is named; `step` makes one step of a network on canned observations."""
    measured = measure(ways, step, now_s) if way is None and len(ways) > 1 else {}
    path = way or (fastest(measured) if measured else FULL)
    return Chosen(ways[path], path, format_of(tensors), measured, _looks(ways[path]))


def _looks(reflex: Reflex) -> bool:
    """Whether the embedding of a picture can change what the network computes.

    Whole numbers share a scale between a picture's inputs and the others, so there it can, whatever its weights.
    """
    return not isinstance(reflex.join, Dense) or bool(reflex.join.w[-len(reflex.picture.b) :].any())


def measure(ways: dict[str, T], step: Callable[[T], object], now_s: Callable[[], float]) -> dict[str, float]:
    """µs a step of each way: the least of the rounds' means, the ways in turn."""
    means: dict[str, list[float]] = {name: [] for name in ways}
    for reflex in ways.values():
        step(reflex)
    for _ in range(ROUNDS):
        for name, reflex in ways.items():
            start_s = now_s()
            for _ in range(STEPS):
                step(reflex)
            means[name].append((now_s() - start_s) / STEPS * 1e6)
    return {name: min(each) for name, each in means.items()}


def fastest(measured_us: dict[str, float]) -> str:
    """The first way, unless another is faster by more than the noise of a measure."""
    first, *others = measured_us
    best = min(others, key=measured_us.__getitem__, default=first)
    return best if measured_us[best] < WORTH * measured_us[first] else first
