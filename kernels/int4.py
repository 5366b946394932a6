"""Four-bit integer weights: quantisation by groups along K, and the two orders in which their codes are packed.

A weight is (code − zero)·scale, code 0…15, one scale and one zero a group; symmetric weights have zero 8. Two orders:

* interchange, as compressed-tensors writes it: nibble i of word w is the code of k = 8w + i;
* kernel order: 128 codes are a block of 32 units of 16 bits, two units a word, and nibble j of unit u is the code of
  k = 32j + u. The units that one thread loads at once give four runs of neighbouring k, and a run has one scale
  whatever the group. A row is padded with zeros to whole blocks.

Owns no file; `kernels.formats` reads and writes them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Int32, UInt8
from torch import Tensor

GROUPS = (32, 64, 128)
MIDDLE = 8
BLOCK, RUN = 128, 32
"""Codes of a block in kernel order, and those of one of its four runs."""


class Int4Weight(NamedTuple):
    """A matrix of [n, k] in kernel order: words [n, k'/8], scales and zeros [n, ⌈k/group⌉]; k' is k in whole blocks."""

    words: Int32[Tensor, "n w"]
    scales: Float[Tensor, "n g"]
    zeros: Float[Tensor, "n g"] | None
    k: int
    group: int


def check_group(group: int) -> None:
    """Raise ValueError unless the kernels know this group size."""
    if group not in GROUPS:
        raise ValueError(f"a group of {group}: the kernels know {', '.join(map(str, GROUPS))}")


def pack_words(codes: UInt8[Tensor, "n k"]) -> Int32[Tensor, "n w"]:
    """Eight codes a word, the first in the lowest bits; a last word is filled with zeros."""
    n, k = codes.shape
    padded = torch.nn.functional.pad(codes, (0, -k % 8)).view(n, -1, 8).to(torch.int64)
    words = (padded << (4 * torch.arange(8))).sum(2)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)


def unpack_words(words: Int32[Tensor, "n w"], k: int) -> UInt8[Tensor, "n k"]:
    """The inverse of `pack_words`."""
    codes = (words.unsqueeze(2) >> (4 * torch.arange(8, dtype=torch.int32))) & 15
    return codes.flatten(1)[:, :k].to(torch.uint8)


def to_kernel_order(codes: UInt8[Tensor, "n k"]) -> Int32[Tensor, "n w"]:
    """Pack codes in kernel order, with zeros up to whole blocks."""
    padded = torch.nn.functional.pad(codes, (0, -codes.shape[1] % BLOCK))
    n, k = padded.shape
    swapped = padded.view(n, k // BLOCK, BLOCK // RUN, RUN).transpose(2, 3).reshape(n, k)
    return pack_words(swapped)


def from_kernel_order(words: Int32[Tensor, "n w"]) -> UInt8[Tensor, "n k"]:
    """The inverse of `to_kernel_order`, still padded."""
    n, w = words.shape
    codes = unpack_words(words, 8 * w)
    return codes.view(n, 8 * w // BLOCK, RUN, BLOCK // RUN).transpose(2, 3).reshape(n, 8 * w)


def words_of(k: int) -> int:
    """Words of a row of k codes in kernel order."""
    return -(-k // BLOCK) * BLOCK // 8


def int4_parameters(
    weight: Float[Tensor, "n k"], group: int, *, symmetric: bool
) -> tuple[Float[Tensor, "n g"], Int[Tensor, "n g"]]:
    """Scale and zero point of every group by its extremes, as compressed-tensors computes them; k in whole groups."""
    blocks = weight.reshape(len(weight), -1, group)
    low, high = blocks.amin(2).clamp(max=0), blocks.amax(2).clamp(min=0)
    if symmetric:
        scales = torch.maximum(-low, high) / 7.5
        zeros = torch.full_like(scales, MIDDLE)
    else:
        scales = (high - low) / 15
        zeros = (-MIDDLE - low / scales).clamp(-MIDDLE, MIDDLE - 1).nan_to_num(0.0).round() + MIDDLE
    scales = torch.where(scales == 0, torch.finfo(scales.dtype).eps, scales)
    return scales, zeros.to(torch.int32)


def int4_codes(
    weight: Float[Tensor, "n k"], scales: Float[Tensor, "n g"], zeros: Int[Tensor, "n g"], group: int
) -> UInt8[Tensor, "n k"]:
    """The nearest code of every weight, ties to even."""
    blocks = weight.reshape(len(weight), -1, group) / scales.unsqueeze(2)
    signed = torch.round((blocks + (zeros.unsqueeze(2) - MIDDLE)).clamp(-MIDDLE, MIDDLE - 1))
    return (signed + MIDDLE).flatten(1).to(torch.uint8)


def quantise_int4(
    weight: Float[Tensor, "n k"], group: int, *, symmetric: bool, dtype: torch.dtype = torch.float32
) -> Int4Weight:
    """Round a matrix to four bits, packed in kernel order; scales and zeros are kept in `dtype`."""
    check_group(group)
    k = weight.shape[1]
    padded = torch.nn.functional.pad(weight, (0, -k % group))
    scales, zeros = int4_parameters(padded, group, symmetric=symmetric)
    scales = scales.to(dtype)
    codes = int4_codes(padded, scales.to(weight.dtype), zeros, group)
    return Int4Weight(to_kernel_order(codes), scales, None if symmetric else zeros.to(dtype), k, group)


def dequantise_int4(weight: Int4Weight) -> Float[Tensor, "n k"]:
    """The matrix that the codes stand for, in double precision."""
    codes = from_kernel_order(weight.words)[:, : weight.scales.shape[1] * weight.group]
    codes = codes.double().reshape(len(weight.words), -1, weight.group)
    zeros = torch.tensor(float(MIDDLE)) if weight.zeros is None else weight.zeros.double().unsqueeze(2)
    values: Tensor = (codes - zeros) * weight.scales.double().unsqueeze(2)
    return values.flatten(1)[:, : weight.k]
