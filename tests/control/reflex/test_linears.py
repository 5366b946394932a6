"""Linears of whole numbers: equal to the bit to sums made by numpy, with and without vpdpbusd; the curves' errors."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from agent.control.motor import _canned, _decide
from agent.control.reflex import curves, paths, vnni
from agent.control.reflex.linears import Dense8, Packed8, apply, pack, shape_of
from agent.control.reflex.network import Reflex, build_reflex
from agent.control.untrained import untrained_tensors

SHAPES = [(64, 64), (192, 128), (196, 1), (512, 512), (67, 65), (2000, 33), (1, 3)]
with_instruction = pytest.mark.skipif(not vnni.lanes(), reason="this processor has no vpdpbusd")


@njit(error_model="numpy")
def applied(layer: Dense8 | Packed8, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return apply(layer, x)


def a_layer(inputs: int, outputs: int, seed: int = 0) -> tuple[Dense8, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    w = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    scale, b = (rng.uniform(0.001, 1.0, outputs).astype(np.float32) for _ in range(2))
    return Dense8(w, scale, b), (rng.normal(size=inputs) * 10.0 ** rng.uniform(-3, 3)).astype(np.float32)


def by_numpy(layer: Dense8, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The definition: x in as many steps as 32 bits leave room for, sums in 64 bits, one rounding a factor."""
    one, steps = np.float32, np.float32(min(32767, (2**31 - 1) // (127 * len(x))))
    maximum = np.abs(x).max()
    q = np.rint(x * one(steps / maximum)).astype(np.int64)
    totals = layer.w.astype(np.int64) @ q
    assert np.abs(totals).max() < 2**31
    return totals.astype(np.float32) * (layer.scale * one(maximum / steps)) + layer.b


@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_rows_of_whole_numbers_equal_numpys_to_the_bit(inputs: int, outputs: int) -> None:
    layer, x = a_layer(inputs, outputs)
    assert shape_of(layer) == (inputs, outputs)
    assert np.array_equal(applied(layer, x), by_numpy(layer, x))


@with_instruction
@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_the_instructions_sums_equal_numpys_to_the_bit(inputs: int, outputs: int) -> None:
    for seed in range(5):
        layer, x = a_layer(inputs, outputs, seed)
        packed = pack(layer)
        assert shape_of(packed) == (inputs, outputs) and packed.w.ctypes.data % vnni.LINE_BYTES == 0
        assert np.array_equal(applied(packed, x), by_numpy(layer, x))


@with_instruction
def test_the_instruction_does_not_saturate_where_every_product_is_extreme() -> None:
    for sign_w, sign_x in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        layer = Dense8(np.full((64, 512), 127 * sign_w, np.int8), np.ones(64, np.float32), np.zeros(64, np.float32))
        x = np.full(512, sign_x, np.float32)
        assert np.array_equal(applied(pack(layer), x), by_numpy(layer, x))


@with_instruction
def test_zeros_give_the_bias_and_what_is_not_a_number_stays_so() -> None:
    layer, x = a_layer(64, 64)
    for form in (layer, pack(layer)):
        assert np.array_equal(applied(form, np.zeros_like(x)), layer.b)
        assert np.isnan(applied(form, np.where(np.arange(64) == 5, np.float32(np.nan), x))).all()


def test_packing_loses_no_weight_and_fills_up_with_zeros() -> None:
    w = np.random.default_rng(1).integers(-127, 128, (70, 13)).astype(np.int8)
    packed = vnni.pack(w)
    assert packed.shape == (2, 4, 64, 4)
    rows = packed.transpose(0, 2, 1, 3).reshape(128, 16)
    assert np.array_equal(rows[:70, :13], w) and not rows[70:].any() and not rows[:, 13:].any()


@pytest.mark.parametrize(
    ("features", "width"),
    [
        ("+avx2,+avx512f,+avx512vnni", 16), ("+avx2,+avxvnni,-avx512vnni", 8), ("+avx512f,-avx512vnni", 0),
        ("+neon,+dotprod", 0), ("", 0), ("-avxvnni,-avx512vnni", 0),
    ],
)  # fmt: skip
def test_the_instruction_is_taken_only_from_processors_that_have_it(features: str, width: int) -> None:
    assert vnni.lanes_of(features) == width


@pytest.mark.slow
@with_instruction
def test_a_whole_pilot_decides_the_same_to_the_bit_with_and_without_the_instruction() -> None:
    tensors = paths.round_int8(untrained_tensors(5))
    rows, packed = (build_reflex(tensors, packed=p) for p in (False, True))
    assert isinstance(rows.join, Dense8) and isinstance(packed.join, Packed8)
    _, batch = _canned()
    hidden, picture = np.full(64, 0.3, np.float32), np.full(64, 0.1, np.float32)
    for row in range(4):
        a, b = (_decide(r, batch, row, picture, hidden, 4.0) for r in (rows, packed))
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


ELSEWHERE = """
import sys
import numpy as np
from numba import njit
from agent.control.reflex import paths
from agent.control.reflex import vnni
from agent.control.reflex.linears import apply
from tests.control.reflex.test_linears import SHAPES, a_layer, by_numpy, pack
applied = njit(error_model="numpy")(lambda layer, x: apply(layer, x))
assert vnni.lanes() == int(sys.argv[1]), vnni.lanes()
assert paths.whole_way() == (paths.PACKED if vnni.lanes() else paths.WHOLE)
for shape in SHAPES:
    layer, x = a_layer(*shape)
    form = pack(layer) if vnni.lanes() else layer
    assert np.array_equal(applied(form, x), by_numpy(layer, x)), shape
text = " ".join(applied.inspect_asm().values())
assert ("vpdpbusd" in text) == (vnni.lanes() > 0) and ("zmm" in text) <= (vnni.lanes() != 8)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names features of x86")
@pytest.mark.parametrize(
    ("width", "features"),
    [
        (0, "+sse4.2"),
        pytest.param(8, "+avx2,+fma,+avxvnni", marks=pytest.mark.campaign),
    ],
)
def test_code_for_another_processor_gives_the_same_numbers(width: int, features: str) -> None:
    own = vnni.cpu_features()
    if width and "+avxvnni" not in own:
        pytest.skip("this processor has no vpdpbusd without AVX-512")
    environment = os.environ | {"NUMBA_CPU_FEATURES": features, "NUMBA_CPU_NAME": "x86-64"}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(width)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@njit(error_model="numpy")
def curve(which: int, x: NDArray[np.float32]) -> NDArray[np.float32]:
    y = np.empty_like(x)
    for i in range(len(x)):
        if which == 0:
            y[i] = curves.exp(x[i])
        elif which == 1:
            y[i] = curves.logistic(x[i])
        else:
            y[i] = curves.tanh(x[i])
    return y


@pytest.mark.parametrize("which", [0, 1, 2])
def test_curves_stay_within_a_millionth_of_the_truth(which: int) -> None:
    small = np.geomspace(1e-20, 80.0, 50_001)
    x = np.concatenate([-small[::-1], [0.0], small]).astype(np.float32)
    exact = x.astype(np.float64)
    true = [np.exp(exact), 1 / (1 + np.exp(-exact)), np.tanh(exact)][which]
    assert (np.abs(curve(which, x) - true) <= 1e-6 * np.abs(true)).all()
    ends = curve(which, np.array([np.nan, np.inf, -np.inf], np.float32))
    assert np.isnan(ends[0]) and np.isfinite(ends[1:]).all()


def test_silu_is_in_place_and_nearly_exact() -> None:
    x = np.linspace(-30.0, 30.0, 10_001, dtype=np.float32)
    y, exact = x.copy(), x.astype(np.float64)
    curves.silu(y)
    assert np.allclose(y, exact / (1 + np.exp(-exact)), rtol=1e-6, atol=0)


def test_compiled_code_is_given_one_reference_and_the_same_arrays() -> None:
    reflex: Reflex = build_reflex(untrained_tensors(0))
    assert reflex.held is reflex.held
    assert type(reflex)(*reflex).held is not reflex.held
