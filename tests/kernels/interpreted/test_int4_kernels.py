"""INT4 kernels against their references, in the interpreter."""

from __future__ import annotations

import msgspec
import pytest
import torch

from kernels import cfc_cell as cfc
from kernels import int4
from kernels import w4a16_linear as w4
from kernels.cfc_cell import CfcWeights
from kernels.int4 import Int4Weight
from kernels.plan import ARCHITECTURES, plan
from tests.kernels.interpreted.cases import crossed
from tests.kernels.interpreted.guards import check_bands, guarded, output, relative_error


def matrix(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def run_linear(
    x: torch.Tensor, q: Int4Weight, bias: torch.Tensor | None, act: str, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    m, n = x.shape[0], q.words.shape[0]
    y = output(m, n, dtype=dtype)
    zeros = None if q.zeros is None else guarded(q.zeros)
    bias = None if bias is None else guarded(bias)
    chosen = plan(w4.OP, m, n, x.shape[1], 80)
    w4.prepare(guarded(x), guarded(q.words), guarded(q.scales), zeros, bias, q.group, act, chosen, y).run()
    check_bands()
    return y


CASES = [
    (1, 5, 70, 32, False, True, "silu"), (1, 10, 2048, 128, False, True, "none"), (2, 33, 256, 64, True, False, "none"),
    (3, 13, 1100, 128, True, True, "lecun_tanh"), (4, 16, 31, 32, False, False, "silu"),
    (5, 40, 300, 64, False, True, "silu"), (16, 64, 512, 128, True, True, "none"),
    (17, 33, 250, 32, False, False, "none"), (64, 70, 129, 128, False, True, "lecun_tanh"),
]  # fmt: skip


@crossed("m, n, k, group, symmetric, biased, act", CASES)
def test_the_linear_is_its_reference(
    m: int, n: int, k: int, group: int, symmetric: bool, biased: bool, act: str, dtype: torch.dtype
) -> None:
    q = int4.quantise_int4(matrix(n + k, n, k), group, symmetric=symmetric, dtype=torch.float16)
    x, bias = (matrix(m, m, k) / k**0.5).to(dtype), matrix(7, n).to(dtype) if biased else None
    wanted = w4.w4a16_linear_reference(x.double(), q.words, q.scales, q.zeros, bias, group, act)
    assert relative_error(run_linear(x, q, bias, act), wanted) <= 1e-6
    assert relative_error(run_linear(x, q, bias, act, torch.float16), wanted) <= 5e-4


@pytest.mark.parametrize("m, group", [(4, 32), (16, 32), (16, 64), (64, 128)])
def test_every_code_meets_every_place_of_a_group(m: int, group: int) -> None:
    codes = (torch.arange(16)[:, None] + torch.arange(group)[None, :]).remainder(16).to(torch.uint8)
    scales, zeros = torch.full((16, 1), 0.25), torch.arange(16.0)[:, None]
    q = Int4Weight(int4.to_kernel_order(codes), scales, zeros, group, group)
    for start in range(0, group, m):
        found = run_linear(torch.eye(group)[start : start + m], q, None, "none")
        wanted = (codes.float() - zeros)[:, start : start + m].t() * 0.25
        assert torch.equal(found, wanted)


def test_rows_can_be_permuted_and_scales_doubled() -> None:
    q = int4.quantise_int4(matrix(1, 24, 96), 32, symmetric=False)
    x, order = matrix(2, 2, 96), torch.randperm(24, generator=torch.Generator().manual_seed(3))
    plain = run_linear(x, q, None, "none")
    assert q.zeros is not None
    moved = q._replace(words=q.words[order], scales=2 * q.scales[order], zeros=q.zeros[order])
    assert torch.equal(run_linear(x, moved, None, "none"), 2 * plain[:, order])


def test_the_same_input_gives_the_same_bits_alone_and_among_others() -> None:
    q = int4.quantise_int4(matrix(1, 24, 300), 64, symmetric=False)
    x = matrix(2, 4, 300)
    assert torch.equal(run_linear(x, q, None, "silu")[2:3], run_linear(x[2:3], q, None, "silu"))


def run_cell(x: torch.Tensor, h: torch.Tensor, timespan: torch.Tensor, weights: CfcWeights) -> torch.Tensor:
    tensors, group = cfc.flatten(weights)
    kept = tuple(None if t is None else guarded(t) for t in tensors)
    out = output(*h.shape, dtype=torch.float32)
    chosen = plan(cfc.OP, x.shape[0], h.shape[1], weights.backbone_bias.shape[0], 80)
    cfc.prepare(guarded(x), guarded(h), guarded(timespan), kept, group, chosen, out).run()  # type: ignore[arg-type]
    check_bands()
    return out


CELLS = [
    (1, 128, 128, 128, 64, True), (3, 50, 40, 70, 32, False), (17, 33, 20, 100, 128, True),
    (1, 64, 32, 128, 64, False), (3, 50, 40, 70, 32, True), (17, 33, 20, 100, 128, False),
    (2, 16, 48, 16, 0, True), (32, 64, 32, 128, 0, True), (5, 70, 33, 50, 0, True),
]  # fmt: skip


@crossed("m, inputs, units, width, group, symmetric", CELLS)
def test_the_cell_is_its_reference(
    m: int, inputs: int, units: int, width: int, group: int, symmetric: bool, dtype: torch.dtype
) -> None:
    backbone, gates = matrix(1, width, inputs + units) * 0.1, matrix(2, 4 * units, width) * 0.2
    biases = matrix(3, width).to(dtype), matrix(4, 4 * units).to(dtype)
    if group:
        b, g = (int4.quantise_int4(w, group, symmetric=symmetric, dtype=torch.float16) for w in (backbone, gates))
        weights = CfcWeights(b, biases[0], g, biases[1])
    else:
        weights = CfcWeights(backbone.to(dtype), biases[0], gates.to(dtype), biases[1])
    x, h = matrix(5, m, inputs).to(dtype), matrix(6, m, units).to(dtype)
    timespan = torch.linspace(0.5, 30.0, m)
    tensors, group = cfc.flatten(weights)
    wanted = cfc.cfc_cell_reference(x.double(), h.double(), timespan, *tensors, group)  # type: ignore[arg-type]
    limit = 2e-6 if dtype == torch.float32 else 2e-3
    assert relative_error(run_cell(x, h, timespan, weights), wanted) <= limit


def test_every_plan_of_the_linear_computes_the_same() -> None:
    q = int4.quantise_int4(matrix(1, 40, 160), 32, symmetric=False)
    for m in (1, 4, 16, 32, 64):
        x = matrix(m, m, 160)
        wanted = w4.w4a16_linear_reference(x.double(), q.words, q.scales, q.zeros, None, 32, "none")
        plans = [msgspec.structs.replace(plan(w4.OP, m, 40, 160, arch), pdl=False) for arch in ARCHITECTURES]
        for chosen in (p for i, p in enumerate(plans) if p not in plans[:i]):
            y = output(m, 40)
            w4.prepare(x, q.words, q.scales, q.zeros, None, 32, "none", chosen, y).run()
            assert relative_error(y, wanted) <= 1e-6
