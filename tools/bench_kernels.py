"""Kernels on this card: correctness first, then time against what torch does, in graphs, cold and warm.

    python tools/bench_kernels.py [--dry] [--seconds 540] [--out results/kernels.json] [--plot results/kernels.png]

For each case: the opcodes of the very kernel that is timed; the error against the reference (a wrong kernel is not
timed); a single launch; a graph of many copies, with weights warm in L2 and, by turns over three times L2, cold; the
share of the bandwidth that this card was measured to read with; and the ratio to fp16 `F.linear` in the same kind of
graph. The floor is an empty kernel in a graph. `--dry` needs no card and leaves the times empty.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec
import torch
from resultfile import publish

from kernels import int4, nvfp4, nvfp4_linear, w4a16_linear
from kernels.codegen import describe_cubin, survey
from kernels.jit import HAS_TRITON, triton_version
from kernels.launch import Launch
from kernels.library import capability
from kernels.plan import ARCHITECTURES, plan

SIZES = (512, 1024, 2048, 4096, 8192)
ROWS = (1, 4, 16, 64)
COPIES, ROUNDS = 50, 30
WORST_ERROR = 2e-3


def spread(values_us: list[float]) -> dict[str, float]:
    """Median, 5th and 95th percentile and count."""
    cuts = quantiles(values_us, n=20)
    return {"median": round(cuts[9], 3), "p5": round(cuts[0], 3), "p95": round(cuts[18], 3), "n": len(values_us)}


def timed_us(work: Callable[[], object], per: int) -> dict[str, float]:
    """µs of one of `per` equal parts of `work`, by events."""
    found = []
    for _ in range(ROUNDS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        found.append(start.elapsed_time(end) * 1e3 / per)
    return spread(found)


def graphed(works: list[Callable[[], object]]) -> Callable[[], None]:
    """All works in one graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for work in works[:3]:
            work()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for work in works:
            work()
    return graph.replay


def timings(make: Callable[[], Callable[[], object]], weight_bytes: int, l2_bytes: int) -> dict[str, Any]:
    """A single launch, a warm graph and a cold one of a kernel; `make` makes one with weights of its own."""
    first = make()
    first()
    copies = max(2, min(COPIES, 3 * l2_bytes // weight_bytes + 1))
    rotating = [make() for _ in range(copies)]
    cold = [rotating[i % copies] for i in range(max(COPIES, copies))]
    return {
        "single_us": timed_us(first, 1),
        "graph_warm_us": timed_us(graphed([first] * COPIES), COPIES),
        "graph_cold_us": timed_us(graphed(cold), len(cold)),
    }


def read_bandwidth() -> float:
    """GB/s at which this card reads 1 GiB."""
    data = torch.ones(1 << 28, device="cuda")
    data.sum()
    best = min(timed_us(lambda: data.sum(), 1)["median"] for _ in range(3))
    return data.numel() * 4 / best / 1e3


def int4_case(m: int, size: int, arch: int) -> tuple[Callable[[], Launch], torch.Tensor, int]:
    """A maker of INT4 launches with weights of their own, the reference's answer to the first, and bytes of weights."""
    x = torch.randn(m, size, generator=torch.Generator().manual_seed(1)).half()
    four = int4.quantise_int4(torch.randn(size, size, generator=torch.Generator().manual_seed(2)), 128, symmetric=False,
                              dtype=torch.float16)  # fmt: skip
    wanted = x.double() @ int4.dequantise_int4(four).t()
    chosen, device_x = plan(w4a16_linear.OP, m, size, size, arch), x.cuda()

    def make() -> Launch:
        words, scales, zeros = (t.cuda() for t in four[:3] if isinstance(t, torch.Tensor))
        y = torch.empty(m, size, dtype=torch.float16, device="cuda")
        return w4a16_linear.prepare(device_x, words, scales, zeros, None, 128, "none", chosen, y)

    return make, wanted, sum(t.nbytes for t in four[:3] if isinstance(t, torch.Tensor))


def nvfp4_case(m: int, size: int, arch: int) -> tuple[Callable[[], Launch], torch.Tensor, int]:
    """The same for NVFP4 weights under 16-bit activations."""
    x = torch.randn(m, size, generator=torch.Generator().manual_seed(1)).half()
    rounded = nvfp4.quantise_nvfp4(torch.randn(size, size, generator=torch.Generator().manual_seed(2)))
    words = nvfp4_linear.to_words(rounded)
    wanted = x.double() @ nvfp4.dequantise_nvfp4(rounded).t()
    chosen, device_x = plan(nvfp4_linear.OP_A16, m, size, size, arch), x.cuda()

    def make() -> Launch:
        own = [t.cuda() for t in words[:3]]
        y = torch.empty(m, size, dtype=torch.float16, device="cuda")
        return nvfp4_linear.prepare_w4a16(device_x, *own, None, "none", chosen, y)

    return make, wanted, words.words.nbytes + words.scales.nbytes


def opcodes(launch: Launch) -> dict[str, int]:
    """What the kernel that a launch just ran is made of."""
    made = launch.kernel[launch.grid](**launch.arguments, **launch.constants, **launch.options())
    return dict(describe_cubin(made.asm["cubin"])["opcodes"])


def dense_us(m: int, size: int, l2_bytes: int) -> dict[str, Any]:
    """fp16 `F.linear` by the same measures."""
    x = torch.randn(m, size, device="cuda", dtype=torch.float16)

    def make() -> Callable[[], object]:
        weight = torch.randn(size, size, device="cuda", dtype=torch.float16)
        return lambda: torch.nn.functional.linear(x, weight)

    return timings(make, 2 * size * size, l2_bytes)


def case(name: str, m: int, size: int, arch: int, card: dict[str, Any], dense: dict[str, Any]) -> dict[str, Any]:
    """One row of the table; without times where the kernel is wrong."""
    build = int4_case if name == "w4a16_linear" else nvfp4_case
    make, wanted, weight_bytes = build(m, size, arch)
    launch = make()
    launch.run()
    error = float((launch.arguments["y"].cpu().double() - wanted).norm() / wanted.norm())
    row: dict[str, Any] = {"op": name, "m": m, "n": size, "k": size, "kernel": launch.kernel.__name__,
                           "opcodes": opcodes(launch), "error": error, "weight_bytes": weight_bytes}  # fmt: skip
    if error > WORST_ERROR:
        return row | {"refused": f"error {error:.1e} is above {WORST_ERROR:.0e}: not timed"}
    row |= timings(lambda: make().run, weight_bytes, card["l2_bytes"])
    cold, warm = row["graph_cold_us"]["median"], row["graph_warm_us"]["median"]
    roofline = weight_bytes / card["read_gb_s"] / 1e3
    return row | {
        "roofline_share_cold": round(roofline / cold, 3),
        "above_floor_share_warm": round((warm - card["floor_us"]) / warm, 3),
        "speedup_cold": round(dense["graph_cold_us"]["median"] / cold, 3),
        "speedup_warm": round(dense["graph_warm_us"]["median"] / warm, 3),
    }


def on_card(seconds: float) -> dict[str, Any]:
    """Everything that fits into the time."""
    device = torch.device("cuda")
    properties, arch = torch.cuda.get_device_properties(device), capability(device)
    nothing = torch.zeros(1, device=device)
    card = {
        "name": properties.name, "sm_count": properties.multi_processor_count, "capability": arch,
        "l2_bytes": properties.L2_cache_size, "cuda": torch.version.cuda, "read_gb_s": round(read_bandwidth(), 1),
        "floor_us": timed_us(graphed([lambda: nothing.zero_()] * COPIES), COPIES)["median"],
    }  # fmt: skip
    end, rows = time.monotonic() + seconds, []
    for size in SIZES:
        for m in ROWS:
            if time.monotonic() > end:
                return {"card": card, "cases": rows, "cut_short": True}
            dense = dense_us(m, size, card["l2_bytes"])
            rows.append({"op": "fp16 F.linear", "m": m, "n": size, "k": size, **dense})
            rows += [case(name, m, size, arch, card, dense) for name in ("w4a16_linear", "nvfp4_linear_w4a16")]
    return {"card": card, "cases": rows, "cut_short": False}


def dry() -> dict[str, Any]:
    """The same table without a card: what every plan compiles to, and no times."""
    if not HAS_TRITON:
        raise SystemExit("bench_kernels: Triton is not installed: pip install 'metabonk-apex[kernels]'")
    rows = []
    for facts in survey(ARCHITECTURES):
        times = dict.fromkeys(("single_us", "graph_warm_us", "graph_cold_us"))
        rows.append({"op": facts.specimen, **msgspec.to_builtins(facts), **times})
    return {"card": None, "cases": rows, "cut_short": False}


def draw(values: dict[str, Any], path: Path) -> None:
    """Speed-up over fp16 by size, a line for each operation and number of rows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    rows = [r for r in values["cases"] if "speedup_cold" in r]
    for key in sorted({(r["op"], r["m"]) for r in rows}):
        mine = [r for r in rows if (r["op"], r["m"]) == key]
        axes.plot([r["n"] for r in mine], [r["speedup_cold"] for r in mine], marker="o", label=f"{key[0]} m={key[1]}")
    axes.axhline(1.0, color="grey", linewidth=1)
    axes.set(xlabel="n = k", ylabel="times as fast as fp16 F.linear, cold", xscale="log", title=values["card"]["name"])
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, or survey, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--seconds", type=float, default=540.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    if not args.dry and not torch.cuda.is_available():
        parser.error("no CUDA card is here; --dry surveys the compiled code without one")
    values = dry() if args.dry else on_card(args.seconds)
    if args.plot is not None and not args.dry:
        draw(values, args.plot)
    versions = {"torch": torch.__version__, "triton": triton_version()}
    publish("kernels", {"dry": args.dry, "versions": versions, **values}, args.out)


if __name__ == "__main__":
    main()
