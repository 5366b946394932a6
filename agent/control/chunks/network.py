"""A motor's choice of its next chunk, compiled: what `models.chunks.networks` computes, for one game at a time.

One call draws nothing and owns nothing: the student makes a chunk of each row of noise, the critics bound what the
beginning of each is worth, and the rest of the chunk that is running is always among the candidates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from agent.control.reflex.curves import exp, silu
from agent.control.reflex.linears import add_product
from agent.control.reflex.network import Norm, Tensors, normalise
from agent.core.types import FloatArray

_F = np.float32


class Stack(NamedTuple):
    """Layers of `models.chunks.networks.Layered` of every member.

    first [M, I, h], rest [M, L − 1, h, h], out [M, h, O]; bias, scale and shift are [M, L, h], out_bias [M, O].
    """

    first: FloatArray
    rest: FloatArray
    bias: FloatArray
    scale: FloatArray
    shift: FloatArray
    out: FloatArray
    out_bias: FloatArray


class Planner(NamedTuple):
    """Student and critics of a motor, and the critics' bins [K]."""

    student: Stack
    critics: Stack
    bins: FloatArray


class Plan(NamedTuple):
    """The chunk taken [W], its place among the candidates, and the bounds [N + 1] and chunks [N + 1, W] of all.

    The last candidate is the running one. spreads: standard deviations of the members' values.
    """

    chunk: FloatArray
    taken: int
    bounds: FloatArray
    spreads: FloatArray
    chunks: FloatArray


def stack_of(tensors: Tensors, prefixes: list[str]) -> Stack:
    """The layers of members by the prefixes of their names; raises KeyError or ValueError where they do not fit."""
    layers = 0
    while f"{prefixes[0]}.inner.{layers}.weight" in tensors:
        layers += 1

    def every(part: str, turned: bool = False) -> FloatArray:
        arrays = [np.asarray(tensors[f"{p}.{part}"], _F) for p in prefixes]
        if any(a.ndim != 1 + turned for a in arrays):
            raise ValueError(f"{prefixes[0]}.{part} has {arrays[0].ndim} axes, {1 + turned} are needed")
        return np.ascontiguousarray(np.stack([a.T if turned else a for a in arrays]))

    def along(part: str, start: int, turned: bool = False) -> FloatArray:
        return np.ascontiguousarray(np.stack([every(part.format(i), turned) for i in range(start, layers)], 1))

    return Stack(
        every("inner.0.weight", True), along("inner.{}.weight", 1, True), along("inner.{}.bias", 0),
        along("norms.{}.weight", 0), along("norms.{}.bias", 0), every("out.weight", True), every("out.bias"),
    )  # fmt: skip


def build_planner(tensors: Tensors) -> Planner:
    """Student and critics by their names in a motor's file; raises KeyError or ValueError where they do not fit."""
    members = 0
    while f"critics.members.{members}.out.bias" in tensors:
        members += 1
    if members == 0:
        raise KeyError("critics.members.0.out.bias")
    critics = stack_of(tensors, [f"critics.members.{m}" for m in range(members)])
    bins = np.ascontiguousarray(tensors["critics.bins"], _F)
    if bins.ndim != 1:
        raise ValueError(f"critics.bins has {bins.ndim} axes, 1 is needed")
    return Planner(stack_of(tensors, ["student.net"]), critics, bins)


@njit(cache=True, error_model="numpy")
def _onwards(s: Stack, m: int, x: FloatArray) -> FloatArray:
    """From the first layer's sums [h], which are overwritten, to the outputs of member m."""
    normalise(Norm(s.scale[m, 0], s.shift[m, 0]), x)
    silu(x)
    for layer in range(s.rest.shape[1]):
        y = s.bias[m, layer + 1].copy()
        add_product(y, x, s.rest[m, layer])
        normalise(Norm(s.scale[m, layer + 1], s.shift[m, layer + 1]), y)
        silu(y)
        x = y
    out: FloatArray = s.out_bias[m].copy()
    add_product(out, x, s.out[m])
    return out


@njit(cache=True, error_model="numpy")
def make_chunks(
    s: Stack, condition: FloatArray, noise: FloatArray, prefix: FloatArray, known: FloatArray
) -> FloatArray:
    """A chunk in −1 … 1 for each row of noise [N, W], which begins with the `known` [H] actions of `prefix` [W]."""
    seen, width = condition.shape[0], noise.shape[1]
    each = width // known.shape[0]
    base = s.bias[0, 0].copy()
    add_product(base, condition, s.first[0, :seen])
    add_product(base, prefix, s.first[0, seen + width : seen + 2 * width])
    add_product(base, known, s.first[0, seen + 2 * width :])
    chunks = np.empty(noise.shape, np.float32)
    for row in range(noise.shape[0]):
        x = base.copy()
        add_product(x, noise[row], s.first[0, seen : seen + width])
        made = _onwards(s, 0, x)
        for i in range(width):
            a = prefix[i] if known[i // each] > 0 else made[i]
            chunks[row, i] = min(max(a, _F(-1.0)), _F(1.0))
    return chunks


@njit(cache=True, error_model="numpy")
def bound_chunks(
    s: Stack, bins: FloatArray, condition: FloatArray, chunks: FloatArray, beta: float
) -> tuple[FloatArray, FloatArray]:
    """Mean of the members' values of each chunk less `beta` times their standard deviation; and that deviation."""
    members, seen, rows = s.first.shape[0], condition.shape[0], chunks.shape[0]
    width = s.first.shape[1] - seen
    values = np.empty((members, rows), np.float64)
    for m in range(members):
        base = s.bias[m, 0].copy()
        add_product(base, condition, s.first[m, :seen])
        for row in range(rows):
            x = base.copy()
            add_product(x, chunks[row, :width], s.first[m, seen:])
            logits = _onwards(s, m, x)
            highest = logits.max()
            total, weighted = 0.0, 0.0
            for k in range(bins.shape[0]):
                mass = exp(logits[k] - highest)
                total += mass
                weighted += mass * bins[k]
            values[m, row] = weighted / total
    bounds, spreads = np.empty(rows, np.float32), np.empty(rows, np.float32)
    for row in range(rows):
        mean = values[:, row].mean()
        spread = 0.0
        for m in range(members):
            spread += (values[m, row] - mean) ** 2
        spreads[row] = np.sqrt(spread / max(members - 1, 1))
        bounds[row] = mean - beta * np.sqrt(spread / max(members - 1, 1))
    return bounds, spreads


@njit(cache=True, error_model="numpy")
def plan(
    p: Planner, condition: FloatArray, noise: FloatArray, prefix: FloatArray, known: FloatArray, running: FloatArray,
    beta: float, margin: float,
) -> Plan:  # fmt: skip
    """The next chunk: the best of the student's and the running one, which is left only for more than `margin`.

    running [W] holds what is left of the running chunk; empty where there is none.
    """
    fresh = make_chunks(p.student, condition, noise, prefix, known)
    count = fresh.shape[0]
    chunks = fresh
    if running.shape[0] > 0:
        chunks = np.empty((count + 1, fresh.shape[1]), np.float32)
        chunks[:count] = fresh
        chunks[count] = running
    bounds, spreads = bound_chunks(p.critics, p.bins, condition, chunks, beta)
    taken = int(np.argmax(bounds))
    if running.shape[0] > 0 and bounds[taken] - bounds[count] <= margin:
        taken = count
    return Plan(chunks[taken].copy(), taken, bounds, spreads, chunks)
