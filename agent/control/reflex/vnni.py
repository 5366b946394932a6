"""Products of rows of bytes by the processor's own instruction, vpdpbusd, where it has one.

The instruction multiplies four unsigned by four signed bytes and adds the products to 32 bits, without rounding and
without saturating, in every lane of a register. Weights are signed bytes, packed [tile, input / 4, 64 outputs, 4] so
that a register holds four inputs of neighbouring outputs; activations are 16 bits, a high and a low unsigned byte, so
that each weight is read once and used twice. Owns the packing and the loop; no scales.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numpy.typing import NDArray

TILE, QUAD, AT_ONCE = 64, 4, 4
"""Outputs of a tile, inputs of a lane, and registers of outputs that are summed side by side."""
LINE_BYTES = 64


def lanes() -> int:
    """32-bit lanes of the widest vpdpbusd that code is compiled for here; 0 without one.

    numba's own choice counts, so that NUMBA_CPU_FEATURES and NUMBA_CPU_NAME are obeyed.
    """
    return lanes_of(cpu_features())


def cpu_features() -> str:
    """Those that numba compiles for, as LLVM names them."""
    return str(cpu_target.target_context.codegen().magic_tuple()[2])


def lanes_of(features: str) -> int:
    """The same for a processor with these features of LLVM, as in `+avx2,-avx512f`."""
    have = {name[1:] for name in features.split(",") if name.startswith("+")}
    if {"avx512vnni", "avx512f"} <= have:
        return 16
    return 8 if "avxvnni" in have else 0


def aligned(shape: tuple[int, ...], dtype: type[np.generic] = np.int8) -> NDArray[Any]:
    """Zeros that begin a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + LINE_BYTES, np.uint8)
    start = -room.ctypes.data % LINE_BYTES
    return room[start : start + size].view(dtype).reshape(shape)


def pack(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Rows [out, in] as [tile, input / 4, 64, 4], zeros where there is no row or column."""
    outputs, inputs = weight.shape
    tiles, quads = -(-outputs // TILE), -(-inputs // QUAD)
    whole = np.zeros((tiles * TILE, quads * QUAD), np.int8)
    whole[:outputs, :inputs] = weight
    packed = aligned((tiles, quads, TILE, QUAD))
    packed[:] = whole.reshape(tiles, TILE, quads, QUAD).transpose(0, 2, 1, 3)
    return packed


def _dot(builder: ir.IRBuilder, width: int, total: ir.Value, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
    """vpdpbusd on `width` lanes."""
    vector = ir.VectorType(ir.IntType(32), width)
    kind = ir.FunctionType(vector, [vector, vector, vector])
    name = f"llvm.x86.avx512.vpdpbusd.{width * 32}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [total, unsigned, signed])


def _broadcast(builder: ir.IRBuilder, pointer: ir.Value, width: int) -> ir.Value:
    """Four bytes in every lane."""
    word = ir.IntType(32)
    value = builder.load(builder.bitcast(pointer, word.as_pointer()), align=1)
    empty = ir.Constant(ir.VectorType(word, width), ir.Undefined)
    first = builder.insert_element(empty, value, word(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(word, width), [0] * width))


def _sum_tile(typing_context: Any, w: Any, tile: Any, high: Any, low: Any, totals: Any) -> Any:
    """totals[64·tile:][:64] = 256·(w[tile]·high) + w[tile]·low in 32 bits that wrap.

    w is packed, high and low are u8 with an element for each input of w, totals are i32.
    """
    width = lanes()

    def code(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        kinds = signature.args
        arrays = {i: context.make_array(kinds[i])(context, builder, arguments[i]) for i in (0, 2, 3, 4)}
        intp, byte = context.get_value_type(types.intp), ir.IntType(8).as_pointer()
        vector = ir.VectorType(ir.IntType(32), width)
        quads = cgutils.unpack_tuple(builder, arrays[0].shape, 4)[1]
        weights, hi, lo, out = (builder.bitcast(arrays[i].data, byte) for i in (0, 2, 3, 4))
        number = context.cast(builder, arguments[1], kinds[1], types.intp)
        weights = builder.gep(weights, [builder.mul(builder.mul(number, quads), intp(TILE * QUAD))])
        out = builder.gep(out, [builder.mul(number, intp(TILE * QUAD))])
        for first in range(0, TILE, width * AT_ONCE):
            sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(2 * AT_ONCE)]
            with cgutils.for_range(builder, quads) as loop:
                here = builder.gep(weights, [builder.mul(loop.index, intp(TILE * QUAD))])
                at = builder.mul(loop.index, intp(QUAD))
                bytes_ = [_broadcast(builder, builder.gep(part, [at]), width) for part in (hi, lo)]
                for i in range(AT_ONCE):
                    place = builder.gep(here, [intp((first + i * width) * QUAD)])
                    signed = builder.load(builder.bitcast(place, vector.as_pointer()), align=1)
                    for total, unsigned in zip(sums[2 * i : 2 * i + 2], bytes_, strict=True):
                        builder.store(_dot(builder, width, builder.load(total), unsigned, signed), total)
            for i in range(AT_ONCE):
                upper, lower = (builder.load(total) for total in sums[2 * i : 2 * i + 2])
                shift = ir.Constant(vector, [8] * width)
                place = builder.bitcast(builder.gep(out, [intp((first + i * width) * QUAD)]), vector.as_pointer())
                builder.store(builder.add(builder.shl(upper, shift), lower), place, align=1)
        return context.get_dummy_value()

    return types.void(w, tile, high, low, totals), code


sum_tile: Any = intrinsic(_sum_tile)
