"""Pilots in four bits: which layers are rounded, in which format, and the way back.

A layer is rounded where its inputs are whole groups of 32; heads, the picture's layers and narrow layers stay in full
precision. Tensors are named `LAYER.weight_packed` and so on as the formats name them (`kernels.formats`); e4m3 scales
are kept as their bytes. Owns no file and no gate.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels import formats, int4, nvfp4

Tensors = dict[str, NDArray[Any]]
Format = Literal["int4", "nvfp4"]
GROUP = 32
ROUNDED = (
    "encoder.token.2", "encoder.join.0", "memory.backbone.0", "memory.ff1", "memory.ff2", "memory.time_a",
    "memory.time_b", "trunk.0", "card.0",
)  # fmt: skip
_INT4_KEYS = ("weight_packed", "weight_scale", "weight_shape", "weight_zero_point")
_NVFP4_KEYS = ("weight", "weight_scale", "weight_scale_2", "input_scale")


def round_four(tensors: Tensors, format_: Format, input_amax: dict[str, float] | None = None) -> Tensors:
    """The same pilot with its inner layers rounded; `input_amax` is the largest input of each layer in calibration."""
    rounded = {name: t for name, t in tensors.items() if name.removesuffix(".weight") not in ROUNDED}
    for name in ROUNDED:
        weight = torch.from_numpy(np.ascontiguousarray(tensors[f"{name}.weight"], np.float32))
        if weight.shape[1] % GROUP:
            rounded[f"{name}.weight"] = tensors[f"{name}.weight"]
            continue
        if format_ == "int4":
            layer = formats.save_pack_quantized(weight, GROUP, symmetric=False)
        else:
            layer = formats.save_modelopt(weight, (input_amax or {}).get(name))
            layer["weight_scale"] = layer["weight_scale"].view(torch.uint8)
        rounded |= {f"{name}.{key}": t.numpy() for key, t in layer.items()}
    return rounded


def layer_of(tensors: Tensors, name: str, keys: tuple[str, ...]) -> dict[str, Tensor]:
    """The tensors of one rounded layer by the names of its format."""
    return {key: torch.from_numpy(tensors[f"{name}.{key}"]) for key in keys if f"{name}.{key}" in tensors}


def int4_layer(tensors: Tensors, name: str, dtype: torch.dtype = torch.float32) -> int4.Int4Weight | None:
    """An INT4 layer in kernel order, None where it is none."""
    if f"{name}.weight_packed" not in tensors:
        return None
    return formats.load_pack_quantized(layer_of(tensors, name, _INT4_KEYS), dtype)


def nvfp4_layer(tensors: Tensors, name: str) -> nvfp4.Nvfp4Weight | None:
    """An NVFP4 layer, None where it is none."""
    if f"{name}.weight_scale_2" not in tensors:
        return None
    layer = layer_of(tensors, name, _NVFP4_KEYS)
    return formats.load_modelopt(layer | {"weight_scale": layer["weight_scale"].view(torch.float8_e4m3fn)})


def expand(tensors: Tensors) -> Tensors:
    """The same pilot in full precision, with the values that the codes stand for."""
    plain = {n: t for n, t in tensors.items() if not n.rpartition(".")[2].startswith(("weight_", "input_scale"))}
    for name in ROUNDED:
        four, float4 = int4_layer(tensors, name), nvfp4_layer(tensors, name)
        if four is not None:
            plain[f"{name}.weight"] = int4.dequantise_int4(four).float().numpy()
        elif float4 is not None:
            plain[f"{name}.weight"] = nvfp4.dequantise_nvfp4(float4).float().numpy()
    return plain
