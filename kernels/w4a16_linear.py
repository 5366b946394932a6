"""y = act(x·Wᵀ + b) with four-bit integer weights and 16- or 32-bit activations.

W is [n, k] in kernel order (`kernels.int4`): words [n, k'/8], scales and, with zero points, zeros [n, ⌈k/G⌉].
With c the codes of a group, s its scale and z its zero: y = Σ_groups s·(x·c − z·Σx). Sums are in fp32.

* up to 8 rows of x: W is the left side of the tensor cores and x the right one, so that all rows read W once. The warps
  of a program share its rows of W and split k among them; no atomics, so the same input gives the same bits. Codes are
  not converted for 16-bit x: masked, they are subnormal numbers, which the tensor cores multiply exactly;
* 9 to 64 rows: tensor cores on (c − z), which 16-bit floats hold exactly; the scale multiplies the group's sum.

Runs on any card from sm_80; owns no weights.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from kernels import int4
from kernels.activations import activate, activate_reference, activation_code
from kernels.int4 import Int4Weight
from kernels.jit import INTERPRETED, Value, constexpr, jit, tl
from kernels.launch import Launch
from kernels.library import capability, ran, register
from kernels.plan import KernelPlan, plan

OP = "w4a16_linear"


@jit
def masked(units: Value, MASK: constexpr, PACKED: constexpr) -> Value:
    """Codes under a mask as the bits of a 16-bit float, two in one instruction where PACKED."""
    if PACKED:
        if MASK == 15:
            return tl.inline_asm_elementwise(
                "and.b32 $0, $1, 0x000F000F;", "=r,r", [units], dtype=tl.float16, is_pure=True, pack=2
            )
        else:
            return tl.inline_asm_elementwise(
                "and.b32 $0, $1, 0x00F000F0;", "=r,r", [units], dtype=tl.float16, is_pure=True, pack=2
            )
    else:
        return (units & MASK).to(tl.float16, bitcast=True)


@jit
def high_byte(units: Value, PACKED: constexpr) -> Value:
    """Units with their upper two codes in the place of the lower; what is above is of no account."""
    if PACKED:
        return tl.inline_asm_elementwise("shr.b32 $0, $1, 8;", "=r,r", [units], dtype=tl.int16, is_pure=True, pack=2)
    else:
        return units >> 8


@jit
def run_of_codes(units: Value, x: Value, RUN: constexpr, PACKED: constexpr) -> Value:
    """Codes of one of the four runs, for 16-bit x 2²⁴ (even runs) or 2²⁰ times smaller."""
    if x.dtype == tl.float16:
        if RUN >= 2:
            units = high_byte(units, PACKED)
        if RUN % 2 == 0:
            return masked(units, 15, PACKED)
        else:
            return masked(units, 240, PACKED)
    else:
        return ((units >> (4 * RUN)) & 15).to(x.dtype)


@jit
def scaled(low: Value, high: Value, s: Value, SMALL: constexpr, FIRST: constexpr, RUNS: constexpr) -> Value:
    """A group's sum of even and of odd runs under its scale; SMALL: they are 2²⁴ and 2²⁰ times too small."""
    if SMALL and RUNS > 1:
        low = low * 16.0
    if SMALL:
        if RUNS == 1 and FIRST % 2 == 0:
            s = s * 16777216.0
        else:
            s = s * 1048576.0
    return (low + high) * s


@jit
def begin_early(words: Value, n: Value, N: Value, row_units: Value, LINES: constexpr) -> None:
    """Ask for the first LINES · 128 bytes of the rows n while the kernel in front still runs."""
    unit = tl.minimum(tl.arange(0, LINES) * 64, row_units - 1)
    place = (words + tl.minimum(n, N - 1)[:, None] * row_units + unit[None, :]).to(tl.int64)
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.u32 $0, 0;", "=r,l", [place], dtype=tl.int32, is_pure=False, pack=1
    )


@jit
def store_rows(out: Value, bias: Value, y: Value, n: Value, m: Value, M: Value, N: Value, BIAS: constexpr,
               ACT: constexpr) -> None:  # fmt: skip
    """Add the bias to sums of [n, m], apply the activation, and write them to y of [M, N]."""
    if BIAS:
        out += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)[:, None]
    out = activate(out, ACT)
    tl.store(y + m[None, :] * N + n[:, None], out.to(y.dtype.element_ty), mask=(n < N)[:, None] & (m < M)[None, :])


@jit
def w4a16_gemv(
    x: Value, words: Value, scales: Value, zeros: Value, bias: Value, y: Value, M: Value, N: Value, K: Value,
    VECTORS: Value, GROUPS: Value, GROUP: constexpr, ZEROS: constexpr, BIAS: constexpr, ACT: constexpr, PDL: constexpr,
    EVEN: constexpr, PACKED: constexpr, BN: constexpr, BM: constexpr, SPLIT: constexpr,
) -> None:  # fmt: skip
    """BN rows of W against all M rows of x, at most BM; of SPLIT neighbouring blocks of 128 k each warp takes one."""
    PARTS: constexpr = 128 // GROUP
    RUNS: constexpr = 4 // PARTS
    blocks = VECTORS // 4
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    m = tl.arange(0, BM)
    u = tl.arange(0, 32)
    if PDL:
        begin_early(words, n, N, blocks * 32, 2 * SPLIT)
        tl.extra.cuda.gdc_wait()
        tl.extra.cuda.gdc_launch_dependents()
    total = tl.zeros((SPLIT, BN, BM), tl.float32)
    ones = tl.full((SPLIT, BN, 32), 1.0, x.dtype.element_ty)
    if not ZEROS:
        ones = ones * -8.0
    for start in range(0, blocks, SPLIT):
        b = start + tl.arange(0, SPLIT)
        here = (b < blocks)[:, None] & (n < N)[None, :]
        fed = (b < blocks)[:, None, None] & (m < M)[None, None, :]
        if EVEN:
            here, fed = here | True, tl.broadcast_to((m < M)[None, None, :], (SPLIT, 1, BM))
        place = n[None, :, None] * (blocks * 32) + (b * 32)[:, None, None] + u[None, None, :]
        w = tl.load(words + place, mask=here[:, :, None], other=0, eviction_policy="evict_first")
        for p in tl.static_range(PARTS):
            low = tl.zeros((SPLIT, BN, BM), tl.float32)
            high = tl.zeros((SPLIT, BN, BM), tl.float32)
            seen = tl.zeros((SPLIT, BN, BM), tl.float32)
            for r in tl.static_range(RUNS):
                k = (b * 128)[:, None, None] + u[None, :, None] + (p * RUNS + r) * 32
                taken = fed
                if not EVEN:
                    taken = fed & (k < K)
                v = tl.load(x + m[None, None, :] * K + k, mask=taken, other=0.0, eviction_policy="evict_last")
                c = run_of_codes(w, v, p * RUNS + r, PACKED)
                if (p * RUNS + r) % 2 == 0:
                    low = tl.dot(c, v, low, input_precision="ieee")
                else:
                    high = tl.dot(c, v, high, input_precision="ieee")
                seen = tl.dot(ones, v, seen, input_precision="ieee")
            g = b * PARTS + p
            at = n[None, :] * GROUPS + g[:, None]
            there = here
            if not EVEN:
                there = here & (g < GROUPS)[:, None]
            s = tl.load(scales + at, mask=there, other=0.0).to(tl.float32)[:, :, None]
            total += scaled(low, high, s, x.dtype.element_ty == tl.float16, p * RUNS, RUNS)
            if ZEROS:
                z = tl.load(zeros + at, mask=there, other=0.0).to(tl.float32)[:, :, None]
                total -= seen * (z * s)
            else:
                total += seen * s
    store_rows(tl.sum(total, 0), bias, y, n, m, M, N, BIAS, ACT)


@jit
def int4_tile(words: Value, zeros: Value, n: Value, N: Value, g: Value, row_units: Value, groups: Value,
              GROUP: constexpr, ZEROS: constexpr, BN: constexpr) -> Value:  # fmt: skip
    """(code − zero) of one group of the rows n of W, as [GROUP, BN] in fp32."""
    RUNS: constexpr = GROUP // 32
    b, first = g * RUNS // 4, g * RUNS % 4
    u = b * 32 + tl.arange(0, 32)
    q = tl.load(words + n[None, :] * row_units + u[:, None], mask=(n < N)[None, :], other=0).to(tl.int32)
    shifts = (first + tl.arange(0, RUNS)) * 4
    codes = (q[None, :, :] >> shifts[:, None, None]) & 15
    c = tl.reshape(codes, (GROUP, BN)).to(tl.float32)
    if ZEROS:
        z = tl.load(zeros + n * groups + g, mask=n < N, other=0.0).to(tl.float32)
        c = c - z[None, :]
    else:
        c = c - 8.0
    return c


@jit
def w4a16_gemm(
    x: Value, words: Value, scales: Value, zeros: Value, bias: Value, y: Value, M: Value, N: Value, K: Value,
    VECTORS: Value, GROUPS: Value, GROUP: constexpr, ZEROS: constexpr, BIAS: constexpr, ACT: constexpr, BM: constexpr,
    BN: constexpr,
) -> None:  # fmt: skip
    """All M rows of x, at most BM, against BN rows of W, one group of k at a time."""
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    m = tl.arange(0, BM)
    total = tl.zeros((BM, BN), tl.float32)
    for g in range(0, GROUPS):
        k = g * GROUP + tl.arange(0, GROUP)
        v = tl.load(x + m[:, None] * K + k[None, :], mask=(m < M)[:, None] & (k < K)[None, :], other=0.0)
        c = int4_tile(words, zeros, n, N, g, VECTORS * 8, GROUPS, GROUP, ZEROS, BN).to(v.dtype)
        s = tl.load(scales + n * GROUPS + g, mask=n < N, other=0.0).to(tl.float32)
        total += tl.dot(v, c, input_precision="ieee") * s[None, :]
    if BIAS:
        total += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)[None, :]
    total = activate(total, ACT)
    tl.store(y + m[:, None] * N + n[None, :], total.to(y.dtype.element_ty), mask=(m < M)[:, None] & (n < N)[None, :])


def split_of(chosen: KernelPlan, x: Float[Tensor, "m k"]) -> int:
    """Warps of a program: 32-bit x fills twice the shared memory, so that a card with little takes half."""
    return min(chosen.tile["SPLIT"], 8 // (x.element_size() // 2))


def prepare(
    x: Float[Tensor, "m k"],
    words: Int32[Tensor, "n w"],
    scales: Float[Tensor, "n g"],
    zeros: Float[Tensor, "n g"] | None,
    bias: Float[Tensor, " n"] | None,
    group: int,
    act: str,
    chosen: KernelPlan,
    y: Float[Tensor, "m n"],
) -> Launch:
    """The launch of one linear that writes `y`."""
    (m, k), n = x.shape, words.shape[0]
    arguments = {
        "x": x, "words": words.view(torch.int16), "scales": scales, "zeros": scales if zeros is None else zeros,
        "bias": scales if bias is None else bias, "y": y, "M": m, "N": n, "K": k, "VECTORS": words.shape[1] // 4,
        "GROUPS": scales.shape[1],
    }  # fmt: skip
    constants = {"GROUP": group, "ZEROS": zeros is not None, "BIAS": bias is not None, "ACT": activation_code(act)}
    constants, blocks = constants | chosen.tile, -(-n // chosen.tile["BN"])
    if chosen.kernel == "w4a16_gemv":
        warps = split_of(chosen, x)
        even = k % (int4.BLOCK * warps) == 0 and n % chosen.tile["BN"] == 0
        constants |= {"PDL": chosen.pdl, "EVEN": even, "PACKED": not INTERPRETED, "SPLIT": warps}
        return Launch(w4a16_gemv, (blocks,), arguments, constants, warps, chosen.stages, chosen.pdl)
    return Launch(w4a16_gemm, (blocks,), arguments, constants, chosen.warps, chosen.stages)


def _check(x: Tensor, words: Tensor, scales: Tensor, group: int) -> None:
    int4.check_group(group)
    k = x.shape[-1]
    wanted = (words.shape[0], int4.words_of(k)), (words.shape[0], -(-k // group))
    if x.ndim != 2 or not k or (tuple(words.shape), tuple(scales.shape)) != wanted:
        found = f"words {tuple(words.shape)} and scales {tuple(scales.shape)}"
        raise ValueError(f"{found} do not fit an input of {tuple(x.shape)} and groups of {group}")


def _empty(x: Tensor, words: Tensor, scales: Tensor, zeros: Tensor | None, bias: Tensor | None, group: int,
           act: str) -> Tensor:  # fmt: skip
    _check(x, words, scales, group)
    activation_code(act)
    return x.new_empty(x.shape[0], words.shape[0])


def _cuda(x: Tensor, words: Tensor, scales: Tensor, zeros: Tensor | None, bias: Tensor | None, group: int,
          act: str) -> Tensor:  # fmt: skip
    y = _empty(x, words, scales, zeros, bias, group, act)
    chosen = plan(OP, x.shape[0], words.shape[0], x.shape[1], capability(x.device))
    prepare(x.contiguous(), words, scales, zeros, bias, group, act, chosen, y).run()
    ran[chosen.path()] += 1
    return y


def w4a16_linear_reference(x: Float[Tensor, "m k"], words: Int32[Tensor, "n w"], scales: Float[Tensor, "n g"],
                           zeros: Float[Tensor, "n g"] | None, bias: Float[Tensor, " n"] | None, group: int, act: str,
                           ) -> Float[Tensor, "m n"]:  # fmt: skip
    """The definition, in double precision, on the CPU."""
    _check(x, words, scales, group)
    weight = int4.dequantise_int4(Int4Weight(words, scales, zeros, x.shape[1], group))
    y = x.double() @ weight.t()
    y = activate_reference(y if bias is None else y + bias.double(), act)
    ran[f"{OP} reference"] += 1
    return y.to(x.dtype)


_operation = register(
    f"{OP}(Tensor x, Tensor words, Tensor scales, Tensor? zeros, Tensor? bias, int group, str act) -> Tensor",
    cpu=w4a16_linear_reference, cuda=_cuda, meta=_empty,
)  # fmt: skip


def w4a16_linear(
    x: Float[Tensor, "m k"], weight: Int4Weight, bias: Float[Tensor, " n"] | None = None, act: str = "none"
) -> Float[Tensor, "m n"]:
    """act(x·Wᵀ + bias) in the dtype of x; raises KernelUnavailable where no plan fits."""
    y: Tensor = _operation(x, weight.words, weight.scales, weight.zeros, bias, weight.group, act)
    return y
