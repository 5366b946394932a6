"""y = act(x·Wᵀ + b) with four-bit integer weights and 16- or 32-bit activations.

W is [n, k] in kernel order (`kernels.int4`): words [n, k'/8], scales and, where there are zero points, zeros [n, k'/G].
With c the codes of a group, s its scale and z its zero: y = Σ_groups s·(x·c − z·Σx). Sums are in fp32.

* up to 4 rows of x: a program owns BN rows of W and one row of x, and loads 16 bytes a thread; no atomics, so the same
  input gives the same bits;
* 5 to 64 rows: tensor cores on (c − z), which 16-bit floats hold exactly; the scale multiplies the group's sum.

Runs on any card from sm_80; owns no weights.
"""

from __future__ import annotations

from jaxtyping import Float, Int32
from torch import Tensor

from kernels import int4
from kernels.activations import activate, activate_reference, activation_code
from kernels.int4 import Int4Weight
from kernels.jit import Value, constexpr, jit, tl
from kernels.launch import Launch
from kernels.library import capability, ran, register
from kernels.plan import KernelPlan, plan

OP = "w4a16_linear"


@jit
def w4a16_gemv(
    x: Value, words: Value, scales: Value, zeros: Value, bias: Value, y: Value, N: Value, K: Value, VECTORS: Value,
    GROUP: constexpr, ZEROS: constexpr, BIAS: constexpr, ACT: constexpr, PDL: constexpr, BN: constexpr,
    BW: constexpr,
) -> None:  # fmt: skip
    """BN rows of W against one row of x; a row of W has 4·VECTORS words.

    x is loaded as a tile of the shape of the words: a thread then holds both sides of its products without an exchange.
    """
    RUN: constexpr = GROUP // 8
    row_words = VECTORS * 4
    groups = row_words // RUN
    m = tl.program_id(1)
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    total = tl.zeros((BN, BW), tl.float32)
    if PDL:
        tl.extra.cuda.gdc_wait()
    for start in range(0, row_words, BW):
        w = start + tl.arange(0, BW)
        here = (n < N)[:, None] & (w < row_words)[None, :]
        q = tl.load(words + n[:, None] * row_words + w[None, :], mask=here, other=0, eviction_policy="evict_first")
        g = w // RUN
        s = tl.load(scales + n[:, None] * groups + g[None, :], mask=here, other=0.0).to(tl.float32)
        first = tl.broadcast_to((g * GROUP + w % RUN)[None, :], (BN, BW))
        part = tl.zeros((BN, BW), tl.float32)
        seen = tl.zeros((BN, BW), tl.float32)
        for i in tl.static_range(8):
            k = first + i * RUN
            v = tl.load(x + m * K + k, mask=k < K, other=0.0, eviction_policy="evict_last").to(tl.float32)
            seen += v
            part += ((q >> (4 * i)) & 15).to(tl.float32) * v
        if ZEROS:
            z = tl.load(zeros + n[:, None] * groups + g[None, :], mask=here, other=0.0).to(tl.float32)
            total += (part - z * seen) * s
        else:
            total += (part - 8.0 * seen) * s
    out = tl.sum(total, 1)
    if BIAS:
        out += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)
    out = activate(out, ACT)
    if PDL:
        tl.extra.cuda.gdc_launch_dependents()
    tl.store(y + m * N + n, out.to(y.dtype.element_ty), mask=n < N)


@jit
def int4_tile(words: Value, zeros: Value, n: Value, N: Value, g: Value, row_words: Value, GROUP: constexpr,
              ZEROS: constexpr, BN: constexpr) -> Value:  # fmt: skip
    """(code − zero) of one group of the rows n of W, as [GROUP, BN] in fp32."""
    RUN: constexpr = GROUP // 8
    w = g * RUN + tl.arange(0, RUN)
    q = tl.load(words + n[None, :] * row_words + w[:, None], mask=(n < N)[None, :], other=0)
    shifts = tl.arange(0, 8) * 4
    codes = (q[None, :, :] >> shifts[:, None, None]) & 15
    c = tl.reshape(codes, (GROUP, BN)).to(tl.float32)
    if ZEROS:
        z = tl.load(zeros + n * (row_words // RUN) + g, mask=n < N, other=0.0).to(tl.float32)
        c = c - z[None, :]
    else:
        c = c - 8.0
    return c


@jit
def w4a16_gemm(
    x: Value, words: Value, scales: Value, zeros: Value, bias: Value, y: Value, M: Value, N: Value, K: Value,
    VECTORS: Value, GROUP: constexpr, ZEROS: constexpr, BIAS: constexpr, ACT: constexpr, BM: constexpr, BN: constexpr,
) -> None:  # fmt: skip
    """All M rows of x, at most BM, against BN rows of W, one group of k at a time."""
    row_words = VECTORS * 4
    groups = row_words // (GROUP // 8)
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    m = tl.arange(0, BM)
    total = tl.zeros((BM, BN), tl.float32)
    for g in range(0, groups):
        k = g * GROUP + tl.arange(0, GROUP)
        v = tl.load(x + m[:, None] * K + k[None, :], mask=(m < M)[:, None] & (k < K)[None, :], other=0.0)
        c = int4_tile(words, zeros, n, N, g, row_words, GROUP, ZEROS, BN).to(v.dtype)
        s = tl.load(scales + n * groups + g, mask=n < N, other=0.0).to(tl.float32)
        total += tl.dot(v, c, input_precision="ieee") * s[None, :]
    if BIAS:
        total += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)[None, :]
    total = activate(total, ACT)
    tl.store(y + m[:, None] * N + n[None, :], total.to(y.dtype.element_ty), mask=(m < M)[:, None] & (n < N)[None, :])


def prepare(
    x: Float[Tensor, "m k"],
    words: Int32[Tensor, "n w"],
    scales: Float[Tensor, "n g"],
    zeros: Float[Tensor, "n g"] | None,
    bias: Float[Tensor, " n"] | None,
    group: int,
    act: str,
    chosen: KernelPlan,
    y: Float[Tensor, "m n"],
) -> Launch:
    """The launch of one linear that writes `y`."""
    (m, k), n = x.shape, words.shape[0]
    arguments = {
        "x": x, "words": words, "scales": scales, "zeros": scales if zeros is None else zeros,
        "bias": scales if bias is None else bias, "y": y, "N": n, "K": k, "VECTORS": words.shape[1] // 4,
    }  # fmt: skip
    constants = {"GROUP": group, "ZEROS": zeros is not None, "BIAS": bias is not None, "ACT": activation_code(act)}
    constants, blocks = constants | chosen.tile, -(-n // chosen.tile["BN"])
    if chosen.kernel == "w4a16_gemv":
        constants["PDL"] = chosen.pdl
        return Launch(w4a16_gemv, (blocks, m), arguments, constants, chosen.warps, chosen.stages, chosen.pdl)
    return Launch(w4a16_gemm, (blocks,), {"M": m} | arguments, constants, chosen.warps, chosen.stages)


def _check(x: Tensor, words: Tensor, scales: Tensor, group: int) -> None:
    int4.check_group(group)
    n, padded = words.shape[0], 8 * words.shape[1]
    if padded % group or scales.shape != (n, padded // group):
        raise ValueError(f"words {tuple(words.shape)} and scales {tuple(scales.shape)} do not fit groups of {group}")
    if x.ndim != 2 or not padded - group < x.shape[1] <= padded:
        raise ValueError(f"an input of {tuple(x.shape)} does not fit a weight with rows of {padded}")


def _empty(x: Tensor, words: Tensor, scales: Tensor, zeros: Tensor | None, bias: Tensor | None, group: int,
           act: str) -> Tensor:  # fmt: skip
    _check(x, words, scales, group)
    activation_code(act)
    return x.new_empty(x.shape[0], words.shape[0])


def _cuda(x: Tensor, words: Tensor, scales: Tensor, zeros: Tensor | None, bias: Tensor | None, group: int,
          act: str) -> Tensor:  # fmt: skip
    y = _empty(x, words, scales, zeros, bias, group, act)
    chosen = plan(OP, x.shape[0], words.shape[0], x.shape[1], capability(x.device))
    prepare(x.contiguous(), words, scales, zeros, bias, group, act, chosen, y).run()
    ran[chosen.path()] += 1
    return y


def w4a16_linear_reference(x: Float[Tensor, "m k"], words: Int32[Tensor, "n w"], scales: Float[Tensor, "n g"],
                           zeros: Float[Tensor, "n g"] | None, bias: Float[Tensor, " n"] | None, group: int, act: str,
                           ) -> Float[Tensor, "m n"]:  # fmt: skip
    """The definition, in double precision, on the CPU."""
    _check(x, words, scales, group)
    weight = int4.dequantise_int4(Int4Weight(words, scales, zeros, x.shape[1], group))
    y = x.double() @ weight.t()
    y = activate_reference(y if bias is None else y + bias.double(), act)
    ran[f"{OP} reference"] += 1
    return y.to(x.dtype)


_operation = register(
    f"{OP}(Tensor x, Tensor words, Tensor scales, Tensor? zeros, Tensor? bias, int group, str act) -> Tensor",
    cpu=w4a16_linear_reference, cuda=_cuda, meta=_empty,
)  # fmt: skip


def w4a16_linear(
    x: Float[Tensor, "m k"], weight: Int4Weight, bias: Float[Tensor, " n"] | None = None, act: str = "none"
) -> Float[Tensor, "m n"]:
    """act(x·Wᵀ + bias) in the dtype of x; raises KernelUnavailable where no plan fits."""
    y: Tensor = _operation(x, weight.words, weight.scales, weight.zeros, bias, weight.group, act)
    return y
