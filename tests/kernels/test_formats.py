"""Codes, orders and formats: every code, every midpoint, and the bytes of the projects that own the formats."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kernels import formats, int4, nvfp4

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "kernels" / "formats.safetensors")


def golden(prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix + "."): v for k, v in GOLDEN.items() if k.startswith(prefix + ".")}


def assert_same_bytes(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape, name
        assert torch.equal(found[name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8)), name


@pytest.mark.parametrize("group", int4.GROUPS)
@pytest.mark.parametrize("symmetric", [True, False])
def test_int4_bytes_are_those_of_compressed_tensors(group: int, symmetric: bool) -> None:
    wanted = golden(f"int4.{'sym' if symmetric else 'zp'}.{group}")
    assert_same_bytes(formats.save_pack_quantized(GOLDEN["source"], group, symmetric=symmetric), wanted)
    loaded, made = formats.load_pack_quantized(wanted), int4.quantise_int4(GOLDEN["source"], group, symmetric=symmetric)
    assert torch.equal(loaded.words, made.words) and torch.equal(loaded.scales, made.scales)
    assert (loaded.zeros is None) == symmetric
    step = made.scales.double().repeat_interleave(group, 1)
    off = (int4.dequantise_int4(loaded) - GOLDEN["source"].double()).abs() / step
    assert float(off.max()) <= 1.0 + 1e-6


def test_modelopt_bytes_are_modelopts() -> None:
    wanted = golden("modelopt")
    assert_same_bytes(formats.save_modelopt(GOLDEN["source"]), wanted)
    layer = formats.save_modelopt(GOLDEN["source"], input_amax=5.0)
    assert float(layer["input_scale"]) == pytest.approx(5.0 / 2688)


def test_nvfp4_pack_quantized_bytes_are_those_of_compressed_tensors() -> None:
    wanted = golden("nvfp4_pack")
    assert_same_bytes(formats.save_nvfp4_pack_quantized(GOLDEN["source"]), wanted)


def test_both_conventions_of_the_global_scale_mean_the_same_weights() -> None:
    source = GOLDEN["source"].double()
    one = nvfp4.dequantise_nvfp4(formats.load_modelopt(golden("modelopt")))
    other = nvfp4.dequantise_nvfp4(formats.load_nvfp4_pack_quantized(golden("nvfp4_pack")))
    assert float((one - other).norm() / source.norm()) < 1e-3
    assert float((one - source).norm() / source.norm()) < 0.12


def test_every_int4_code_survives_both_orders() -> None:
    codes = torch.arange(16, dtype=torch.uint8).repeat(3, 16)
    assert torch.equal(int4.unpack_words(int4.pack_words(codes), 256), codes)
    assert torch.equal(int4.from_kernel_order(int4.to_kernel_order(codes)), codes)


def test_kernel_order_is_as_documented() -> None:
    codes = torch.randint(0, 16, (2, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    units = int4.to_kernel_order(codes).view(torch.int16)
    for k in range(256):
        block, inside = divmod(k, 128)
        unit = int(units[1, block * 32 + inside % 32])
        assert (unit >> (4 * (inside // 32))) & 15 == int(codes[1, k])


def test_the_last_word_of_a_ragged_row_is_filled_with_zeros() -> None:
    assert int(int4.pack_words(torch.full((1, 3), 15, dtype=torch.uint8))[0, 0]) == 0xFFF


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_ragged_row_is_padded_with_weights_that_stand_for_zero(symmetric: bool) -> None:
    weight = torch.randn(5, 70, generator=torch.Generator().manual_seed(1))
    rounded = int4.quantise_int4(weight, 32, symmetric=symmetric)
    assert (
        rounded.words.shape == (5, 16)
        and rounded.scales.shape == (5, 3)
        and int4.dequantise_int4(rounded).shape == (5, 70)
    )
    whole = int4.dequantise_int4(rounded._replace(k=96))
    assert torch.equal(whole[:, 70:], torch.zeros(5, 26, dtype=torch.float64))


def test_e2m1_rounds_to_the_nearest_code_and_ties_to_even() -> None:
    grid = torch.cat([torch.arange(-7, 7.001, 1 / 64), nvfp4.MIDPOINTS, -nvfp4.MIDPOINTS])
    codes = nvfp4.encode_e2m1(grid)
    for x, code in zip(grid.tolist(), codes.tolist(), strict=True):
        distances = [abs(min(abs(x), 6.0) - v) for v in nvfp4.E2M1.tolist()]
        ties = [i for i, d in enumerate(distances) if d == min(distances)]
        assert code & 7 == min(ties, key=lambda i: i & 1)
        assert (code >= 8) == (x < 0)


def test_every_pair_of_code_and_scale_is_decoded_exactly() -> None:
    codes = torch.arange(16, dtype=torch.uint8).repeat(256, 1)
    scales = torch.arange(256, dtype=torch.uint8).view(256, 1).view(torch.float8_e4m3fn)
    keep = torch.isfinite(scales.float()).squeeze(1)
    weight = nvfp4.Nvfp4Weight(nvfp4.pack_nibbles(codes)[keep], scales[keep], torch.tensor(0.5), 16)
    found = nvfp4.dequantise_nvfp4(weight)
    for row, byte in enumerate(torch.arange(256)[keep].tolist()):
        sign, exponent, mantissa = -1.0 if byte >= 128 else 1.0, (byte >> 3) & 15, byte & 7
        scale = sign * ((8 + mantissa) * 2.0 ** (exponent - 10) if exponent else mantissa * 2.0**-9)
        for code in range(16):
            e, m = (code >> 1) & 3, code & 1
            value = (1 + m / 2) * 2.0 ** (e - 1) if e else m / 2
            assert float(found[row, code]) == 0.5 * scale * (-value if code >= 8 else value)


@pytest.mark.parametrize("rows, columns", [(1, 1), (33, 5), (128, 4), (129, 17), (300, 8)])
def test_swizzling_moves_every_scale_to_its_documented_byte_and_back(rows: int, columns: int) -> None:
    values = torch.randint(0, 120, (rows, columns), dtype=torch.uint8, generator=torch.Generator().manual_seed(rows))
    scales = values.view(torch.float8_e4m3fn)
    moved = nvfp4.swizzle(scales)
    assert moved.shape == (nvfp4.swizzled_size(rows, columns),)
    assert torch.equal(nvfp4.unswizzle(moved, rows, columns).view(torch.uint8), values)
    wide = -(-columns // 4)
    for r in (0, rows // 2, rows - 1):
        for c in (0, columns - 1):
            tile = (r // 128) * wide + c // 4
            byte = tile * 512 + (r % 32) * 16 + (r // 32 % 4) * 4 + c % 4
            assert int(moved.view(torch.uint8)[byte]) == int(values[r, c])


def test_zero_blocks_and_huge_blocks_keep_finite_scales() -> None:
    x = torch.zeros(2, 32)
    x[1, 0], x[1, 16] = 1e30, 1e-30
    rounded = nvfp4.quantise_nvfp4(x)
    assert torch.isfinite(rounded.scales.float()).all() and torch.isfinite(nvfp4.dequantise_nvfp4(rounded)).all()
    assert float(rounded.scales[0, 0].float()) == 1.0
    assert float(nvfp4.global_scale_of(torch.zeros(1, 16))) == 1.0


BAD = {
    "codes of another shape": ("int4.sym.32", "weight_packed", torch.zeros(13, 31, dtype=torch.int32)),
    "scales of no group": ("int4.sym.32", "weight_scale", torch.zeros(13, 7)),
    "a group of 256": ("int4.sym.32", "weight_scale", torch.zeros(13, 1)),
    "zero points of another shape": ("int4.zp.32", "weight_zero_point", torch.zeros(1, 8, dtype=torch.int32)),
    "codes that are not bytes": ("modelopt", "weight", torch.zeros(13, 128, dtype=torch.int32)),
    "swizzled scales": ("modelopt", "weight_scale", torch.zeros(2048).to(torch.float8_e4m3fn)),
    "a scale that is not a number": (
        "modelopt", "weight_scale", torch.full((13, 16), 127, dtype=torch.uint8).view(torch.float8_e4m3fn),
    ),
    "a divisor of zero": ("nvfp4_pack", "weight_global_scale", torch.zeros(1)),
}  # fmt: skip
LOADERS = {
    "int4": formats.load_pack_quantized, "modelopt": formats.load_modelopt,
    "nvfp4_pack": formats.load_nvfp4_pack_quantized,
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_layers_that_do_not_fit_are_refused(fault: str) -> None:
    prefix, name, tensor = BAD[fault]
    with pytest.raises(ValueError):  # noqa: PT011 - each fault has words of its own
        LOADERS[prefix.partition(".")[0]](golden(prefix) | {name: tensor})


def test_matrices_that_are_not_whole_groups_are_not_written() -> None:
    with pytest.raises(ValueError, match="whole groups"):
        formats.save_pack_quantized(torch.zeros(2, 48), 32, symmetric=True)
    with pytest.raises(ValueError, match="whole blocks"):
        formats.save_modelopt(torch.zeros(2, 24))
