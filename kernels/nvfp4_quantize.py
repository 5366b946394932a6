"""Rounding activations to NVFP4: bytes, block scales, in one pass over x.

For a block of 16 with largest size a and the tensor's scale g: s = e4m3(a / 6g), 1 where a is 0, and the codes are
e2m1(x / (s·g)), each rounded to nearest even (`kernels.nvfp4`). Scales are written linear, or swizzled for the tensor
cores. Encoders work on integers, so that they give the same bits on every card and in the interpreter.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float8e4m3fn, UInt8
from torch import Tensor

from kernels import nvfp4
from kernels.jit import Value, constexpr, jit, tl
from kernels.launch import Launch
from kernels.library import capability, ran, register
from kernels.nvfp4 import OneNumber
from kernels.plan import KernelPlan, plan

OP = "nvfp4_quantize"


@jit
def encode_e4m3(v: Value) -> Value:
    """Codes of numbers from 0 to 448, nearest even: the top bits of the float, or a count of 2⁻⁹ below 2⁻⁶."""
    bits = v.to(tl.int32, bitcast=True)
    normal = ((bits + 0x7FFFF + ((bits >> 20) & 1)) >> 20) - 960
    small = (v * 512.0 + 12582912.0).to(tl.int32, bitcast=True) & 15
    return tl.where(v < 0.015625, small, normal)


@jit
def decode_e4m3(code: Value) -> Value:
    """Values of codes: the bits of a half float 2⁸ times smaller."""
    half = (((code & 127) << 7) | ((code & 128) << 8)).to(tl.int16).to(tl.float16, bitcast=True)
    return half.to(tl.float32) * 256.0


@jit
def encode_e2m1(x: Value) -> Value:
    """Codes of numbers: how many midpoints lie below, a tie counting where the code above is even."""
    a = tl.abs(x)
    code = (a > 0.25).to(tl.int32) + (a >= 0.75).to(tl.int32) + (a > 1.25).to(tl.int32) + (a >= 1.75).to(tl.int32)
    code += (a > 2.5).to(tl.int32) + (a >= 3.5).to(tl.int32) + (a > 5.0).to(tl.int32)
    return code | tl.where(x < 0, 8, 0)


@jit
def scale_offset(r: Value, c: Value, columns: Value, SWIZZLED: constexpr) -> Value:
    """Where the scale of row r and block c lies."""
    if SWIZZLED:
        tile = (r // 128) * ((columns + 3) // 4) + c // 4
        return tile * 512 + (r % 32) * 16 + (r % 128 // 32) * 4 + c % 4
    else:
        return r * columns + c


@jit
def nvfp4_quantize_kernel(
    x: Value, whole: Value, packed: Value, scales: Value, K: Value, BLOCKS: Value, SWIZZLED: constexpr, BB: constexpr
) -> None:
    """BB blocks of one row."""
    m = tl.program_id(0)
    b = tl.program_id(1) * BB + tl.arange(0, BB)
    k = b[:, None] * 16 + tl.arange(0, 16)[None, :]
    v = tl.load(x + m * K + k, mask=k < K, other=0.0).to(tl.float32)
    g = tl.load(whole)
    s = tl.div_rn(tl.max(tl.abs(v), 1), 6.0 * g)
    s = tl.where(s == 0.0, 1.0, tl.minimum(tl.maximum(s, 0.001953125), 448.0))
    code = encode_e4m3(s)
    step = decode_e4m3(code) * g
    low, high = tl.split(tl.reshape(encode_e2m1(tl.div_rn(v, step[:, None])), (BB, 8, 2)))
    here = b < BLOCKS
    place = packed + m * BLOCKS * 8 + b[:, None] * 8 + tl.arange(0, 8)[None, :]
    tl.store(place, (low | (high << 4)).to(tl.uint8), mask=here[:, None])
    tl.store(scales + scale_offset(m, b, BLOCKS, SWIZZLED), code.to(tl.uint8), mask=here)


def prepare(
    x: Float[Tensor, "m k"],
    whole: OneNumber,
    packed: UInt8[Tensor, "m b"],
    scales: Float8e4m3fn[Tensor, "*s"],
    swizzled: bool,
    chosen: KernelPlan,
) -> Launch:
    """The launch that writes `packed` and `scales`."""
    (m, k), blocks = x.shape, packed.shape[1] // 8
    arguments = {
        "x": x, "whole": whole, "packed": packed, "scales": scales.view(torch.uint8), "K": k, "BLOCKS": blocks,
    }  # fmt: skip
    grid = (m, -(-blocks // chosen.tile["BB"]))
    constants = {"SWIZZLED": swizzled} | chosen.tile
    return Launch(nvfp4_quantize_kernel, grid, arguments, constants, chosen.warps, chosen.stages)


def _empty(x: Tensor, whole: Tensor, swizzled: bool) -> tuple[Tensor, Tensor]:
    m, blocks = x.shape[0], -(-x.shape[1] // nvfp4.BLOCK)
    packed = torch.empty(m, 8 * blocks, dtype=torch.uint8, device=x.device)
    if swizzled:
        scales = torch.zeros(nvfp4.swizzled_size(m, blocks), dtype=torch.uint8, device=x.device)
    else:
        scales = torch.empty(m, blocks, dtype=torch.uint8, device=x.device)
    return packed, scales.view(torch.float8_e4m3fn)


def _cuda(x: Tensor, whole: Tensor, swizzled: bool) -> tuple[Tensor, Tensor]:
    packed, scales = _empty(x, whole, swizzled)
    chosen = plan(OP, x.shape[0], x.shape[1], x.shape[1], capability(x.device))
    prepare(x.contiguous(), whole, packed, scales, swizzled, chosen).run()
    ran[chosen.path()] += 1
    return packed, scales


def nvfp4_quantize_reference(
    x: Float[Tensor, "m k"], whole: OneNumber, swizzled: bool
) -> tuple[UInt8[Tensor, "m b"], Float8e4m3fn[Tensor, "*s"]]:
    """The definition, on the CPU."""
    rounded = nvfp4.quantise_nvfp4(x, whole)
    ran[f"{OP} reference"] += 1
    return rounded.packed, nvfp4.swizzle(rounded.scales) if swizzled else rounded.scales


_operation = register(
    f"{OP}(Tensor x, Tensor whole, bool swizzled) -> (Tensor, Tensor)",
    cpu=nvfp4_quantize_reference, cuda=_cuda, meta=_empty,
)  # fmt: skip


def nvfp4_quantize(
    x: Float[Tensor, "m k"], global_scale: OneNumber, *, swizzled: bool = False
) -> tuple[UInt8[Tensor, "m b"], Float8e4m3fn[Tensor, "*s"]]:
    """Bytes and scales of x under the tensor's scale, which calibration gives."""
    packed, scales = _operation(x, global_scale, swizzled)
    return packed, scales
