"""The kernels stepped through and compiled to machine code, each in its own process, without a card.

By default the version of Triton that torch's CUDA builds pin compiles every plan of the newest RTX cards once, and the
one with the better interpreter steps through each case in one number format. All architectures, specimens and formats
under both versions are campaigns: `python -m pytest tests/kernels -m campaign`;
what came out of them is in docs/results/kernel-facts.json. The first test that needs a version installs it into the
user's cache; offline it is skipped, in CI it fails.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from kernels import specimens
from kernels.codegen import SHARED_LIMIT, TMEM_LIMIT, Facts
from kernels.plan import ARCHITECTURES, MULTIPROCESSORS, rules
from kernels.specimens import SPECIMENS
from tools.scripts.triton_versions import VERSIONS, ensure, folder

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
FP4 = ("OMMA", "UTCOMMA")
MIN_PASSED = {"3.7.1": 85, "3.9.0": 105}
MIN_PASSED_BY_DEFAULT = 71
STEPS = "3.9.0"
RTX = (120,)
VARIANTS = (
    "w4a16_linear m=1", "w4a16_linear m=1 g=32 symmetric", "w4a16_linear m=4 g=64", "w4a16_linear m=16",
    "nvfp4_quantize linear",
    "nvfp4_linear_w4a4 m=1", "nvfp4_linear_w4a4 m=64", "cfc_cell m=1", "cfc_cell m=64", "cfc_cell m=1 int4",
    "gru_categorical_step u",
)  # fmt: skip
"""Second specimens of a plan, which the default run leaves out."""
GEMV = ("w4a16_gemv", "nvfp4_gemv")
REGISTERS = {"w4a16_gemv": 128, "nvfp4_gemv": 128, "nvfp4_quantize_kernel": 64, "gru_categorical_kernel": 128}


def environment(version: str, **more: str) -> dict[str, str]:
    try:
        place = ensure(version)
    except RuntimeError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    kept = {k: v for k, v in os.environ.items() if k not in ("TRITON_INTERPRET", "PYTHONPATH", "PYTEST_ADDOPTS")}
    return kept | {"PYTHONPATH": os.pathsep.join([str(place), str(ROOT)]), "OMP_NUM_THREADS": "1"} | more


def start(command: list[str], version: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment(version, **more), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    output = process.communicate()[0]
    assert process.returncode == 0, output[-6000:]
    return output


class Survey(NamedTuple):
    """What one version of Triton made of every plan on some architectures."""

    architectures: set[int]
    specimens: int
    facts: list[Facts]


def interpreted(version: str, marked: str) -> tuple[int, int]:
    """How many cases passed and how many were skipped; `marked` chooses them."""
    suite = [
        "-m", "pytest", "tests/kernels/interpreted", "-q", "-p", "no:cacheprovider", "-o", "timeout=600", "-m", marked,
        "-W", "ignore:overflow encountered in exp:RuntimeWarning",
    ]  # fmt: skip
    output = finish(start(suite, version, TRITON_INTERPRET="1"))
    found = {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped)", output)}
    return found["passed"], found.get("skipped", 0)


@pytest.mark.timeout(1800)
def test_every_kernel_is_its_reference_in_the_interpreter() -> None:
    passed, skipped = interpreted(STEPS, "not campaign")
    assert passed >= MIN_PASSED_BY_DEFAULT and skipped == 0


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_kernel_is_its_reference_in_both_formats_under_each_version(version: str) -> None:
    passed, skipped = interpreted(version, "campaign or not campaign")
    assert passed >= MIN_PASSED[version] and (skipped == 0) == (version == "3.9.0")


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Survey:
    version, architectures = request.param
    made = tmp_path_factory.mktemp("codegen")
    # Triton keeps what it compiled under the kernel's source, options and compiler: an unchanged kernel is disassembled
    # from there. The campaign compiles everything.
    kept = folder(version).with_name(f"triton-{version}-compiled") if architectures == RTX else made / "cache"
    cache = {"TRITON_CACHE_DIR": str(kept), "TRITON_DEFAULT_FP_FUSION": "1"}
    archs = ",".join(map(str, architectures))
    left_out = VARIANTS if architectures == RTX else ()
    code = f"from kernels import codegen, specimens\nfor n in {left_out}: del specimens.SPECIMENS[n]\ncodegen.main()"
    finish(start(["-c", code, "--arch", archs, "--out", str(made / "facts.json")], version, **cache))
    found = msgspec.json.decode((made / "facts.json").read_bytes())
    assert found["triton"] == version
    return Survey(set(architectures), len(SPECIMENS) - len(left_out), msgspec.convert(found["facts"], list[Facts]))


surveyed = pytest.mark.parametrize(
    "survey",
    [("3.7.1", RTX), *(pytest.param((v, ARCHITECTURES), marks=pytest.mark.campaign) for v in VERSIONS)],
    indirect=True, ids=lambda p: f"{p[0]}-{len(p[1])}-architectures",
)  # fmt: skip


@pytest.mark.timeout(1800)
@surveyed
def test_every_plan_was_compiled_on_every_architecture_that_has_it(survey: Survey) -> None:
    facts = survey.facts
    assert not [f for f in facts if f.error]
    compiled = {(f.arch, f.plan.kernel, f.plan.rows) for f in facts}
    wanted = {
        (int(arch.removeprefix("sm_")), p.kernel, p.rows)
        for arch, table in rules().items() for plans in table.values() for p in plans
    }  # fmt: skip
    assert compiled == {w for w in wanted if w[0] in survey.architectures}
    assert len({f.specimen for f in facts}) == survey.specimens
    assert {f.arch for f in facts} == survey.architectures


@surveyed
def test_every_plan_has_its_opcode_and_none_that_it_forbids(survey: Survey) -> None:
    for f in survey.facts:
        assert not f.plan.opcode or f.opcodes.get(f.plan.opcode, 0) > 0, f
        assert not [op for op in f.plan.forbidden if f.opcodes.get(op, 0)], f


@surveyed
def test_nothing_spills_and_nothing_is_over_the_limits_of_its_card(survey: Survey) -> None:
    for f in survey.facts:
        assert f.stack == 0 and not f.opcodes.get("LDL") and not f.opcodes.get("STL"), f
        assert 0 < f.registers <= REGISTERS.get(f.plan.kernel, 255), f
        assert f.shared <= SHARED_LIMIT[f.arch] and f.tmem <= TMEM_LIMIT, f


def gemvs(survey: Survey) -> list[Facts]:
    found = [f for f in survey.facts if f.plan.kernel in GEMV]
    assert {f.arch for f in found} == survey.architectures and {f.plan.kernel for f in found} == set(GEMV)
    return found


@surveyed
def test_weights_of_a_gemv_are_loaded_sixteen_bytes_a_thread_and_many_loads_are_under_way(survey: Survey) -> None:
    for f in gemvs(survey):
        assert f.opcodes["LDGSTS.128"] > 0 and f.ahead >= 2 * f.weight_bytes // 16 >= 8, f
        assert not f.opcodes.get("ATOMG") and not f.opcodes.get("REDG") and not f.opcodes.get("RED"), f


@surveyed
def test_a_gemv_spends_at_most_a_hundred_and_twenty_instructions_on_sixteen_bytes_of_weights(survey: Survey) -> None:
    for f in gemvs(survey):
        assert 0 < f.loop <= 120 * f.weight_bytes / 16, f


@surveyed
def test_a_gemv_loads_each_scale_once(survey: Survey) -> None:
    """A warp takes 128 codes of as many rows as it has threads: a load for each of their groups is once for each."""
    for f in gemvs(survey):
        if f.plan.kernel == "nvfp4_gemv":
            wanted = 1  # eight scales of a byte
        else:
            wanted = 4 if "g=32" in f.specimen else 2 if "g=64" in f.specimen else 1
            wanted *= 1 if "symmetric" in f.specimen else 2
        assert f.plan.tile["BN"] == 32 and f.loop_loads == wanted, f


@surveyed
def test_rows_share_the_weights_and_few_programs_share_k(survey: Survey) -> None:
    for f in gemvs(survey):
        assert f.programs == specimens.N // f.plan.tile["BN"], f
        assert f.programs >= MULTIPROCESSORS[f.arch] or f.plan.warps == f.plan.tile["SPLIT"] == 8, f


@surveyed
def test_a_gemv_asks_for_its_weights_before_it_waits_for_the_kernel_in_front(survey: Survey) -> None:
    for f in gemvs(survey):
        assert f.asks_early == f.plan.pdl == (f.arch >= 90), f


@surveyed
def test_a_kernel_waits_for_the_one_in_front_exactly_where_its_plan_says_so(survey: Survey) -> None:
    assert {f.arch for f in survey.facts if f.plan.pdl} == {90, 100, 120} & survey.architectures
    for f in survey.facts:
        assert f.waits == f.plan.pdl, f


@surveyed
def test_four_bit_tensor_cores_are_used_by_w4a4_and_by_nothing_else(survey: Survey) -> None:
    native = [f for f in survey.facts if f.plan.kernel == "nvfp4_gemm_w4a4"]
    assert {f.arch for f in native} == {100, 120} & survey.architectures
    for f in survey.facts:
        assert (f in native) == any(f.opcodes.get(op, 0) for op in FP4), f
    for f in native:
        kind = "kind::mxf4nvf4.block_scale"
        assert any(kind in m for m in f.mma) and all(kind in m for m in f.mma), f
        assert (f.tmem > 0) == (f.arch == 100), f


@pytest.mark.campaign
def test_a_small_batch_on_the_left_of_sm_100_would_fall_back(tmp_path: Path) -> None:
    """Why A and B are swapped there: without it, Triton 3.9 compiles bf16 and says nothing."""
    code = (
        "import msgspec; from kernels import specimens, nvfp4_linear as nl, plan, codegen\n"
        "p = msgspec.structs.replace(plan.plan(nl.OP_A4, 16, 2048, 2048, 120), kernel='nvfp4_gemm_w4a4')\n"
        "specimens.plan = lambda *a: p\n"
        "launch, _ = specimens.SPECIMENS['nvfp4_linear_w4a4 m=16 swizzled'](120)\n"
        "print(codegen.facts('x', launch, p, 100))\n"
    )
    cache = {"TRITON_CACHE_DIR": str(tmp_path), "TRITON_DEFAULT_FP_FUSION": "1"}
    output = finish(start(["-c", code], "3.9.0", **cache))
    assert "HMMA" in output and "UTCOMMA" not in output.replace("forbidden=('HMMA', 'UTCHMMA')", "")
