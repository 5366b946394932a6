"""What the kernels' benchmark measures: each operation with weights, its reference's answer, and torch's own way.

A case makes launches with weights of their own, judges what one wrote, and names torch's own ways. Owns no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kernels import cfc_cell, gru_categorical_step, int4, nvfp4, nvfp4_linear, nvfp4_quantize, w4a16_linear
from kernels.jit import KernelUnavailable
from kernels.launch import Launch
from kernels.plan import KernelPlan, plan

Maker = Callable[[], Callable[[], object]]
LINEARS = (w4a16_linear.OP, nvfp4_linear.OP_A16, nvfp4_linear.OP_A4)
GROUP = 128
HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}


class Case(NamedTuple):
    """One row: `error` judges a launch that ran; rivals by name do the same with torch, with weights of their own."""

    op: str
    m: int
    n: int
    k: int
    chosen: KernelPlan
    make: Callable[[], Launch]
    error: Callable[[Launch], float]
    moved_bytes: int
    rivals: dict[str, Maker]
    rival_bytes: int
    worst_error: float = 2e-3


def normal(seed: int, *shape: int) -> Tensor:
    """The same numbers for the same seed, on the host."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def relative(got: Tensor, wanted: Tensor) -> float:
    """Relative error in the norm; infinite where something is not finite."""
    got = got.double().to(wanted.device)
    return float((got - wanted).norm() / wanted.norm()) if bool(torch.isfinite(got).all()) else float("inf")


@lru_cache(maxsize=3)
def weight_of(op: str, size: int) -> tuple[tuple[Tensor, ...], Tensor]:
    """A square weight as the kernel takes it, and the matrix that it stands for."""
    matrix = normal(2, size, size) / size**0.5
    if op == w4a16_linear.OP:
        four = int4.quantise_int4(matrix, GROUP, symmetric=False, dtype=torch.float16)
        assert four.zeros is not None
        return (four.words, four.scales, four.zeros), int4.dequantise_int4(four)
    rounded = nvfp4.quantise_nvfp4(matrix)
    kept = nvfp4_linear.to_words(rounded) if op == nvfp4_linear.OP_A16 else rounded
    return tuple(kept[:3]), nvfp4.dequantise_nvfp4(rounded)


def dense(m: int, size: int, device: torch.device) -> dict[str, Maker]:
    """`F.linear` in both halves of 32 bits, a new weight for each work."""

    def make(dtype: torch.dtype) -> Callable[[], object]:
        x = torch.randn(m, size, device=device, dtype=dtype)
        weight = torch.randn(size, size, device=device, dtype=dtype)
        return lambda: torch.nn.functional.linear(x, weight)

    return {f"{name} F.linear": partial(make, dtype) for name, dtype in HALVES.items()}


def linear_launch(op: str, size: int, chosen: KernelPlan, x: Any, y: Tensor, act: str = "none") -> Launch:
    """A launch that writes y, with weights of its own beside it; x is [m, size], for W4A4 its bytes and scales."""
    first, second, third = (t.to(y.device, copy=True) for t in weight_of(op, size)[0])
    if op == w4a16_linear.OP:
        return w4a16_linear.prepare(x, first, second, third, None, GROUP, act, chosen, y)
    if op == nvfp4_linear.OP_A16:
        return nvfp4_linear.prepare_w4a16(x, first, second, third, None, act, chosen, y)
    return nvfp4_linear.prepare_w4a4(x, (first, second, third), None, act, False, chosen, y)


def linear(op: str, m: int, size: int, arch: int, device: torch.device) -> Case:
    """A square linear; raises KernelUnavailable where the architecture has no plan."""
    chosen = plan(op, m, size, size, arch)
    x = normal(1, m, size).half()
    given: Any = x.to(device)
    operand = x.double()
    if op == nvfp4_linear.OP_A4:
        small = nvfp4.quantise_nvfp4(x.float())
        given, operand = tuple(t.to(device) for t in small[:3]), nvfp4.dequantise_nvfp4(small)
    kept, matrix = weight_of(op, size)
    wanted = operand.to(device) @ matrix.to(device).t()

    def make() -> Launch:
        y = torch.full((m, size), torch.nan, dtype=torch.float16, device=device)
        return linear_launch(op, size, chosen, given, y)

    moved = sum(t.nbytes for t in kept)
    error = lambda launch: relative(launch.arguments["y"], wanted)
    return Case(op, m, size, size, chosen, make, error, moved, dense(m, size, device), 2 * size * size)


def network(op: str, m: int, size: int, arch: int, device: torch.device) -> tuple[list[Launch], Tensor]:
    """Four linears with SiLU, each on what the one before wrote, and what the last must write."""
    chosen, layers = plan(op, m, size, size, arch), []
    x = normal(1, m, size).half().to(device)
    wanted, matrix = x.double(), weight_of(op, size)[1].to(device)
    for _ in range(4):
        y = torch.full((m, size), torch.nan, dtype=torch.float16, device=device)
        layers.append(linear_launch(op, size, chosen, x, y, "silu"))
        x, wanted = y, torch.nn.functional.silu(wanted @ matrix.t())
    return layers, wanted


def dense_network(m: int, size: int, device: torch.device) -> Callable[[], object]:
    """The same in fp16 by torch."""
    x = normal(1, m, size).half().to(device)
    weights = [torch.randn(size, size, device=device, dtype=torch.float16) / size**0.5 for _ in range(4)]

    def work() -> Tensor:
        value = x
        for weight in weights:
            value = torch.nn.functional.silu(torch.nn.functional.linear(value, weight))
        return value

    return work


def quantise(m: int, size: int, arch: int, device: torch.device) -> Case:
    """Activations to NVFP4: right is equal to the byte."""
    chosen = plan(nvfp4_quantize.OP, m, size, size, arch)
    x, whole = normal(3, m, size).half(), torch.tensor(0.01)
    wanted = nvfp4_quantize.nvfp4_quantize_reference(x, whole, False)

    def make() -> Launch:
        packed = torch.zeros(m, size // 2, dtype=torch.uint8, device=device)
        scales = torch.zeros(m, size // nvfp4.BLOCK, dtype=torch.uint8, device=device).view(torch.float8_e4m3fn)
        return nvfp4_quantize.prepare(x.to(device), whole.to(device), packed, scales, False, chosen)

    def error(launch: Launch) -> float:
        same = (
            torch.equal(launch.arguments["packed"].cpu(), wanted[0]),
            torch.equal(launch.arguments["scales"].cpu(), wanted[1].view(torch.uint8)),
        )
        return 0.0 if all(same) else float("inf")

    moved = x.nbytes + wanted[0].nbytes + wanted[1].nbytes
    return Case(nvfp4_quantize.OP, m, size, size, chosen, make, error, moved, {}, moved, 0.0)


def unfused_cell(x: Tensor, h: Tensor, timespan: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """The liquid cell as torch's own operations, without biases."""
    hidden = 1.7159 * torch.tanh(0.666 * torch.nn.functional.linear(torch.cat([x, h], 1), b))
    ff1, ff2, time_a, time_b = torch.nn.functional.linear(hidden, g).chunk(4, 1)
    share = torch.sigmoid(time_a * timespan[:, None] + time_b)
    return torch.tanh(ff1) * (1 - share) + torch.tanh(ff2) * share


def cell(m: int, width: int, arch: int, device: torch.device, group: int) -> Case:
    """The pilot's cell with inputs, units and backbone of one width, 16-bit or INT4 weights."""
    chosen = plan(cfc_cell.OP, m, width, width, arch)
    x, h, timespan = normal(1, m, width).half(), normal(2, m, width).tanh().half(), torch.full((m,), 4.0)
    wide, tall = normal(3, width, 2 * width) / width**0.5, normal(4, 4 * width, width) / width**0.5
    parts: list[Tensor | None] = []
    for matrix in (wide, tall):
        bias = torch.zeros(matrix.shape[0]).half()
        if group:
            four = int4.quantise_int4(matrix, group, symmetric=False, dtype=torch.float16)
            parts += [four.words, four.scales, four.zeros, bias]
        else:
            parts += [matrix.half(), None, None, bias]
    wanted = cfc_cell.cfc_cell_reference(x.double(), h.double(), timespan, *parts, group)  # type: ignore[arg-type]
    inputs = tuple(t.to(device) for t in (x, h, timespan))

    def make() -> Launch:
        own: Any = tuple(None if t is None else t.to(device, copy=True) for t in parts)
        out = torch.full((m, width), torch.nan, dtype=torch.float16, device=device)
        return cfc_cell.prepare(*inputs, own, group, chosen, out)

    def rival() -> Callable[[], object]:
        b, g, half = wide.half().to(device), tall.half().to(device), inputs[2].half()
        return lambda: unfused_cell(inputs[0], inputs[1], half, b, g)

    moved = sum(t.nbytes for t in parts if t is not None)
    name = f"{cfc_cell.OP} int4" if group else cfc_cell.OP
    error = lambda launch: relative(launch.arguments["out"], wanted)
    return Case(name, m, width, width, chosen, make, error, moved, {"fp16 unfused cell": rival}, 12 * width * width)


def unfused_step(gi: Tensor, gh: Tensor, h: Tensor, weight: Tensor, bias: Tensor, uniform: Tensor) -> Tensor:
    """The world model's step as torch's own operations: state, classes and log-probs."""
    (r, z, n), (r_h, z_h, n_h) = gi.chunk(3, 1), gh.chunk(3, 1)
    update = torch.sigmoid(z + z_h)
    after = (1 - update) * torch.tanh(n + torch.sigmoid(r + r_h) * n_h) + update * h
    logits = torch.nn.functional.linear(after, weight, bias).unflatten(1, (uniform.shape[1], -1)).float()
    p = 0.99 * torch.softmax(logits, 2) + 0.01 / logits.shape[2]
    index = (p.cumsum(2) <= uniform.unsqueeze(2)).sum(2, keepdim=True).clamp(max=logits.shape[2] - 1)
    return p.gather(2, index).log()


def step(m: int, width: int, arch: int, device: torch.device) -> Case:
    """The world model's step with a group of 32 classes for every 16 units, and given uniform numbers."""
    groups, classes = width // 16, 32
    chosen = plan(gru_categorical_step.OP, m, groups * classes, width, arch)
    gi, gh, h = (normal(i, m, n).half() for i, n in ((1, 3 * width), (2, 3 * width), (3, width)))
    weight, bias = (normal(4, groups * classes, width) / width**0.5).half(), torch.zeros(groups * classes).half()
    uniform, seed = torch.rand(m, groups, generator=torch.Generator().manual_seed(5)), torch.zeros(2, dtype=torch.int32)
    wanted = gru_categorical_step.gru_categorical_step_reference(
        gi.double(), gh.double(), h.double(), weight, bias, uniform, seed, groups, 0.01
    )
    given = tuple(t.to(device) for t in (gi, gh, h))

    def make() -> Launch:
        outputs = (
            torch.full((m, width), torch.nan, dtype=torch.float16, device=device),
            torch.zeros(m, groups, dtype=torch.int32, device=device),
            torch.zeros(m, groups, dtype=torch.float32, device=device),
        )
        own = weight.to(device, copy=True), bias.to(device, copy=True)
        return gru_categorical_step.prepare(
            *given, *own, uniform.to(device), seed.to(device), groups, 0.01, chosen, outputs
        )

    def error(launch: Launch) -> float:
        same = (launch.arguments["index"].cpu() == wanted[1]).double().mean()
        return max(relative(launch.arguments["after"].cpu(), wanted[0]), 0.0 if same >= 0.99 else float("inf"))

    def rival() -> Callable[[], object]:
        own = weight.to(device, copy=True), bias.to(device, copy=True), uniform.to(device)
        return lambda: unfused_step(*given, *own)

    moved = weight.nbytes + gi.nbytes + gh.nbytes + 2 * h.nbytes
    rivals: dict[str, Maker] = {"fp16 unfused step": rival}
    return Case(gru_categorical_step.OP, m, groups * classes, width, chosen, make, error, moved, rivals, moved)


def cases(sizes: tuple[int, ...], rows: tuple[int, ...], arch: int, device: torch.device) -> Iterator[Case | str]:
    """Every case, sizes outermost so that one weight is rounded once; a text where the card has no plan for one."""
    builders: list[tuple[str, Callable[[], Case]]] = []
    for m in rows:
        builders += [
            (f"cfc_cell m={m}", partial(cell, m, 128, arch, device, 0)),
            (f"cfc_cell int4 m={m}", partial(cell, m, 128, arch, device, 64)),
            (f"gru_categorical_step m={m}", partial(step, m, min(512, max(sizes)), arch, device)),
        ]
    for size in sizes:
        builders += [(f"nvfp4_quantize {m} × {size}", partial(quantise, m, size, arch, device)) for m in rows]
        builders += [(f"{op} {m} × {size}", partial(linear, op, m, size, arch, device)) for op in LINEARS for m in rows]
    for name, build in builders:
        try:
            yield build()
        except KernelUnavailable as error:
            yield f"{name}: {error}"
