"""The kernels' benchmark without a card: what is wrong is not timed, and the dry run ends with all its parts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kernels.plan import KernelPlan
from tools.bench._card_timing import COPIES, Card, Stepping, spread, timings
from tools.bench._kernel_cases import Case
from tools.bench.kernels import FEW, case, draw, ratio
from tools.scripts.triton_versions import VERSIONS, ensure

ROOT = Path(__file__).resolve().parents[2]
FACTS = {"name": "a fake", "floor_us": {"median": 2.0}, "read_gb_s": 1000.0}


class Timed(Stepping):
    """A card whose kernels take 4 µs warm and 8 cold, and whose opcodes are given."""

    def __init__(self, opcodes: dict[str, int]) -> None:
        super().__init__(90)
        self.found, self.cold = opcodes, False
        self.works: list[Any] = []

    def cold_copies(self, each_bytes: int) -> int:
        return 3

    def graphed(self, works: list[Any]) -> Any:
        self.works.append(works)
        self.cold = len(set(map(id, works))) > 1
        return works[-1]

    def timed_us(self, work: Any, per: int) -> dict[str, float]:  # type: ignore[override]
        work()
        return spread([8.0 if self.cold else 4.0] * 30)

    def opcodes(self, launch: Any) -> dict[str, int]:
        return self.found


class FakeLaunch:
    made = 0

    def __init__(self) -> None:
        FakeLaunch.made += 1
        self.arguments = {"y": torch.zeros(2)}

    def run(self) -> None:
        self.arguments["y"] += 1


def a_case(error: float, opcode: str = "HMMA", forbidden: tuple[str, ...] = ("OMMA",)) -> Case:
    chosen = KernelPlan("k", 1, {}, 4, 2, opcode, forbidden=forbidden)
    rival = lambda: lambda: None
    return Case("op", 1, 8, 8, chosen, FakeLaunch, lambda launch: error, 1600, {"fp16 F.linear": rival}, 128)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("each", "opcodes", "why"),
    [
        (a_case(0.5), {"HMMA": 4}, "is above"),
        (a_case(float("inf")), {"HMMA": 4}, "is above"),
        (a_case(float("nan")), {"HMMA": 4}, "is above"),
        (a_case(1e-4), {"FFMA": 4}, "not to HMMA"),
        (a_case(1e-4), {"HMMA": 4, "OMMA": 1}, "not to HMMA"),
    ],
)
def test_a_kernel_that_is_wrong_or_another_than_its_plan_says_is_not_timed(
    each: Case, opcodes: dict[str, int], why: str
) -> None:
    card = Timed(opcodes)
    row = case(card, each, FACTS, {})
    assert why in row["refused"] and not card.works and "single_us" not in row
    json.dumps(row, allow_nan=False)


def test_a_right_kernel_is_timed_and_compared() -> None:
    rivals: dict[str, Any] = {}
    row = case(Timed({"HMMA": 4}), a_case(1e-4), FACTS, rivals)
    assert "refused" not in row and row["path"] == "k HMMA" and row["opcodes"] == {"HMMA": 4}
    assert row["graph_warm_us"]["median"] == 4.0 and row["graph_cold_us"]["median"] == 8.0
    assert row["roofline_share_cold"] == pytest.approx(1.6e-3 / 8.0, abs=1e-3)
    assert row["above_floor_share_warm"] == 0.5
    assert row["speedup_cold over fp16 F.linear"] == row["speedup_warm over fp16 F.linear"] == 1.0
    assert list(rivals) == ["fp16 F.linear 1 × 8 × 8"]


def test_a_warm_graph_repeats_one_kernel_and_a_cold_one_takes_turns_among_all() -> None:
    card, made = Timed({}), []

    def make() -> Any:
        made.append(lambda: None)
        return made[-1]

    timings(card, make, 100)
    warm, cold = card.works
    assert len(warm) == len(cold) == COPIES and set(map(id, warm)) == {id(made[0])}
    assert [id(w) for w in cold[:6]] == [id(w) for w in made[1:4] * 2]


def test_cold_weights_fill_the_cache_three_times_over() -> None:
    card = object.__new__(Card)
    card.l2_bytes = 50 << 20
    for each in (131_072, 1 << 20, 32 << 20):
        assert card.cold_copies(each) * each >= 3 * card.l2_bytes
    assert card.cold_copies(1 << 40) == 2


def test_a_ratio_without_a_time_is_empty_and_the_picture_is_drawn(tmp_path: Path) -> None:
    assert ratio(None, {"median": 1.0}) is None and ratio({"median": 3.0}, {"median": 2.0}) == 1.5
    row = {"op": "w4a16_linear", "m": 1, "n": 512, "speedup_cold over fp16 F.linear": 1.5}
    draw({"card": FACTS, "cases": [row, row | {"n": 1024}, {"op": "refused", "m": 1, "n": 1}]}, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


@pytest.mark.slow
def test_without_a_card_the_benchmark_says_what_to_do() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card here")
    command = [sys.executable, "-m", "tools.bench.kernels"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--dry" in done.stderr


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_a_dry_run_ends_with_compiled_plans_and_every_operation_rehearsed(tmp_path: Path) -> None:
    version = VERSIONS[-1]
    try:
        ensure(version)
    except RuntimeError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    out = tmp_path / "dry.json"
    command = [sys.executable, "-m", "tools.bench.kernels", "--dry", "--triton", version, "--arch", "90"]
    done = subprocess.run(
        [*command, "--only", "m=1 int4", "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())["triton"][version]
    assert {(r["op"], r["arch"], r["path"]) for r in found["compiled"]} == {
        ("cfc_cell m=1 int4", 90, "cfc_cell_kernel HMMA")
    }
    for row in found["compiled"]:
        assert row["opcodes"]["HMMA"] > 0 and row["stack"] == 0 and row["graph_cold_us"] is None
    walked = found["rehearsal"]
    names = {r["op"] for r in walked["cases"]}
    operations = {"w4a16_linear", "nvfp4_linear_w4a16", "nvfp4_quantize", "cfc_cell", "cfc_cell int4"}
    assert names == operations | {"gru_categorical_step"} and not walked["cut_short"]
    for row in [*walked["cases"], *walked["networks"]]:
        assert "refused" not in row and row["error"] <= 1e-2
    assert len(walked["networks"]) == 2 * len(FEW)
    assert all("nvfp4_linear_w4a4" in text for text in walked["refused"]) and walked["refused"]
