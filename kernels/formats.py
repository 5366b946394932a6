"""Quantised linears in the tensors that other projects read and write; the files themselves are safetensors.

* `pack-quantized` (compressed-tensors): weight_packed i32 along K, weight_scale, weight_shape, and for zero points
  weight_zero_point i32 packed along N;
* `nvfp4-pack-quantized` (compressed-tensors): weight_packed u8, weight_scale e4m3, weight_global_scale [1], a divisor;
* ModelOpt NVFP4: weight u8, weight_scale e4m3, weight_scale_2, a factor, and input_scale where it was calibrated.

Scales are linear on disk; the kernels' orders are made at load. Tensors of a layer go by their names without a prefix.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kernels import int4, nvfp4
from kernels.int4 import Int4Weight
from kernels.nvfp4 import Nvfp4Weight

Layer = dict[str, Tensor]
_EPS_E4M3 = 0.125


def save_pack_quantized(weight: Float[Tensor, "n k"], group: int, *, symmetric: bool) -> Layer:
    """Round a matrix to INT4 as compressed-tensors does; k must be whole groups."""
    int4.check_group(group)
    n, k = weight.shape
    if k % group:
        raise ValueError(f"a matrix of {n} × {k}: pack-quantized needs whole groups of {group}")
    scales, zeros = int4.int4_parameters(weight, group, symmetric=symmetric)
    layer = {
        "weight_packed": int4.pack_words(int4.int4_codes(weight, scales, zeros, group)),
        "weight_scale": scales,
        "weight_shape": torch.tensor([n, k]),
    }
    if not symmetric:
        layer["weight_zero_point"] = int4.pack_words(zeros.t().to(torch.uint8)).t().contiguous()
    return layer


def load_pack_quantized(layer: Layer, dtype: torch.dtype = torch.float32) -> Int4Weight:
    """An INT4 layer in kernel order; raises ValueError where its tensors do not fit together."""
    packed, scales = layer["weight_packed"], layer["weight_scale"]
    n, k = (int(v) for v in layer["weight_shape"])
    if packed.dtype != torch.int32 or packed.shape != (n, -(-k // 8)):
        raise ValueError(f"weight_packed is {packed.dtype} {tuple(packed.shape)}, not int32 {(n, -(-k // 8))}")
    if scales.ndim != 2 or scales.shape[0] != n or not scales.shape[1] or k % scales.shape[1]:
        raise ValueError(f"weight_scale is {tuple(scales.shape)} for a matrix of {(n, k)}")
    group = k // scales.shape[1]
    int4.check_group(group)
    zeros = None
    if "weight_zero_point" in layer:
        words = layer["weight_zero_point"]
        if words.dtype != torch.int32 or words.shape != (-(-n // 8), scales.shape[1]):
            raise ValueError(f"zero points are {words.dtype} {tuple(words.shape)} for scales {tuple(scales.shape)}")
        zeros = int4.unpack_words(words.t().contiguous(), n).t().to(dtype).contiguous()
    codes = int4.unpack_words(packed, k)
    return Int4Weight(int4.to_kernel_order(codes), scales.to(dtype), zeros, k, group)


def save_modelopt(weight: Float[Tensor, "n k"], input_amax: float | None = None) -> Layer:
    """Round a matrix to NVFP4 as ModelOpt does; `input_amax` is the largest input seen in calibration."""
    _check_blocks(weight)
    rounded = nvfp4.quantise_nvfp4(weight)
    layer = {"weight": rounded.packed, "weight_scale": rounded.scales, "weight_scale_2": rounded.global_scale}
    if input_amax is not None:
        layer["input_scale"] = torch.tensor(input_amax / (nvfp4.E2M1_MAX * nvfp4.E4M3_MAX))
    return layer


def load_modelopt(layer: Layer) -> Nvfp4Weight:
    """A ModelOpt layer; raises ValueError where its tensors do not fit together."""
    return _checked(layer["weight"], layer["weight_scale"], layer["weight_scale_2"].float().reshape(()))


def save_nvfp4_pack_quantized(weight: Float[Tensor, "n k"]) -> Layer:
    """Round a matrix to NVFP4 as compressed-tensors does."""
    _check_blocks(weight)
    x = weight.float()
    maximum = x.abs().amax().clamp(min=torch.finfo(torch.float32).tiny)
    inverse = nvfp4.E4M3_MAX * nvfp4.E2M1_MAX / maximum
    scales = inverse * (x.reshape(len(x), -1, nvfp4.BLOCK).abs().amax(2) / nvfp4.E2M1_MAX)
    scales = scales.clamp(max=nvfp4.E4M3_MAX).to(torch.float8_e4m3fn).float()
    scales = torch.where(scales == 0, _EPS_E4M3, scales)
    codes = nvfp4.encode_e2m1((x.reshape(len(x), -1, nvfp4.BLOCK) / (scales / inverse).unsqueeze(2)).flatten(1))
    return {
        "weight_packed": nvfp4.pack_nibbles(codes),
        "weight_scale": scales.to(torch.float8_e4m3fn),
        "weight_global_scale": inverse.reshape(1),
    }


def load_nvfp4_pack_quantized(layer: Layer) -> Nvfp4Weight:
    """A compressed-tensors NVFP4 layer; raises ValueError where its tensors do not fit together."""
    inverse = layer["weight_global_scale"].float().reshape(())
    if not float(inverse) > 0:
        raise ValueError(f"weight_global_scale is {float(inverse)}: a divisor above 0 is needed")
    return _checked(layer["weight_packed"], layer["weight_scale"], 1.0 / inverse)


def _check_blocks(weight: Float[Tensor, "n k"]) -> None:
    n, k = weight.shape
    if k % nvfp4.BLOCK:
        raise ValueError(f"a matrix of {n} × {k}: NVFP4 on disk needs whole blocks of {nvfp4.BLOCK}")


def _checked(packed: Tensor, scales: Tensor, global_scale: Tensor) -> Nvfp4Weight:
    if packed.dtype != torch.uint8 or packed.ndim != 2 or packed.shape[1] % 8:
        raise ValueError(f"NVFP4 codes are {packed.dtype} {tuple(packed.shape)}, not uint8 in rows of whole blocks")
    wanted = (packed.shape[0], packed.shape[1] // 8)
    if scales.dtype != torch.float8_e4m3fn or tuple(scales.shape) != wanted:
        raise ValueError(f"weight_scale is {scales.dtype} {tuple(scales.shape)}, not float8_e4m3fn {wanted}, linear")
    if not bool(torch.isfinite(scales.float()).all()) or not bool(torch.isfinite(global_scale)):
        raise ValueError("a scale is not finite")
    return Nvfp4Weight(packed, scales, global_scale, 2 * packed.shape[1])
