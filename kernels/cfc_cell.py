"""One step of a closed-form continuous-time cell in one launch, with 16-bit or four-bit weights.

With b = 1.7159·tanh(0.666·(B·[x, h] + bb)) and the four gates g = G·b + gb, stacked as [ff1, ff2, time_a, time_b]:
s = σ(g₂·Δt + g₃) and h' = tanh(g₀)·(1 − s) + tanh(g₁)·s. B is [d, i + u], G is [4u, d].

A program owns BH units of BM rows. Each computes the whole backbone, which is small, rather than wait for another
launch; so d is at most 256. Four-bit weights are in kernel order (`kernels.int4`); those of G are rounded to the dtype
of x when they are decoded.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from kernels import int4
from kernels.activations import activate_reference, tanh
from kernels.int4 import Int4Weight
from kernels.jit import KernelUnavailable, Value, constexpr, jit, tl
from kernels.launch import Launch
from kernels.library import capability, ran, register
from kernels.plan import KernelPlan, plan
from kernels.w4a16_linear import int4_tile

OP = "cfc_cell"
MAX_BACKBONE = 256


class CfcWeights(NamedTuple):
    """B and G as matrices, or both as INT4 with the same group; biases [d] and [4u]."""

    backbone: Float[Tensor, "d k"] | Int4Weight
    backbone_bias: Float[Tensor, " d"]
    gates: Float[Tensor, "g d"] | Int4Weight
    gates_bias: Float[Tensor, " g"]


@jit
def backbone_tile(
    x: Value, h: Value, words: Value, scales: Value, zeros: Value, bias: Value, m: Value, d: Value, M: Value,
    INPUTS: Value, U: Value, D: Value, VECTORS: Value, GROUP: constexpr, ZEROS: constexpr, BM: constexpr,
    BD: constexpr, BK: constexpr,
) -> Value:  # fmt: skip
    """b for the rows m, [BM, BD], in fp32; columns from D on are zero."""
    acc = tl.zeros((BM, BD), tl.float32)
    for start in range(0, INPUTS + U, BK):
        k = start + tl.arange(0, BK)
        row = (m < M)[:, None]
        v = tl.load(x + m[:, None] * INPUTS + k[None, :], mask=row & (k < INPUTS)[None, :], other=0.0)
        there = (k >= INPUTS) & (k < INPUTS + U)
        v += tl.load(h + m[:, None] * U + (k - INPUTS)[None, :], mask=row & there[None, :], other=0.0)
        if GROUP > 0:
            g = start // BK
            groups = (INPUTS + U + GROUP - 1) // GROUP
            c = int4_tile(words, zeros, d, D, g, VECTORS * 8, groups, GROUP, ZEROS, BD).to(v.dtype)
            s = tl.load(scales + d * groups + g, mask=d < D, other=0.0).to(tl.float32)
            acc += tl.dot(v, c, input_precision="ieee") * s[None, :]
        else:
            inside = (d < D)[None, :] & (k < INPUTS + U)[:, None]
            w = tl.load(words + d[None, :] * (INPUTS + U) + k[:, None], mask=inside, other=0.0)
            acc = tl.dot(v, w, acc, input_precision="ieee")
    acc += tl.load(bias + d, mask=d < D, other=0.0).to(tl.float32)[None, :]
    return 1.7159 * tanh(0.666 * acc)


@jit
def gate_tile(
    b: Value, words: Value, scales: Value, zeros: Value, bias: Value, u: Value, Q: constexpr, U: Value, D: Value,
    VECTORS: Value, GROUP: constexpr, ZEROS: constexpr, BD: constexpr, BH: constexpr,
) -> Value:  # fmt: skip
    """Gate Q of the units u for all rows, in fp32."""
    row = Q * U + u
    if GROUP > 0:
        GROUPS: constexpr = BD // GROUP
        w = tl.arange(0, BD // 4)
        here = (u < U)[None, :] & (w < VECTORS * 8)[:, None]
        q = tl.load(words + row[None, :] * (VECTORS * 8) + w[:, None], mask=here, other=0).to(tl.int32)
        q = tl.reshape(q, (BD // 128, 1, 32, BH)) >> (tl.arange(0, 4) * 4)[None, :, None, None]
        c = tl.reshape((q & 15).to(tl.float32), (GROUPS, GROUP, BH))
        g = tl.arange(0, GROUPS)
        count = (D + GROUP - 1) // GROUP
        at = row[None, :] * count + g[:, None]
        there = (u < U)[None, :] & (g < count)[:, None]
        s = tl.load(scales + at, mask=there, other=0.0).to(tl.float32)[:, None, :]
        if ZEROS:
            c = c - tl.load(zeros + at, mask=there, other=0.0).to(tl.float32)[:, None, :]
        else:
            c = c - 8.0
        matrix = tl.reshape(c * s, (BD, BH)).to(b.dtype)
    else:
        d = tl.arange(0, BD)
        matrix = tl.load(words + row[None, :] * D + d[:, None], mask=(u < U)[None, :] & (d < D)[:, None], other=0.0)
    out = tl.dot(b, matrix, input_precision="ieee")
    return out + tl.load(bias + row, mask=u < U, other=0.0).to(tl.float32)[None, :]


@jit
def cfc_cell_kernel(
    x: Value, h: Value, timespan: Value, b_words: Value, b_scales: Value, b_zeros: Value, b_bias: Value, g_words: Value,
    g_scales: Value, g_zeros: Value, g_bias: Value, out: Value, M: Value, INPUTS: Value, U: Value, D: Value,
    B_VECTORS: Value, G_VECTORS: Value, GROUP: constexpr, ZEROS: constexpr, BM: constexpr, BD: constexpr, BH: constexpr,
    BK: constexpr,
) -> None:  # fmt: skip
    """BH units of BM rows."""
    m = tl.program_id(1) * BM + tl.arange(0, BM)
    d = tl.arange(0, BD)
    u = tl.program_id(0) * BH + tl.arange(0, BH)
    b = backbone_tile(
        x, h, b_words, b_scales, b_zeros, b_bias, m, d, M, INPUTS, U, D, B_VECTORS, GROUP, ZEROS, BM, BD, BK
    )
    b = b.to(x.dtype.element_ty)
    g0 = gate_tile(b, g_words, g_scales, g_zeros, g_bias, u, 0, U, D, G_VECTORS, GROUP, ZEROS, BD, BH)
    g1 = gate_tile(b, g_words, g_scales, g_zeros, g_bias, u, 1, U, D, G_VECTORS, GROUP, ZEROS, BD, BH)
    g2 = gate_tile(b, g_words, g_scales, g_zeros, g_bias, u, 2, U, D, G_VECTORS, GROUP, ZEROS, BD, BH)
    g3 = gate_tile(b, g_words, g_scales, g_zeros, g_bias, u, 3, U, D, G_VECTORS, GROUP, ZEROS, BD, BH)
    ticks = tl.load(timespan + m, mask=m < M, other=0.0).to(tl.float32)
    s = tl.sigmoid(g2 * ticks[:, None] + g3)
    after = tanh(g0) * (1.0 - s) + tanh(g1) * s
    place = out + m[:, None] * U + u[None, :]
    tl.store(place, after.to(out.dtype.element_ty), mask=(m < M)[:, None] & (u < U)[None, :])


def prepare(
    x: Float[Tensor, "m i"],
    h: Float[Tensor, "m u"],
    timespan: Float[Tensor, " m"],
    weights: tuple[Tensor, Tensor | None, Tensor | None, Tensor, Tensor, Tensor | None, Tensor | None, Tensor],
    group: int,
    chosen: KernelPlan,
    out: Float[Tensor, "m u"],
) -> Launch:
    """The launch of one step that writes `out`; `weights` are words, scales, zeros and bias of B and of G."""
    b_words, b_scales, b_zeros, b_bias, g_words, g_scales, g_zeros, g_bias = weights
    (m, i), u, d = x.shape, h.shape[1], b_bias.shape[0]
    if d > MAX_BACKBONE:
        raise KernelUnavailable(f"{OP} with a backbone of {d}: at most {MAX_BACKBONE}")

    def present(tensor: Tensor | None) -> Tensor:
        return b_bias if tensor is None else tensor

    def units(words: Tensor) -> Tensor:
        return words.view(torch.int16) if group else words

    arguments = {
        "x": x, "h": h, "timespan": timespan, "b_words": units(b_words), "b_scales": present(b_scales),
        "b_zeros": present(b_zeros), "b_bias": b_bias, "g_words": units(g_words), "g_scales": present(g_scales),
        "g_zeros": present(g_zeros), "g_bias": g_bias, "out": out, "M": m, "INPUTS": i, "U": u, "D": d,
        "B_VECTORS": b_words.shape[1] // 4, "G_VECTORS": g_words.shape[1] // 4,
    }  # fmt: skip
    side = max(1 << (d - 1).bit_length(), int4.BLOCK if group else 16)
    tile = chosen.tile | {"BD": side, "BK": group or chosen.tile["BK"]}
    constants = {"GROUP": group, "ZEROS": b_zeros is not None} | tile
    grid = (-(-u // chosen.tile["BH"]), -(-m // chosen.tile["BM"]))
    return Launch(cfc_cell_kernel, grid, arguments, constants, chosen.warps, chosen.stages)


def _empty(x: Tensor, h: Tensor, timespan: Tensor, b_words: Tensor, b_scales: Tensor | None, b_zeros: Tensor | None,
           b_bias: Tensor, g_words: Tensor, g_scales: Tensor | None, g_zeros: Tensor | None, g_bias: Tensor,
           group: int) -> Tensor:  # fmt: skip
    inputs, units, width = x.shape[1] + h.shape[1], h.shape[1], b_bias.shape[0]
    if group:
        int4.check_group(group)
        wanted = (width, int4.words_of(inputs)), (4 * units, int4.words_of(width))
    else:
        wanted = (width, inputs), (4 * units, width)
    if (tuple(b_words.shape), tuple(g_words.shape)) != wanted or (b_zeros is None) != (g_zeros is None):
        found = f"{tuple(b_words.shape)} and {tuple(g_words.shape)}"
        raise ValueError(f"{OP}: weights of {found} for inputs of {x.shape[1]} + {units}, not {wanted}")
    return x.new_empty(x.shape[0], units)


def _cuda(x: Tensor, h: Tensor, timespan: Tensor, b_words: Tensor, b_scales: Tensor | None, b_zeros: Tensor | None,
          b_bias: Tensor, g_words: Tensor, g_scales: Tensor | None, g_zeros: Tensor | None, g_bias: Tensor,
          group: int) -> Tensor:  # fmt: skip
    weights = (b_words, b_scales, b_zeros, b_bias, g_words, g_scales, g_zeros, g_bias)
    out = _empty(x, h, timespan, *weights, group)
    chosen = plan(OP, x.shape[0], h.shape[1], b_bias.shape[0], capability(x.device))
    prepare(x.contiguous(), h.contiguous(), timespan.contiguous(), weights, group, chosen, out).run()
    ran[chosen.path()] += 1
    return out


def cfc_cell_reference(x: Float[Tensor, "m i"], h: Float[Tensor, "m u"], timespan: Float[Tensor, " m"], b_words: Tensor,
                       b_scales: Tensor | None, b_zeros: Tensor | None, b_bias: Float[Tensor, " d"], g_words: Tensor,
                       g_scales: Tensor | None, g_zeros: Tensor | None, g_bias: Float[Tensor, " g"], group: int,
                       ) -> Float[Tensor, "m u"]:  # fmt: skip
    """The definition, in double precision, on the CPU."""
    _empty(x, h, timespan, b_words, b_scales, b_zeros, b_bias, g_words, g_scales, g_zeros, g_bias, group)

    def matrix(words: Tensor, scales: Tensor | None, zeros: Tensor | None, k: int) -> Tensor:
        return words.double() if scales is None else int4.dequantise_int4(Int4Weight(words, scales, zeros, k, group))

    joined = torch.cat([x, h], 1).double()
    b = joined @ matrix(b_words, b_scales, b_zeros, joined.shape[1]).t() + b_bias.double()
    b = activate_reference(b, "lecun_tanh")
    gates = b @ matrix(g_words, g_scales, g_zeros, b.shape[1]).t() + g_bias.double()
    ff1, ff2, time_a, time_b = gates.chunk(4, 1)
    share = torch.sigmoid(time_a * timespan.double().unsqueeze(1) + time_b)
    ran[f"{OP} reference"] += 1
    return (torch.tanh(ff1) * (1 - share) + torch.tanh(ff2) * share).to(x.dtype)


_operation = register(
    f"{OP}(Tensor x, Tensor h, Tensor timespan, Tensor b_words, Tensor? b_scales, Tensor? b_zeros, Tensor b_bias,"
    " Tensor g_words, Tensor? g_scales, Tensor? g_zeros, Tensor g_bias, int group) -> Tensor",
    cpu=cfc_cell_reference, cuda=_cuda, meta=_empty,
)  # fmt: skip


def flatten(weights: CfcWeights) -> tuple[tuple[Tensor | None, ...], int]:
    """Words, scales, zeros and bias of B and of G, and the group, 0 for matrices; raises ValueError for a mixture."""
    b, g = weights.backbone, weights.gates
    if isinstance(b, Int4Weight) and isinstance(g, Int4Weight) and b.group == g.group:
        first = (b.words, b.scales, b.zeros, weights.backbone_bias)
        return (*first, g.words, g.scales, g.zeros, weights.gates_bias), b.group
    if isinstance(b, Int4Weight) or isinstance(g, Int4Weight):
        raise ValueError(f"{OP}: backbone and gates must both be matrices, or both INT4 with the same group")
    return (b, None, None, weights.backbone_bias, g, None, None, weights.gates_bias), 0


def cfc_cell(
    x: Float[Tensor, "m i"], h: Float[Tensor, "m u"], timespan: Float[Tensor, " m"], weights: CfcWeights
) -> Float[Tensor, "m u"]:
    """The next hidden state; `timespan` is in the unit of time that the cell was trained with."""
    tensors, group = flatten(weights)
    after: Tensor = _operation(x, h, timespan, *tensors, group)
    return after
