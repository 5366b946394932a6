"""One launch for each plan, on tensors without memory: what the code generation tests compile.

Owns no kernel and no verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kernels import cfc_cell, gru_categorical_step, int4, nvfp4, nvfp4_linear, nvfp4_quantize, w4a16_linear
from kernels.jit import KernelUnavailable
from kernels.launch import Launch
from kernels.plan import KernelPlan, plan

Built = tuple[Launch, KernelPlan] | None
N, K, GROUP = 2048, 2048, 128


def empty(*shape: int, dtype: torch.dtype = torch.float16) -> torch.Tensor:
    """A tensor that has a shape and no memory."""
    return torch.empty(shape, dtype=dtype, device="meta")


def _planned(op: str, m: int, arch: int, build: Callable[[KernelPlan], Launch]) -> Built:
    try:
        chosen = plan(op, m, N, K, arch)
    except KernelUnavailable:
        return None
    return build(chosen), chosen


def _w4a16_linear(arch: int, m: int, group: int = GROUP, **options: Any) -> Built:
    zeros = empty(N, K // group) if options.get("zeros", True) else None
    act, dtype = options.get("act", "silu"), options.get("dtype", torch.float16)

    def build(chosen: KernelPlan) -> Launch:
        x, words, scales = empty(m, K, dtype=dtype), empty(N, int4.words_of(K), dtype=torch.int32), empty(N, K // group)
        y = empty(m, N, dtype=dtype)
        return w4a16_linear.prepare(x, words, scales, zeros, empty(N), group, act, chosen, y)

    return _planned(w4a16_linear.OP, m, arch, build)


SPECIMENS: dict[str, Callable[[int], Built]] = {
    "w4a16_linear m=1": lambda a: _w4a16_linear(a, 1),
    "w4a16_linear m=1 g=32 symmetric": lambda a: _w4a16_linear(a, 1, 32, zeros=False, act="none"),
    "w4a16_linear m=4 g=64": lambda a: _w4a16_linear(a, 4, 64),
    "w4a16_linear m=1 g=32": lambda a: _w4a16_linear(a, 1, 32),
    "w4a16_linear m=16": lambda a: _w4a16_linear(a, 16),
    "w4a16_linear m=16 g=32 bf16": lambda a: _w4a16_linear(a, 16, 32, dtype=torch.bfloat16),
    "w4a16_linear m=32 g=64": lambda a: _w4a16_linear(a, 32, 64),
    "w4a16_linear m=64": lambda a: _w4a16_linear(a, 64),
}


def _nvfp4_quantize(arch: int, m: int, *, swizzled: bool) -> Built:
    def build(chosen: KernelPlan) -> Launch:
        blocks = K // nvfp4.BLOCK
        shape = (nvfp4.swizzled_size(m, blocks),) if swizzled else (m, blocks)
        scales, packed = empty(*shape, dtype=torch.float8_e4m3fn), empty(m, 8 * blocks, dtype=torch.uint8)
        return nvfp4_quantize.prepare(empty(m, K), empty(1, dtype=torch.float32), packed, scales, swizzled, chosen)

    return _planned(nvfp4_quantize.OP, m, arch, build)


def _nvfp4_w4a16(arch: int, m: int) -> Built:
    def build(chosen: KernelPlan) -> Launch:
        words, scales = (
            empty(N, int4.words_of(K), dtype=torch.int32),
            empty(N, int4.words_of(K) // 2, dtype=torch.float8_e4m3fn),
        )
        whole = empty(1, dtype=torch.float32)
        return nvfp4_linear.prepare_w4a16(empty(m, K), words, scales, whole, empty(N), "silu", chosen, empty(m, N))

    return _planned(nvfp4_linear.OP_A16, m, arch, build)


def _nvfp4_w4a4(arch: int, m: int, *, swizzled: bool = False) -> Built:
    def operand(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        shape = (nvfp4.swizzled_size(rows, K // 16),) if swizzled else (rows, K // 16)
        scales = empty(*shape, dtype=torch.float8_e4m3fn)
        return empty(rows, K // 2, dtype=torch.uint8), scales, empty(1, dtype=torch.float32)

    def build(chosen: KernelPlan) -> Launch:
        y = empty(m, N)
        return nvfp4_linear.prepare_w4a4(operand(m), operand(N), empty(N), "silu", swizzled, chosen, y)

    return _planned(nvfp4_linear.OP_A4, m, arch, build)


SPECIMENS |= {
    "nvfp4_quantize linear": lambda a: _nvfp4_quantize(a, 16, swizzled=False),
    "nvfp4_quantize swizzled": lambda a: _nvfp4_quantize(a, 16, swizzled=True),
    "nvfp4_linear_w4a16 m=1": lambda a: _nvfp4_w4a16(a, 1),
    "nvfp4_linear_w4a16 m=16": lambda a: _nvfp4_w4a16(a, 16),
    "nvfp4_linear_w4a16 m=32": lambda a: _nvfp4_w4a16(a, 32),
    "nvfp4_linear_w4a16 m=64": lambda a: _nvfp4_w4a16(a, 64),
    "nvfp4_linear_w4a4 m=1": lambda a: _nvfp4_w4a4(a, 1),
    "nvfp4_linear_w4a4 m=16 swizzled": lambda a: _nvfp4_w4a4(a, 16, swizzled=True),
    "nvfp4_linear_w4a4 m=32": lambda a: _nvfp4_w4a4(a, 32),
    "nvfp4_linear_w4a4 m=64": lambda a: _nvfp4_w4a4(a, 64),
    "nvfp4_linear_w4a4 m=64 swizzled": lambda a: _nvfp4_w4a4(a, 64, swizzled=True),
}


def _cfc_cell(arch: int, m: int, group: int, dtype: torch.dtype = torch.float16) -> Built:
    inputs, units, width = 128, 128, 128

    def matrix(n: int, k: int) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        if not group:
            return empty(n, k, dtype=dtype), None, None
        return empty(n, k // 8, dtype=torch.int32), empty(n, k // group), empty(n, k // group)

    def build(chosen: KernelPlan) -> Launch:
        x, h, out = empty(m, inputs, dtype=dtype), empty(m, units, dtype=dtype), empty(m, units, dtype=dtype)
        b, g = matrix(width, inputs + units), matrix(4 * units, width)
        weights = (*b, empty(width, dtype=dtype), *g, empty(4 * units, dtype=dtype))
        return cfc_cell.prepare(x, h, empty(m, dtype=torch.float32), weights, group, chosen, out)

    return _planned(cfc_cell.OP, m, arch, build)


def _gru(arch: int, *, uniform: bool) -> Built:
    rows, width, groups, classes = 16, 512, 32, 32

    def build(chosen: KernelPlan) -> Launch:
        u = empty(rows, groups, dtype=torch.float32) if uniform else None
        index = empty(rows, groups, dtype=torch.int32)
        outputs = (empty(rows, width), index, empty(rows, groups, dtype=torch.float32))
        gates, weight = empty(rows, 3 * width), empty(groups * classes, width)
        return gru_categorical_step.prepare(
            gates, gates, empty(rows, width), weight, empty(groups * classes), u, empty(2, dtype=torch.int32), groups,
            0.01, chosen, outputs,
        )  # fmt: skip

    return _planned(gru_categorical_step.OP, rows, arch, build)


SPECIMENS |= {
    "cfc_cell m=1": lambda a: _cfc_cell(a, 1, 0),
    "cfc_cell m=16 bf16": lambda a: _cfc_cell(a, 16, 0, torch.bfloat16),
    "cfc_cell m=64": lambda a: _cfc_cell(a, 64, 0),
    "cfc_cell m=1 int4": lambda a: _cfc_cell(a, 1, 64),
    "cfc_cell m=64 int4": lambda a: _cfc_cell(a, 64, 128),
    "gru_categorical_step u": lambda a: _gru(a, uniform=True),
    "gru_categorical_step philox": lambda a: _gru(a, uniform=False),
}
