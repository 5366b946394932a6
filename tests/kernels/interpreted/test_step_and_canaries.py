"""The world model's step in the interpreter, and what the interpreter is known to compute wrongly."""

from __future__ import annotations

import pytest
import torch
import triton
import triton.language as tl
from triton.runtime.errors import InterpreterError

from kernels import gru_categorical_step as gru
from kernels import nvfp4
from kernels import nvfp4_linear as nl
from kernels.jit import triton_version
from kernels.plan import plan
from tests.kernels.interpreted.cases import crossed
from tests.kernels.interpreted.guards import check_bands, guarded, output, relative_error

SEED = torch.tensor([5], dtype=torch.int32)
Step = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def matrix(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(b: int, h: int, groups: int, classes: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    shapes = [(b, 3 * h), (b, 3 * h), (b, h), (groups * classes, h), (groups * classes,)]
    return [(matrix(i, *shape) * (0.3 if i == 3 else 1.0)).to(dtype) for i, shape in enumerate(shapes)]


def run(tensors: list[torch.Tensor], uniform: torch.Tensor | None, groups: int, unimix: float = 0.01) -> Step:
    b, h = tensors[2].shape
    outputs = (output(b, h), output(b, groups, dtype=torch.int32), output(b, groups))
    chosen = plan(gru.OP, b, tensors[3].shape[0], h, 90)
    kept = [guarded(t) for t in tensors]
    uniform = None if uniform is None else guarded(uniform)
    gru.prepare(*kept, uniform, guarded(SEED), groups, unimix, chosen, outputs).run()
    check_bands()
    return outputs


@crossed("b, h, groups, classes", [(1, 512, 4, 32), (3, 40, 5, 24), (2, 70, 3, 5)])
def test_the_step_is_its_reference(b: int, h: int, groups: int, classes: int, dtype: torch.dtype) -> None:
    tensors = inputs(b, h, groups, classes, dtype)
    uniform = torch.rand(b, groups, generator=torch.Generator().manual_seed(9))
    after, index, log_prob = run(tensors, uniform, groups)
    doubles = [t.double() for t in tensors]
    wanted = gru.gru_categorical_step_reference(*doubles, uniform, SEED, groups, 0.01)  # type: ignore[arg-type]
    assert relative_error(after, wanted[0]) <= 1e-6
    assert torch.equal(index, wanted[1])
    assert relative_error(log_prob, wanted[2]) <= 1e-5


def test_the_gru_is_torchs() -> None:
    cell = torch.nn.GRUCell(6, 40)
    x, h = matrix(1, 3, 6), matrix(2, 3, 40)
    gi = x @ cell.weight_ih.t() + cell.bias_ih
    gh = h @ cell.weight_hh.t() + cell.bias_hh
    tensors = [gi.detach(), gh.detach(), h, matrix(3, 10, 40), matrix(4, 10)]
    assert relative_error(run(tensors, torch.rand(3, 2), 2)[0], cell(x, h).detach()) <= 1e-6


def test_classes_are_drawn_as_often_as_their_probabilities_say() -> None:
    rows, classes = 60, 6
    tensors = [t.repeat(60, 1) if i < 3 else t for i, t in enumerate(inputs(1, 16, 1, classes))]
    uniform = ((torch.arange(rows) + 0.5) / rows).view(rows, 1)
    runs = [run(tensors, part, 1, unimix=0.1) for part in uniform.split(60)]
    index, log_prob = torch.cat([r[1] for r in runs]), torch.cat([r[2] for r in runs])
    counts = torch.bincount(index.flatten().long(), minlength=classes).double()
    p = torch.zeros(classes, dtype=torch.float64)
    p[index.flatten().long()] = log_prob.flatten().double().exp()
    assert float(p.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(p.min()) >= 0.1 / classes
    assert float((counts - rows * p).abs().max()) <= 1.0


def test_the_ends_of_the_unit_interval_give_the_first_and_the_last_class() -> None:
    tensors = inputs(2, 16, 1, 6)
    _, index, log_prob = run(tensors, torch.tensor([[0.0], [1.0]]), 1)
    assert index.flatten().tolist() == [0, 5] and torch.isfinite(log_prob).all()


def test_philox_draws_are_even_and_depend_on_the_seed() -> None:
    tensors = [t.repeat(5, 1) if i < 3 else t for i, t in enumerate(inputs(1, 16, 4, 4))]
    tensors[3], tensors[4] = torch.zeros_like(tensors[3]), torch.zeros_like(tensors[4])
    one = run(tensors, None, 4)[1]
    SEED[0] += 1
    other = run(tensors, None, 4)[1]
    counts = torch.bincount(torch.cat([one, other]).flatten().long(), minlength=4).double()
    assert float(((counts - 10) ** 2 / 10).sum()) < 16.3
    assert not torch.equal(one, other)
    assert torch.equal(other[:1], run([t[:1] if i < 3 else t for i, t in enumerate(tensors)], None, 4)[1])


@triton.jit
def _bf16_sum(x, out, N: tl.constexpr):  # type: ignore[no-untyped-def]
    tl.store(out, tl.sum(tl.load(x + tl.arange(0, N)), 0).to(tl.float32))


def test_canary_bf16_sums_are_still_wrong_in_the_interpreter() -> None:
    x, out = torch.full((16,), 1.5, dtype=torch.bfloat16), torch.zeros(1)
    _bf16_sum[(1,)](x, out, N=16)
    assert float(out) != 24.0, "the interpreter sums bf16 now: test the kernels in bf16 too"


def test_canary_nvfp4_is_still_wrong_or_missing_without_the_shim() -> None:
    x, w = nvfp4.quantise_nvfp4(matrix(1, 16, 256)), nvfp4.quantise_nvfp4(matrix(2, 64, 256))
    y = torch.zeros(16, 64)
    operands = [(t.packed, t.scales, t.global_scale.reshape(1)) for t in (x, w)]
    launch = nl.prepare_w4a4(*operands, None, "none", False, plan(nl.OP_A4, 16, 64, 256, 120), y)  # type: ignore[arg-type]
    if triton_version() == "3.7.1":  # it has no dot_scaled at all
        with pytest.raises(InterpreterError, match="has no attribute"):
            launch.run()
        return
    launch.run()
    wanted = nvfp4.dequantise_nvfp4(x) @ nvfp4.dequantise_nvfp4(w).t()
    assert relative_error(y, wanted) > 0.1, "the interpreter reads e4m3 scales now: remove the shim"
