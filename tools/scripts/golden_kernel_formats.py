"""Golden bytes of the quantised formats, written by the projects that own them.

pip install compressed-tensors==0.20.0 nvidia-modelopt==0.47.0    (in an environment of its own)
python -m tools.scripts.golden_kernel_formats tests/golden/kernels/formats.safetensors
"""

from __future__ import annotations

import sys
from importlib.metadata import version

import torch
from compressed_tensors.compressors.nvfp4.base import NVFP4PackedCompressor
from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.utils.helpers import calculate_qparams, generate_gparam
from modelopt.torch.quantization.qtensor.nvfp4_tensor import NVFP4QTensor
from safetensors.torch import save_file

MIDPOINTS = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 6.0)


def source() -> torch.Tensor:
    """Rows of ordinary, huge, tiny and zero weights, and one of midpoints."""
    weight = torch.randn(13, 256, generator=torch.Generator().manual_seed(7))
    weight[3, :128] = 0
    weight[5] *= 40
    weight[7] *= 1e-3
    weight[9, 16:32] = torch.tensor(MIDPOINTS * 2) * torch.tensor([1.0, -1.0]).repeat_interleave(8)
    return weight


def int4(weight: torch.Tensor, group: int, *, symmetric: bool) -> dict[str, torch.Tensor]:
    """One layer as compressed-tensors packs it."""
    args = QuantizationArgs(num_bits=4, type="int", symmetric=symmetric, strategy="group", group_size=group)
    blocks = weight.unflatten(1, (-1, group))
    scale, zero = calculate_qparams(blocks.amin(2), blocks.amax(2), args)
    layer = {"weight": weight.clone(), "weight_scale": scale, "weight_zero_point": zero}
    return PackedQuantizationCompressor.compress(layer, QuantizationScheme(targets=["Linear"], weights=args))


def nvfp4(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """One layer as compressed-tensors packs it."""
    args = QuantizationArgs(
        num_bits=4, type="float", symmetric=True, strategy="tensor_group", group_size=16,
        scale_dtype=torch.float8_e4m3fn,
    )  # fmt: skip
    whole = generate_gparam(weight.amin(), weight.amax())
    blocks = weight.unflatten(1, (-1, 16))
    scale, _ = calculate_qparams(blocks.amin(2), blocks.amax(2), args, global_scale=whole)
    layer = {"weight": weight.clone(), "weight_scale": scale, "weight_global_scale": whole}
    return NVFP4PackedCompressor.compress(layer, QuantizationScheme(targets=["Linear"], weights=args))


def main() -> None:
    """Write all layers to the file that is named."""
    weight = source()
    found = {"source": weight}
    for symmetric in (True, False):
        for group in (32, 64, 128):
            name = f"int4.{'sym' if symmetric else 'zp'}.{group}"
            found |= {f"{name}.{k}": v for k, v in int4(weight, group, symmetric=symmetric).items()}
    found |= {f"nvfp4_pack.{k}": v for k, v in nvfp4(weight).items()}
    codes, scale, scale_2 = NVFP4QTensor.quantize(weight.clone(), 16)
    found |= {
        "modelopt.weight": codes._quantized_data, "modelopt.weight_scale": scale, "modelopt.weight_scale_2": scale_2,
    }  # fmt: skip
    made_by = {name: version(name) for name in ("compressed-tensors", "nvidia-modelopt")}
    save_file({k: v.contiguous() for k, v in found.items()}, sys.argv[1], metadata=made_by)


if __name__ == "__main__":
    main()
