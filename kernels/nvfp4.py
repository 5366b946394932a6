"""NVFP4: four-bit floats (e2m1) in blocks of 16 with an e4m3 scale each, and one fp32 scale for the tensor.

A weight is e2m1(code)·e4m3(scale)·global. Two codes a byte, the even k in the low nibble. Scales lie row by row
("linear", on disk always) or in the order that the tensor cores read ("swizzled", 128 rows × 4 columns a tile of 512
bytes): byte (r % 32)·16 + (r // 32 % 4)·4 + c % 4 of tile (r // 128, c // 4). A value below zero keeps its sign when it
rounds to zero; minus zero itself becomes plus zero, as in ModelOpt.

`global` multiplies, as ModelOpt's `weight_scale_2` does; compressed-tensors stores its reciprocal.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Float8e4m3fn, Float32, UInt8
from torch import Tensor

BLOCK = 16
OneNumber = Float32[Tensor, ""] | Float32[Tensor, "1"]
"""One number, of shape [] or, as files have it, [1]."""
E2M1_MAX, E4M3_MAX, E4M3_MIN = 6.0, 448.0, 2.0**-9
E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
MIDPOINTS = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
_TO_EVEN = torch.tensor([0.75, 1.75, 3.5])
TILE_ROWS, TILE_COLUMNS = 128, 4


class Nvfp4Weight(NamedTuple):
    """A matrix of [n, k]: bytes [n, k'/2], linear scales [n, k'/16], the tensor's scale; k' is k in whole blocks."""

    packed: UInt8[Tensor, "n b"]
    scales: Float8e4m3fn[Tensor, "n s"]
    global_scale: OneNumber
    k: int


def encode_e2m1(x: Float[Tensor, "*s"]) -> UInt8[Tensor, "*s"]:
    """The nearest of the sixteen codes, ties to the even one, saturating at 6."""
    size = x.abs()
    code = torch.searchsorted(MIDPOINTS.to(size.dtype), size.contiguous())
    code = code + (size.unsqueeze(-1) == _TO_EVEN.to(size.dtype)).any(-1)
    return (code + 8 * (x < 0)).to(torch.uint8)


def decode_e2m1(codes: UInt8[Tensor, "*s"]) -> Float32[Tensor, "*s"]:
    """Values of codes."""
    size = E2M1[(codes & 7).long()]
    return torch.where(codes >= 8, -size, size)


def pack_nibbles(codes: UInt8[Tensor, "n k"]) -> UInt8[Tensor, "n b"]:
    """Two codes a byte, the even k in the low nibble."""
    return codes[:, 0::2] | (codes[:, 1::2] << 4)


def unpack_nibbles(packed: UInt8[Tensor, "n b"]) -> UInt8[Tensor, "n k"]:
    """The inverse of `pack_nibbles`."""
    return torch.stack((packed & 15, packed >> 4), 2).flatten(1)


def global_scale_of(x: Float[Tensor, "n k"]) -> OneNumber:
    """The tensor's scale by its largest value: 1 where everything is zero."""
    maximum = x.abs().amax().float()
    return torch.where(maximum > 0, maximum / (E2M1_MAX * E4M3_MAX), 1.0)


def block_scales(x: Float[Tensor, "n k"], global_scale: OneNumber) -> Float8e4m3fn[Tensor, "n s"]:
    """The scale of every block by its largest value; 1 for a block of zeros."""
    scales = x.float().reshape(len(x), -1, BLOCK).abs().amax(2) / (E2M1_MAX * global_scale)
    scales = torch.where(scales == 0, 1.0, scales)
    return scales.clamp(E4M3_MIN, E4M3_MAX).to(torch.float8_e4m3fn)


def quantise_nvfp4(x: Float[Tensor, "n k"], global_scale: OneNumber | None = None) -> Nvfp4Weight:
    """Round a matrix to NVFP4 with linear scales."""
    k = x.shape[1]
    padded = torch.nn.functional.pad(x.float(), (0, -k % BLOCK))
    scale = global_scale_of(padded) if global_scale is None else global_scale
    scales = block_scales(padded, scale)
    divided = padded.reshape(len(padded), -1, BLOCK) / (scales.float() * scale).unsqueeze(2)
    return Nvfp4Weight(pack_nibbles(encode_e2m1(divided.flatten(1))), scales, scale, k)


def dequantise_nvfp4(weight: Nvfp4Weight) -> Float[Tensor, "n k"]:
    """The matrix that the codes stand for, in double precision."""
    values = decode_e2m1(unpack_nibbles(weight.packed)).double().reshape(len(weight.packed), -1, BLOCK)
    scales = weight.scales.double() * weight.global_scale.double()
    return (values * scales.unsqueeze(2)).flatten(1)[:, : weight.k]


def swizzled_size(rows: int, columns: int) -> int:
    """Bytes of swizzled scales of [rows, columns]."""
    return -(-rows // TILE_ROWS) * -(-columns // TILE_COLUMNS) * TILE_ROWS * TILE_COLUMNS


def swizzle(scales: Float8e4m3fn[Tensor, "r c"]) -> Float8e4m3fn[Tensor, " swizzled"]:
    """Linear scales in the order of the tensor cores, padded with zeros to whole tiles."""
    rows, columns = scales.shape
    padded = torch.nn.functional.pad(scales.view(torch.uint8), (0, -columns % TILE_COLUMNS, 0, -rows % TILE_ROWS))
    tiles = padded.view(padded.shape[0] // TILE_ROWS, 4, 32, -1, TILE_COLUMNS)
    return tiles.permute(0, 3, 2, 1, 4).reshape(-1).view(torch.float8_e4m3fn)


def unswizzle(scales: Float8e4m3fn[Tensor, " swizzled"], rows: int, columns: int) -> Float8e4m3fn[Tensor, "r c"]:
    """The inverse of `swizzle`."""
    high, wide = -(-rows // TILE_ROWS), -(-columns // TILE_COLUMNS)
    tiles = scales.view(torch.uint8).view(high, wide, 32, 4, TILE_COLUMNS).permute(0, 3, 2, 1, 4)
    return tiles.reshape(high * TILE_ROWS, -1)[:rows, :columns].contiguous().view(torch.float8_e4m3fn)
