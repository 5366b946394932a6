"""y = act(x·Wᵀ + b) with NVFP4 weights, in two ways that go by two names.

* `nvfp4_linear_w4a16` keeps x in 16 bits and decodes W in registers, on any card from sm_80. W is in
  kernel order: 128 codes are 32 units of 16 bits, and code j of unit u is that of k = 32j + u. Its three lower bits are
  bits 3j to 3j + 2 of the unit, its sign is bit 13, 14, 12 or 15: two of the four are then a 16-bit float under one
  mask. Up to 8 rows of x go as in `kernels.w4a16_linear`, and the scale multiplies the sum of its 16 codes; with more
  rows it multiplies the codes: e2m1·e4m3 is exact in a 16-bit float;
* `nvfp4_linear_w4a4` multiplies four-bit x by four-bit W in the tensor cores of sm_100 and sm_120 and is refused
  elsewhere. On sm_100 the native instruction needs 128 rows on its left: W takes that side and the batch the other.

Sums are in fp32; the tensors' scales multiply at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Float8e4m3fn, Int32, UInt8
from torch import Tensor

from kernels import int4, nvfp4
from kernels.activations import activate, activate_reference, activation_code
from kernels.jit import INTERPRETED, Value, constexpr, jit, tl
from kernels.launch import Launch
from kernels.library import capability, ran, register
from kernels.nvfp4 import Nvfp4Weight, OneNumber
from kernels.nvfp4_quantize import decode_e4m3, scale_offset
from kernels.plan import KernelPlan, plan
from kernels.w4a16_linear import begin_early, split_of, store_rows

OP_A16, OP_A4 = "nvfp4_linear_w4a16", "nvfp4_linear_w4a4"
GROUP = int4.BLOCK
SIGNS = (13, 14, 12, 15)
"""Bits of a unit that are the signs of its four codes."""


class Nvfp4Words(NamedTuple):
    """W of [n, k] in kernel order: words [n, k'/8], scales [n, k'/16], the tensor's scale; k' is k in groups of 128."""

    words: Int32[Tensor, "n w"]
    scales: Float8e4m3fn[Tensor, "n s"]
    whole: OneNumber
    k: int


def to_words(weight: Nvfp4Weight) -> Nvfp4Words:
    """Repack a weight for `nvfp4_linear_w4a16`, with zeros up to whole blocks of 128."""
    codes = nvfp4.unpack_nibbles(weight.packed)
    codes = torch.nn.functional.pad(codes, (0, -codes.shape[1] % GROUP)).to(torch.int32)
    runs = codes.view(len(codes), -1, len(SIGNS), int4.RUN)
    units = sum((runs[:, :, r] & 7) << (3 * r) | (runs[:, :, r] >> 3) << sign for r, sign in enumerate(SIGNS))
    words = torch.as_tensor(units).to(torch.int16).flatten(1).view(torch.int32)
    blocks = codes.shape[1] // nvfp4.BLOCK - weight.scales.shape[1]
    scales = torch.nn.functional.pad(weight.scales.view(torch.uint8), (0, blocks)).view(torch.float8_e4m3fn)
    return Nvfp4Words(words, scales, weight.global_scale, weight.k)


def from_words(weight: Nvfp4Words) -> Nvfp4Weight:
    """The inverse of `to_words`, still padded."""
    units = weight.words.view(torch.int16).to(torch.int32).view(len(weight.words), -1, int4.RUN)
    runs = [(units >> (3 * r)) & 7 | ((units >> sign) & 1) << 3 for r, sign in enumerate(SIGNS)]
    codes = torch.stack(runs, 2).flatten(1).to(torch.uint8)
    return Nvfp4Weight(nvfp4.pack_nibbles(codes), weight.scales, weight.whole, weight.k)


@jit
def floats_of(units: Value, x: Value, RUN: constexpr, PACKED: constexpr) -> Value:
    """Values of one of the four runs, for 16-bit x 2¹⁴ times smaller; two at once where PACKED."""
    if PACKED and x.dtype == tl.float16:
        if RUN == 3:
            half = tl.inline_asm_elementwise(
                "and.b32 $0, $1, 0x8E008E00;", "=r,r", [units], dtype=tl.float16, is_pure=True, pack=2
            )
        elif RUN == 2:
            half = tl.inline_asm_elementwise(
                "{ .reg .b32 t; shl.b32 t, $1, 3; and.b32 $0, t, 0x8E008E00; }", "=r,r", [units], dtype=tl.float16,
                is_pure=True, pack=2,
            )  # fmt: skip
        elif RUN == 1:
            half = tl.inline_asm_elementwise(
                "{ .reg .b32 t, s; shl.b32 t, $1, 6; and.b32 t, t, 0x0E000E00; shl.b32 s, $1, 1; "
                "lop3.b32 $0, s, 0x80008000, t, 0xEA; }",
                "=r,r", [units], dtype=tl.float16, is_pure=True, pack=2,
            )  # fmt: skip
        else:
            half = tl.inline_asm_elementwise(
                "{ .reg .b32 t, s; shl.b32 t, $1, 9; and.b32 t, t, 0x0E000E00; shl.b32 s, $1, 2; "
                "lop3.b32 $0, s, 0x80008000, t, 0xEA; }",
                "=r,r", [units], dtype=tl.float16, is_pure=True, pack=2,
            )  # fmt: skip
    else:
        SIGN: constexpr = 15 if RUN == 3 else 12 + (RUN + 1) % 3
        half = (((units << (9 - 3 * RUN)) & 0x0E00) | ((units << (15 - SIGN)) & -32768)).to(tl.float16, bitcast=True)
        if x.dtype != tl.float16:
            half = (half.to(tl.float32) * 16384.0).to(x.dtype)
    return half


@jit
def scale_of(eight: Value, INDEX: constexpr) -> Value:
    """One of eight e4m3 scales in 64 bits, 2⁸ times smaller; all eight share their shifts and masks by pairs."""
    four = (eight >> (32 * (INDEX // 4))).to(tl.int32)
    if INDEX % 2 == 0:
        four = four << 8
    pair = ((four >> 1) & 0x3F803F80) | (four & -2147450880)
    half = (pair >> (16 * (INDEX % 4 // 2))).to(tl.int16).to(tl.float16, bitcast=True)
    return half.to(tl.float32)


@jit
def nvfp4_gemv(
    x: Value, words: Value, scales: Value, whole: Value, bias: Value, y: Value, M: Value, N: Value, K: Value,
    VECTORS: Value, BIAS: constexpr, ACT: constexpr, PDL: constexpr, EVEN: constexpr, PACKED: constexpr, BN: constexpr,
    BM: constexpr, SPLIT: constexpr,
) -> None:  # fmt: skip
    """BN rows of W against all M rows of x, at most BM; the eight scales of 128 codes are one number of 64 bits."""
    blocks = VECTORS // 4
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    m = tl.arange(0, BM)
    u = tl.arange(0, 16)
    if PDL:
        begin_early(words, n, N, blocks * 32, 2 * SPLIT)
        tl.extra.cuda.gdc_wait()
        tl.extra.cuda.gdc_launch_dependents()
    total = tl.zeros((SPLIT, BN, BM), tl.float32)
    for start in range(0, blocks, SPLIT):
        b = start + tl.arange(0, SPLIT)
        here = (b < blocks)[:, None] & (n < N)[None, :]
        fed = (b < blocks)[:, None, None] & (m < M)[None, None, :]
        if EVEN:
            here, fed = here | True, tl.broadcast_to((m < M)[None, None, :], (SPLIT, 1, BM))
        eight = tl.load(scales + n[None, :] * blocks + b[:, None], mask=here, other=0)
        for half in tl.static_range(2):
            place = n[None, :, None] * (blocks * 32) + (b * 32)[:, None, None] + u[None, None, :] + half * 16
            w = tl.load(words + place, mask=here[:, :, None], other=0, eviction_policy="evict_first")
            for r in tl.static_range(4):
                k = (b * 128)[:, None, None] + u[None, :, None] + (r * 32 + half * 16)
                taken = fed
                if not EVEN:
                    taken = fed & (k < K)
                v = tl.load(x + m[None, None, :] * K + k, mask=taken, other=0.0, eviction_policy="evict_last")
                part = tl.dot(floats_of(w, v, r, PACKED), v, input_precision="ieee")
                total += part * scale_of(eight, 2 * r + half)[:, :, None]
    out = tl.sum(total, 0) * (tl.load(whole) * 256.0)
    if x.dtype.element_ty == tl.float16:
        out *= 16384.0
    store_rows(out, bias, y, n, m, M, N, BIAS, ACT)


@jit
def nvfp4_gemm_w4a16(
    x: Value, words: Value, scales: Value, whole: Value, bias: Value, y: Value, M: Value, N: Value, K: Value,
    VECTORS: Value, BIAS: constexpr, ACT: constexpr, BM: constexpr, BN: constexpr,
) -> None:  # fmt: skip
    """All M rows of x, at most BM, against BN rows of W, 128 k at a time."""
    blocks = VECTORS // 4
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    m = tl.arange(0, BM)
    total = tl.zeros((BM, BN), tl.float32)
    for g in range(0, blocks):
        k = g * 128 + tl.arange(0, 128)
        v = tl.load(x + m[:, None] * K + k[None, :], mask=(m < M)[:, None] & (k < K)[None, :], other=0.0)
        w = g * 32 + tl.arange(0, 32)
        q = tl.load(words + n[None, :] * (blocks * 32) + w[:, None], mask=(n < N)[None, :], other=0).to(tl.int32)
        b = g * 8 + tl.arange(0, 8)
        s = tl.load(scales + n[None, :] * (blocks * 8) + b[:, None], mask=(n < N)[None, :], other=0)
        r = tl.arange(0, 4)
        sign = 15 - tl.where(r == 3, 15, 12 + (r + 1) % 3)
        bits = ((q[None, :, :] << (9 - 3 * r)[:, None, None]) & 0x0E00) | (
            (q[None, :, :] << sign[:, None, None]) & 0x8000
        )
        values = bits.to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32) * 16384.0
        values = tl.reshape(values, (8, 16, BN)) * decode_e4m3(s.to(tl.int32))[:, None, :]
        tile = tl.reshape(values, (128, BN)).to(v.dtype)
        total = tl.dot(v, tile, total, input_precision="ieee")
    total *= tl.load(whole)
    if BIAS:
        total += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)[None, :]
    total = activate(total, ACT)
    tl.store(y + m[:, None] * N + n[None, :], total.to(y.dtype.element_ty), mask=(m < M)[:, None] & (n < N)[None, :])


@jit
def nvfp4_gemm_w4a4(
    a: Value, a_scales: Value, b: Value, b_scales: Value, whole_x: Value, whole_w: Value, bias: Value, y: Value,
    RA: Value, RB: Value, BYTES: Value, STEP_A: Value, STEP_B: Value, SWAPPED: constexpr, SWIZZLED: constexpr,
    BIAS: constexpr, ACT: constexpr, BA: constexpr, BB: constexpr, BK: constexpr,
) -> None:  # fmt: skip
    """BA rows of a against BB rows of b; with SWAPPED a is the weight, and its rows are the columns of y."""
    columns = BYTES // 8
    ra = tl.program_id(0) * BA + tl.arange(0, BA)
    rb = tl.program_id(1) * BB + tl.arange(0, BB)
    acc = tl.zeros((BA, BB), tl.float32)
    for start in range(0, BYTES, BK // 2):
        k = start + tl.arange(0, BK // 2)
        c = start // 8 + tl.arange(0, BK // 16)
        ma, mb = (ra < RA)[:, None], (rb < RB)[:, None]
        va = tl.load(a + ra[:, None] * BYTES + k[None, :], mask=ma & (k < BYTES)[None, :], other=0)
        vb = tl.load(b + rb[:, None] * BYTES + k[None, :], mask=mb & (k < BYTES)[None, :], other=0)
        at = scale_offset(ra[:, None], c[None, :], columns, SWIZZLED)
        sa = tl.load(a_scales + at, mask=ma & (c < columns)[None, :], other=0.0)
        at = scale_offset(rb[:, None], c[None, :], columns, SWIZZLED)
        sb = tl.load(b_scales + at, mask=mb & (c < columns)[None, :], other=0.0)
        acc = tl.dot_scaled(va, sa, "e2m1", vb.T, sb, "e2m1", acc)
    acc *= tl.load(whole_x) * tl.load(whole_w)
    if BIAS:
        if SWAPPED:
            acc += tl.load(bias + ra, mask=ra < RA, other=0.0).to(tl.float32)[:, None]
        else:
            acc += tl.load(bias + rb, mask=rb < RB, other=0.0).to(tl.float32)[None, :]
    acc = activate(acc, ACT)
    place = y + ra[:, None] * STEP_A + rb[None, :] * STEP_B
    tl.store(place, acc.to(y.dtype.element_ty), mask=(ra < RA)[:, None] & (rb < RB)[None, :])


def prepare_w4a16(
    x: Float[Tensor, "m k"],
    words: Int32[Tensor, "n w"],
    scales: Float8e4m3fn[Tensor, "n s"],
    whole: OneNumber,
    bias: Float[Tensor, " n"] | None,
    act: str,
    chosen: KernelPlan,
    y: Float[Tensor, "m n"],
) -> Launch:
    """The launch of one linear on 16-bit x that writes `y`."""
    (m, k), n = x.shape, words.shape[0]
    few = chosen.kernel == "nvfp4_gemv"
    arguments = {
        "x": x, "words": words.view(torch.int16), "scales": scales.view(torch.int64 if few else torch.uint8),
        "whole": whole, "bias": whole if bias is None else bias, "y": y, "M": m, "N": n, "K": k,
        "VECTORS": words.shape[1] // 4,
    }  # fmt: skip
    constants = {"BIAS": bias is not None, "ACT": activation_code(act)} | chosen.tile
    blocks = -(-n // chosen.tile["BN"])
    if few:
        warps = split_of(chosen, x)
        even = k % (GROUP * warps) == 0 and n % chosen.tile["BN"] == 0
        constants |= {"PDL": chosen.pdl, "EVEN": even, "PACKED": not INTERPRETED, "SPLIT": warps}
        return Launch(nvfp4_gemv, (blocks,), arguments, constants, warps, chosen.stages, chosen.pdl, chosen.registers)
    return Launch(nvfp4_gemm_w4a16, (blocks,), arguments, constants, chosen.warps, chosen.stages)


def prepare_w4a4(
    x: tuple[UInt8[Tensor, "m b"], Float8e4m3fn[Tensor, "*s"], OneNumber],
    weight: tuple[UInt8[Tensor, "n b"], Float8e4m3fn[Tensor, "*t"], OneNumber],
    bias: Float[Tensor, " n"] | None,
    act: str,
    swizzled: bool,
    chosen: KernelPlan,
    y: Float[Tensor, "m n"],
) -> Launch:
    """The launch of one linear on four-bit x that writes `y`; each operand is bytes, scales and the tensor's scale."""
    swapped = bool(chosen.tile["SWAPPED"])
    m, n = y.shape
    (a, b), (ra, rb) = ((weight, x), (n, m)) if swapped else ((x, weight), (m, n))
    step_a, step_b = (1, n) if swapped else (n, 1)
    arguments = {
        "a": a[0], "a_scales": a[1], "b": b[0], "b_scales": b[1], "whole_x": x[2], "whole_w": weight[2],
        "bias": x[2] if bias is None else bias, "y": y, "RA": ra, "RB": rb, "BYTES": a[0].shape[1],
        "STEP_A": step_a, "STEP_B": step_b,
    }  # fmt: skip
    constants = {"SWIZZLED": swizzled, "BIAS": bias is not None, "ACT": activation_code(act)} | chosen.tile
    grid = (-(-ra // chosen.tile["BA"]), -(-rb // chosen.tile["BB"]))
    return Launch(nvfp4_gemm_w4a4, grid, arguments, constants, chosen.warps, chosen.stages)


def _empty_a16(x: Tensor, words: Tensor, scales: Tensor, whole: Tensor, bias: Tensor | None, act: str) -> Tensor:
    activation_code(act)
    padded = 8 * words.shape[1]
    if padded % GROUP or scales.shape != (words.shape[0], padded // nvfp4.BLOCK):
        raise ValueError(f"words {tuple(words.shape)} and scales {tuple(scales.shape)} do not fit groups of {GROUP}")
    if x.ndim != 2 or not padded - GROUP < x.shape[1] <= padded:
        raise ValueError(f"an input of {tuple(x.shape)} does not fit a weight with rows of {padded}")
    return x.new_empty(x.shape[0], words.shape[0])


def _cuda_a16(x: Tensor, words: Tensor, scales: Tensor, whole: Tensor, bias: Tensor | None, act: str) -> Tensor:
    y = _empty_a16(x, words, scales, whole, bias, act)
    chosen = plan(OP_A16, x.shape[0], words.shape[0], x.shape[1], capability(x.device))
    prepare_w4a16(x.contiguous(), words, scales, whole, bias, act, chosen, y).run()
    ran[chosen.path()] += 1
    return y


def nvfp4_linear_w4a16_reference(
    x: Float[Tensor, "m k"],
    words: Int32[Tensor, "n w"],
    scales: Float8e4m3fn[Tensor, "n s"],
    whole: OneNumber,
    bias: Float[Tensor, " n"] | None,
    act: str,
) -> Float[Tensor, "m n"]:
    """The definition, in double precision, on the CPU."""
    _empty_a16(x, words, scales, whole, bias, act)
    y = x.double() @ nvfp4.dequantise_nvfp4(from_words(Nvfp4Words(words, scales, whole, x.shape[1]))).t()
    ran[f"{OP_A16} reference"] += 1
    return activate_reference(y if bias is None else y + bias.double(), act).to(x.dtype)


def _empty_a4(
    x: Tensor, x_scales: Tensor, x_whole: Tensor, w: Tensor, w_scales: Tensor, w_whole: Tensor, bias: Tensor | None,
    act: str, swizzled: bool, dtype: torch.dtype,
) -> Tensor:  # fmt: skip
    activation_code(act)
    if x.shape[1] != w.shape[1] or x.shape[1] % 8:
        raise ValueError(f"codes of {tuple(x.shape)} and {tuple(w.shape)} bytes are not rows of the same whole blocks")
    return torch.empty(x.shape[0], w.shape[0], dtype=dtype, device=x.device)


def _cuda_a4(
    x: Tensor, x_scales: Tensor, x_whole: Tensor, w: Tensor, w_scales: Tensor, w_whole: Tensor, bias: Tensor | None,
    act: str, swizzled: bool, dtype: torch.dtype,
) -> Tensor:  # fmt: skip
    y = _empty_a4(x, x_scales, x_whole, w, w_scales, w_whole, bias, act, swizzled, dtype)
    chosen = plan(OP_A4, x.shape[0], w.shape[0], 2 * w.shape[1], capability(x.device))
    prepare_w4a4((x, x_scales, x_whole), (w, w_scales, w_whole), bias, act, swizzled, chosen, y).run()
    ran[chosen.path()] += 1
    return y


def nvfp4_linear_w4a4_reference(
    x: UInt8[Tensor, "m b"], x_scales: Float8e4m3fn[Tensor, "*s"], x_whole: OneNumber,
    w: UInt8[Tensor, "n b"], w_scales: Float8e4m3fn[Tensor, "*t"], w_whole: OneNumber,
    bias: Float[Tensor, " n"] | None, act: str, swizzled: bool, dtype: torch.dtype,
) -> Float[Tensor, "m n"]:  # fmt: skip
    """The definition, in double precision, on the CPU."""
    _empty_a4(x, x_scales, x_whole, w, w_scales, w_whole, bias, act, swizzled, dtype)

    def matrix(packed: Tensor, scales: Tensor, whole: Tensor) -> Tensor:
        k = 2 * packed.shape[1]
        linear = nvfp4.unswizzle(scales, len(packed), k // nvfp4.BLOCK) if swizzled else scales
        return nvfp4.dequantise_nvfp4(Nvfp4Weight(packed, linear, whole, k))

    y = matrix(x, x_scales, x_whole) @ matrix(w, w_scales, w_whole).t()
    ran[f"{OP_A4} reference"] += 1
    return activate_reference(y if bias is None else y + bias.double(), act).to(dtype)


_operation_a16 = register(
    f"{OP_A16}(Tensor x, Tensor words, Tensor scales, Tensor whole, Tensor? bias, str act) -> Tensor",
    cpu=nvfp4_linear_w4a16_reference, cuda=_cuda_a16, meta=_empty_a16,
)  # fmt: skip
_operation_a4 = register(
    f"{OP_A4}(Tensor x, Tensor x_scales, Tensor x_whole, Tensor w, Tensor w_scales, Tensor w_whole, Tensor? bias,"
    " str act, bool swizzled, ScalarType dtype) -> Tensor",
    cpu=nvfp4_linear_w4a4_reference, cuda=_cuda_a4, meta=_empty_a4,
)  # fmt: skip


def nvfp4_linear_w4a16(
    x: Float[Tensor, "m k"], weight: Nvfp4Words, bias: Float[Tensor, " n"] | None = None, act: str = "none"
) -> Float[Tensor, "m n"]:
    """act(x·Wᵀ + bias) in the dtype of x."""
    y: Tensor = _operation_a16(x, weight.words, weight.scales, weight.whole, bias, act)
    return y


def nvfp4_linear_w4a4(
    x: tuple[UInt8[Tensor, "m b"], Float8e4m3fn[Tensor, "*s"], OneNumber],
    weight: tuple[UInt8[Tensor, "n b"], Float8e4m3fn[Tensor, "*t"], OneNumber],
    bias: Float[Tensor, " n"] | None = None,
    act: str = "none",
    *,
    swizzled: bool = False,
    dtype: torch.dtype = torch.float16,
) -> Float[Tensor, "m n"]:
    """act(x·Wᵀ + bias); each operand is bytes, scales and the tensor's scale, both with scales in the same order.

    Raises KernelUnavailable on cards without four-bit tensor cores.
    """
    y: Tensor = _operation_a4(*x, *weight, bias, act, swizzled, dtype)
    return y
