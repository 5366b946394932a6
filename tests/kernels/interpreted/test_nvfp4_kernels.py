"""NVFP4 kernels against their references, in the interpreter; W4A4 on Triton 3.9 alone, which can step through it."""

from __future__ import annotations

import msgspec
import pytest
import torch

from kernels import nvfp4
from kernels import nvfp4_linear as nl
from kernels import nvfp4_quantize as nq
from kernels.jit import triton_version
from kernels.nvfp4 import Nvfp4Weight
from kernels.plan import plan
from tests.kernels.interpreted import shim
from tests.kernels.interpreted.cases import crossed
from tests.kernels.interpreted.guards import check_bands, guarded, output, relative_error

STEPS_THROUGH_FP4 = triton_version() == "3.9.0"


def matrix(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def quantise(x: torch.Tensor, whole: torch.Tensor, swizzled: bool) -> tuple[torch.Tensor, torch.Tensor]:
    m, blocks = x.shape[0], -(-x.shape[1] // 16)
    packed = output(m, 8 * blocks, dtype=torch.uint8)
    shape = (nvfp4.swizzled_size(m, blocks),) if swizzled else (m, blocks)
    scales = output(*shape, dtype=torch.float8_e4m3fn)
    scales.view(torch.uint8).zero_()
    chosen = plan(nq.OP, m, x.shape[1], x.shape[1], 90)
    nq.prepare(guarded(x), guarded(whole.reshape(1)), packed, scales, swizzled, chosen).run()
    check_bands()
    return packed, scales


@crossed(
    "m, k, swizzled",
    [(1, 16, False), (3, 70, True), (5, 1100, False), (5, 256, True), (33, 130, False), (1, 16, True), (3, 70, False),
     (5, 1100, True), (5, 256, False), (33, 130, True)],
)  # fmt: skip
def test_quantised_bytes_are_those_of_the_reference(m: int, k: int, swizzled: bool, dtype: torch.dtype) -> None:
    x = matrix(m, m, k)
    x[0, :16] = 0
    x[-1, -1] = -0.0
    x[:, 3] *= 300
    x = x.to(dtype)
    for shrink in (1.0, 0.1):
        whole = nvfp4.global_scale_of(x) * shrink
        packed, scales = quantise(x, whole, swizzled)
        wanted, wanted_scales = nq.nvfp4_quantize_reference(x, whole, swizzled)
        assert torch.equal(packed, wanted)
        assert torch.equal(scales.view(torch.uint8), wanted_scales.view(torch.uint8))


def test_every_scale_and_every_midpoint_between_two_is_rounded_to_even() -> None:
    codes = torch.arange(1, 127, dtype=torch.uint8).view(torch.float8_e4m3fn).float()
    values = torch.cat([codes, (codes[1:] + codes[:-1]) / 2])
    x = torch.zeros(-(-len(values) // 23), 23, 16)
    x[:, :, 5] = 6.0
    x.view(-1, 16)[: len(values), 5] = 6 * values
    found = quantise(x.view(len(x), -1), torch.tensor(1.0), False)[1]
    wanted = (x[:, :, 5] / 6).clamp(min=2**-9).to(torch.float8_e4m3fn)
    assert len(values) == 251 and torch.equal(found.view(torch.uint8), wanted.view(torch.uint8))


def test_every_midpoint_between_two_codes_is_rounded_to_even() -> None:
    points = torch.cat([nvfp4.MIDPOINTS, nvfp4.E2M1, torch.tensor([6.0])])
    x = torch.stack([points, -points])
    packed, scales = quantise(x, torch.tensor(1.0), False)
    assert (scales.float() == 1).all()
    assert torch.equal(nvfp4.unpack_nibbles(packed), nvfp4.encode_e2m1(x))


def weight(seed: int, n: int, k: int) -> Nvfp4Weight:
    return nvfp4.quantise_nvfp4(matrix(seed, n, k))


def run_a16(x: torch.Tensor, w: nl.Nvfp4Words, bias: torch.Tensor | None, act: str, **tile: int) -> torch.Tensor:
    m, n = x.shape[0], w.words.shape[0]
    y = output(m, n)
    chosen = plan(nl.OP_A16, m, n, x.shape[1], 80)
    chosen = msgspec.structs.replace(chosen, tile=chosen.tile | tile)
    bias = None if bias is None else guarded(bias)
    nl.prepare_w4a16(
        guarded(x), guarded(w.words), guarded(w.scales), guarded(w.whole.reshape(1)), bias, act, chosen, y
    ).run()
    check_bands()
    return y


@crossed(
    "m, n, k, biased, act",
    [(1, 9, 2048, True, "silu"), (1, 5, 70, False, "none"), (3, 40, 144, True, "none"), (4, 6, 1104, False, "silu"),
     (5, 40, 300, True, "silu"), (17, 33, 256, False, "none"), (64, 70, 130, True, "lecun_tanh")],
)  # fmt: skip
def test_w4a16_is_its_reference(m: int, n: int, k: int, biased: bool, act: str, dtype: torch.dtype) -> None:
    w = nl.to_words(weight(n + k, n, k))
    x, bias = matrix(m, m, k).to(dtype), matrix(7, n).to(dtype) if biased else None
    wanted = nl.nvfp4_linear_w4a16_reference(x.double(), w.words, w.scales, w.whole, bias, act)
    assert relative_error(run_a16(x, w, bias, act), wanted) <= 1e-6


@pytest.mark.parametrize("m", [4, 16])
def test_w4a16_decodes_every_code_under_every_scale(m: int) -> None:
    bytes_ = torch.arange(256, dtype=torch.uint8)
    scales = bytes_[torch.isfinite(bytes_.view(torch.float8_e4m3fn).float())].view(-1, 1).view(torch.float8_e4m3fn)
    codes = torch.arange(16, dtype=torch.uint8).repeat(len(scales), 1)
    w = nl.to_words(Nvfp4Weight(nvfp4.pack_nibbles(codes), scales, torch.tensor(0.5), 16))
    wanted = 0.5 * scales.float() * nvfp4.decode_e2m1(codes)
    for start in range(0, 16, m):
        found = run_a16(torch.eye(16)[start : start + m], w, None, "none", BN=256)
        assert torch.equal(found, wanted[:, start : start + m].t())


@pytest.mark.parametrize("arch", [100, 120])
@pytest.mark.parametrize("swizzled", [False, True])
@pytest.mark.parametrize("m, n, k", [(1, 33, 256), (16, 130, 512), (17, 64, 80), (64, 70, 272)])
def test_w4a4_is_its_reference(
    arch: int, swizzled: bool, m: int, n: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not STEPS_THROUGH_FP4:
        pytest.skip("this interpreter has no dot_scaled; the canary holds it to that")
    shim.install(monkeypatch)
    w, rounded, bias = weight(n, n, k), nvfp4.quantise_nvfp4(matrix(m, m, k)), matrix(7, n)
    one, other = (
        (t.packed, nvfp4.swizzle(t.scales) if swizzled else t.scales, t.global_scale.reshape(1)) for t in (rounded, w)
    )
    wanted = nl.nvfp4_linear_w4a4_reference(*one, *other, bias, "silu", swizzled, torch.float64)
    y = output(m, n)
    operands = [tuple(guarded(t) for t in operand) for operand in (one, other)]
    chosen = plan(nl.OP_A4, m, n, k, arch)
    nl.prepare_w4a4(operands[0], operands[1], guarded(bias), "silu", swizzled, chosen, y).run()  # type: ignore[arg-type]
    check_bands()
    assert relative_error(y, wanted) <= 1e-6
