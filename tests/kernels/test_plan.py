"""Plans: which kernel runs where, by arithmetic alone; and what an operation is registered to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kernels import int4, nvfp4, specimens
from kernels.cfc_cell import CfcWeights, cfc_cell
from kernels.gru_categorical_step import gru_categorical_step
from kernels.jit import KernelUnavailable
from kernels.library import ran
from kernels.nvfp4_linear import nvfp4_linear_w4a4, nvfp4_linear_w4a16, to_words
from kernels.nvfp4_quantize import nvfp4_quantize
from kernels.plan import ARCHITECTURES, MULTIPROCESSORS, archs_of, nearest_architecture, plan, rules
from kernels.w4a16_linear import w4a16_linear

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_one_to_eight_rows_take_the_gemv_and_more_take_tensor_cores(arch: int) -> None:
    for m in range(1, 65):
        chosen = plan("w4a16_linear", m, 512, 512, arch)
        assert chosen.kernel == ("w4a16_gemv" if m <= 8 else "w4a16_gemm")
        assert m <= 8 or (chosen.tile["BM"] >= m and chosen.opcode)


@pytest.mark.parametrize("k, whole", [(12, 1), (128, 1), (192, 2), (512, 4), (4096, 8)])
@pytest.mark.parametrize("op", ["w4a16_linear", "nvfp4_linear_w4a16"])
def test_a_gemvs_warps_share_k_and_more_of_them_where_programs_are_few(op: str, k: int, whole: int) -> None:
    for arch in ARCHITECTURES:
        few, many = plan(op, 1, 512, k, arch), plan(op, 1, 32 * MULTIPROCESSORS[arch], k, arch)
        assert few.warps == few.tile["SPLIT"] == whole
        assert many.warps == many.tile["SPLIT"] == min(whole, 4)


def test_all_rows_of_a_gemv_read_the_weights_once() -> None:
    for build in (specimens._w4a16_linear, specimens._nvfp4_w4a16):
        for m in range(1, 9):
            built = build(90, m)
            assert built is not None and built[0].grid == (specimens.N // built[1].tile["BN"],)


def test_four_bit_activations_are_refused_where_there_are_no_tensor_cores_for_them() -> None:
    assert archs_of("nvfp4_linear_w4a4") == ["sm_100", "sm_120"]
    for capability in (80, 86, 89, 90):
        with pytest.raises(KernelUnavailable, match="does not run on sm_"):
            plan("nvfp4_linear_w4a4", 1, 512, 512, capability)
    for m in (1, 16, 64):
        on_100, on_120 = (plan("nvfp4_linear_w4a4", m, 512, 512, c) for c in (100, 120))
        assert (on_100.opcode, on_120.opcode) == ("UTCOMMA", "OMMA")
        assert on_100.tile["SWAPPED"] == 1 and on_100.tile["BA"] == 128
        assert "HMMA" in on_100.forbidden and "HMMA" in on_120.forbidden


def test_a_card_runs_the_plans_of_its_family_and_an_unknown_one_those_that_run_everywhere() -> None:
    pairs = [(80, 80), (86, 80), (89, 89), (90, 90), (100, 100), (103, 100), (120, 120), (121, 120), (110, 90)]
    assert [nearest_architecture(c) for c, _ in pairs] == [a for _, a in pairs]
    with pytest.raises(KernelUnavailable, match=r"7\.5"):
        nearest_architecture(75)


@pytest.mark.parametrize("m, n, k", [(0, 8, 8), (65, 8, 8), (1, 0, 8), (1, 8, 0)])
def test_shapes_without_a_plan_are_refused(m: int, n: int, k: int) -> None:
    with pytest.raises(KernelUnavailable):
        plan("w4a16_linear", m, n, k, 90)


def test_rules_rise_in_rows_and_end_at_sixty_four() -> None:
    for table in rules().values():
        for plans in table.values():
            rows = [p.rows for p in plans]
            assert rows == sorted(set(rows)) and rows[-1] == 64


def test_every_operation_has_a_meta_implementation_that_agrees_with_its_cpu_one() -> None:
    x, h, timespan = torch.randn(3, 40), torch.randn(3, 24), torch.ones(3)
    four = int4.quantise_int4(torch.randn(8, 40), 32, symmetric=False)
    rounded = nvfp4.quantise_nvfp4(torch.randn(8, 40))
    cell = CfcWeights(torch.randn(16, 64), torch.zeros(16), torch.randn(96, 16), torch.zeros(96))
    codes = nvfp4_quantize(x, torch.tensor(0.01))
    gates, logits, seed = torch.randn(3, 72), torch.randn(20, 24), torch.zeros(1, dtype=torch.int32)
    calls = {
        "linear": (lambda a: w4a16_linear(a[0], int4.Int4Weight(*a[1:4], 40, 32)), (x, *four[:3])),
        "quantize": (lambda a: nvfp4_quantize(a[0], a[1], swizzled=True), (x, torch.tensor(0.01))),
        "w4a16": (lambda a: nvfp4_linear_w4a16(a[0], to_words(rounded)._replace(**dict(zip(("words", "scales", "whole"),
                  a[1:], strict=True)))), (x, *to_words(rounded)[:3])),
        "w4a4": (lambda a: nvfp4_linear_w4a4(a[:3], a[3:]), (*codes, torch.tensor(0.01), *rounded[:3])),
        "cell": (lambda a: cfc_cell(a[0], a[1], a[2], CfcWeights(*a[3:])), (x, h, timespan, *cell)),
        "gru": (lambda a: gru_categorical_step(*a[:5], groups=4, seed=a[5]),
                (gates, gates, h, logits, torch.zeros(20), seed)),
    }  # fmt: skip
    for name, (call, arguments) in calls.items():
        found, shaped = call(arguments), call(tuple(t.to("meta") for t in arguments))
        pairs = zip(found, shaped, strict=True) if isinstance(found, tuple) else [(found, shaped)]
        for one, other in pairs:
            assert one.shape == other.shape and one.dtype == other.dtype, name
            assert other.device.type == "meta"


def test_what_ran_is_counted_under_its_own_name() -> None:
    before = ran["w4a16_linear reference"]
    w4a16_linear(torch.randn(1, 32), int4.quantise_int4(torch.randn(8, 32), 32, symmetric=True))
    assert ran["w4a16_linear reference"] == before + 1


@pytest.mark.parametrize("width, act", [(31, "tanh"), (65, "none"), (0, "none")])
def test_inputs_that_do_not_fit_are_refused(width: int, act: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each fault has words of its own
        w4a16_linear(torch.randn(1, width), int4.quantise_int4(torch.randn(8, 64), 32, symmetric=True), act=act)


@pytest.mark.slow
def test_without_triton_everything_is_imported_and_a_launch_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import importlib.util; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'triton' else find(name, *a)\n"
        "from kernels import specimens, jit\n"
        "launch, _ = specimens.SPECIMENS['w4a16_linear m=1'](90)\n"
        "try: launch.run()\n"
        "except jit.KernelUnavailable as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "metabonk-apex[kernels]" in done.stdout
