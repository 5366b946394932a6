"""A step of a recurrent world model in one launch: GRU, logits, a sample of every categorical, and its log-prob.

Given the gates' two halves gi = W·x + b and gh = U·h + c, each [3h] as [r, z, n], the order of `torch.nn.GRUCell`:
r = σ(gi₀ + gh₀), z = σ(gi₁ + gh₁), n = tanh(gi₂ + r·gh₂), h' = (1 − z)·n + z·h. Then, for each of G groups of C
classes: p = (1 − ε)·softmax(L·h' + l) + ε/C, and the class is the first whose cumulated p exceeds u.

A program owns one row and one group, and computes h' for itself. u is given, or drawn by Philox from a seed that lies
on the device, so that a captured graph draws anew at every replay.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor

from kernels.activations import tanh
from kernels.jit import KernelUnavailable, Value, constexpr, jit, tl
from kernels.launch import Launch
from kernels.library import capability, ran, register
from kernels.plan import KernelPlan, plan

OP = "gru_categorical_step"
MAX_CLASSES = 128


@jit
def gru_units(gi: Value, gh: Value, h: Value, b: Value, k: Value, H: Value) -> Value:
    """h' of the units k of row b, in fp32; zero from H on."""
    here = k < H
    at = b * 3 * H + k
    r = tl.load(gi + at, mask=here, other=0.0).to(tl.float32) + tl.load(gh + at, mask=here, other=0.0).to(tl.float32)
    at += H
    z = tl.load(gi + at, mask=here, other=0.0).to(tl.float32) + tl.load(gh + at, mask=here, other=0.0).to(tl.float32)
    at += H
    n = tl.load(gi + at, mask=here, other=0.0).to(tl.float32)
    n += tl.sigmoid(r) * tl.load(gh + at, mask=here, other=0.0).to(tl.float32)
    z = tl.sigmoid(z)
    before = tl.load(h + b * H + k, mask=here, other=0.0).to(tl.float32)
    return tl.where(here, (1.0 - z) * tanh(n) + z * before, 0.0)


@jit
def gru_categorical_kernel(
    gi: Value, gh: Value, h: Value, weight: Value, bias: Value, uniform: Value, seed: Value, after: Value, index: Value,
    log_prob: Value, H: Value, C: Value, G: Value, UNIMIX: Value, USE_UNIFORM: constexpr, BC: constexpr, BH: constexpr,
) -> None:  # fmt: skip
    """One row and one group."""
    b, g = tl.program_id(0), tl.program_id(1)
    c = tl.arange(0, BC)
    row = g * C + c
    sums = tl.zeros((BC, BH), tl.float32)
    for start in range(0, H, BH):
        k = start + tl.arange(0, BH)
        unit = gru_units(gi, gh, h, b, k, H)
        tl.store(after + b * H + k, unit.to(after.dtype.element_ty), mask=k < tl.where(g == 0, H, 0))
        w = tl.load(weight + row[:, None] * H + k[None, :], mask=(c < C)[:, None] & (k < H)[None, :], other=0.0)
        sums += w.to(tl.float32) * unit[None, :]
    logits = tl.sum(sums, 1) + tl.load(bias + row, mask=c < C, other=0.0).to(tl.float32)
    logits = tl.where(c < C, logits, -float("inf"))
    e = tl.exp(logits - tl.max(logits, 0))
    p = tl.where(c < C, (1.0 - UNIMIX) * (e / tl.sum(e, 0)) + UNIMIX / C, 0.0)
    if USE_UNIFORM:
        u = tl.load(uniform + b * G + g)
    else:
        u = tl.rand(tl.load(seed), b * G + g)
    chosen = tl.minimum(tl.sum((tl.cumsum(p, 0) <= u).to(tl.int32), 0), C - 1)
    tl.store(index + b * G + g, chosen)
    tl.store(log_prob + b * G + g, tl.log(tl.sum(tl.where(c == chosen, p, 0.0), 0)))


def prepare(
    gi: Float[Tensor, "b g3"],
    gh: Float[Tensor, "b g3"],
    h: Float[Tensor, "b h"],
    weight: Float[Tensor, "gc h"],
    bias: Float[Tensor, " gc"],
    uniform: Float32[Tensor, "b g"] | None,
    seed: Int32[Tensor, " one"],
    groups: int,
    unimix: float,
    chosen: KernelPlan,
    outputs: tuple[Tensor, Tensor, Tensor],
) -> Launch:
    """The launch that writes h', classes and log-probs."""
    classes = weight.shape[0] // groups
    if classes > MAX_CLASSES:
        raise KernelUnavailable(f"{OP} with {classes} classes: at most {MAX_CLASSES}")
    arguments = {
        "gi": gi, "gh": gh, "h": h, "weight": weight, "bias": bias,
        "uniform": outputs[2] if uniform is None else uniform, "seed": seed, "after": outputs[0],
        "index": outputs[1], "log_prob": outputs[2], "H": h.shape[1], "C": classes, "G": groups,
        "UNIMIX": float(unimix),
    }  # fmt: skip
    tile = chosen.tile | {"BC": max(1 << (classes - 1).bit_length(), 2)}
    constants = {"USE_UNIFORM": uniform is not None} | tile
    return Launch(
        gru_categorical_kernel, (h.shape[0], groups), arguments, constants, chosen.warps, chosen.stages
    )  # fmt: skip


def _empty(gi: Tensor, gh: Tensor, h: Tensor, weight: Tensor, bias: Tensor, uniform: Tensor | None, seed: Tensor,
           groups: int, unimix: float) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    b, width = h.shape
    if gi.shape != (b, 3 * width) or gh.shape != gi.shape or weight.shape[1] != width or weight.shape[0] % groups:
        found = f"{tuple(gi.shape)}, {tuple(gh.shape)} and {tuple(weight.shape)} with {groups} groups"
        raise ValueError(f"{OP}: gates and logits of {found} do not fit a state of {tuple(h.shape)}")
    index = torch.empty(b, groups, dtype=torch.int32, device=h.device)
    return torch.empty_like(h), index, torch.empty(b, groups, dtype=torch.float32, device=h.device)


def _cuda(gi: Tensor, gh: Tensor, h: Tensor, weight: Tensor, bias: Tensor, uniform: Tensor | None, seed: Tensor,
          groups: int, unimix: float) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    outputs = _empty(gi, gh, h, weight, bias, uniform, seed, groups, unimix)
    chosen = plan(OP, h.shape[0], weight.shape[0], h.shape[1], capability(h.device))
    prepare(gi.contiguous(), gh.contiguous(), h.contiguous(), weight, bias, uniform, seed, groups, unimix, chosen,
            outputs).run()  # fmt: skip
    ran[chosen.path()] += 1
    return outputs


def gru_categorical_step_reference(
    gi: Float[Tensor, "b g3"], gh: Float[Tensor, "b g3"], h: Float[Tensor, "b h"], weight: Float[Tensor, "gc h"],
    bias: Float[Tensor, " gc"], uniform: Float32[Tensor, "b g"] | None, seed: Int32[Tensor, " one"],
    groups: int, unimix: float,
) -> tuple[Float[Tensor, "b h"], Int32[Tensor, "b g"], Float32[Tensor, "b g"]]:  # fmt: skip
    """The definition, in double precision, on the CPU; without u it draws from torch's generator of this seed."""
    _empty(gi, gh, h, weight, bias, uniform, seed, groups, unimix)
    r, z, n = gi.double().chunk(3, 1)
    r_h, z_h, n_h = gh.double().chunk(3, 1)
    update = torch.sigmoid(z + z_h)
    after = (1 - update) * torch.tanh(n + torch.sigmoid(r + r_h) * n_h) + update * h.double()
    logits = (after @ weight.double().t() + bias.double()).reshape(h.shape[0], groups, -1)
    classes = logits.shape[2]
    p = (1 - unimix) * torch.softmax(logits, 2) + unimix / classes
    if uniform is None:
        generator = torch.Generator().manual_seed(int(seed))
        uniform = torch.rand(h.shape[0], groups, generator=generator)
    index = (p.cumsum(2) <= uniform.double().unsqueeze(2)).sum(2).clamp(max=classes - 1)
    log_prob = p.gather(2, index.unsqueeze(2)).squeeze(2).log()
    ran[f"{OP} reference"] += 1
    return after.to(h.dtype), index.to(torch.int32), log_prob.float()


_operation = register(
    f"{OP}(Tensor gi, Tensor gh, Tensor h, Tensor weight, Tensor bias, Tensor? uniform, Tensor seed, int groups,"
    " float unimix) -> (Tensor, Tensor, Tensor)",
    cpu=gru_categorical_step_reference, cuda=_cuda, meta=_empty,
)  # fmt: skip


def gru_categorical_step(
    gi: Float[Tensor, "b g3"],
    gh: Float[Tensor, "b g3"],
    h: Float[Tensor, "b h"],
    weight: Float[Tensor, "gc h"],
    bias: Float[Tensor, " gc"],
    *,
    groups: int,
    seed: Int32[Tensor, " one"],
    unimix: float = 0.01,
    uniform: Float32[Tensor, "b g"] | None = None,
) -> tuple[Float[Tensor, "b h"], Int32[Tensor, "b g"], Float32[Tensor, "b g"]]:
    """The next state, the class of every group, and the log-prob of each class."""
    after, index, log_prob = _operation(gi, gh, h, weight, bias, uniform, seed, groups, unimix)
    return after, index, log_prob
