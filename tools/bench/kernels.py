"""Kernels on this card: correctness first, then time against what torch does, in graphs, cold and warm.

    python -m tools.bench.kernels [--seconds 540] [--out docs/results/kernels.json] [--plot docs/results/kernels.png]
    python -m tools.bench.kernels --dry [--arch 90] [--only NAME] [--out docs/results/bench_kernels_dry.json]

For each case: the opcodes of the very kernel that is timed, which must be those of its plan; the error against the
reference (a wrong kernel is not timed); a single launch; a graph of many copies, with weights warm in L2 and, by turns
over three times L2, cold; the share of the bandwidth that this card was measured to read with; and the ratio to torch's
fp16 and bf16 in the same kind of graph. Then four layers in one graph. The floor is an empty kernel in a graph.

`--dry` needs no card: under each version of Triton that the tests use (installed by pip into the user's cache), what
every plan compiles to, and the same walk over small cases in Triton's interpreter, with the errors and without times.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch

from agent.core.files import write_atomically
from kernels.jit import HAS_TRITON, KernelUnavailable, triton_version
from kernels.launch import Launch
from kernels.nvfp4_linear import OP_A4
from tools.bench._card_timing import COPIES, Card, Stepping, timings
from tools.bench._kernel_cases import LINEARS, Case, cases, dense_network, network, relative
from tools.bench._result_file import ROOT, publish
from tools.scripts.kernel_facts import compiled, environment
from tools.scripts.triton_versions import VERSIONS

SIZES, ROWS = (512, 1024, 2048, 4096, 8192), (1, 4, 16, 64)
SMALL, FEW, REHEARSED = (128,), (1, 5), 80
"""The interpreter has no programmatic dependent launch: plans of sm_80."""
NETWORK_ERROR = 1e-2


def ratio(over: Any, under: Any) -> float | None:
    """Of two medians, None where one is missing."""
    return None if over is None or under is None else round(over["median"] / under["median"], 3)


def case(card: Card | Stepping, each: Case, facts: dict[str, Any], rivals: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One row of the table; without times where the kernel is wrong, or is not the one that its plan names."""
    launch = each.make()
    launch.run()
    error, found = each.error(launch), card.opcodes(launch)
    row: dict[str, Any] = {
        "op": each.op, "m": each.m, "n": each.n, "k": each.k, "path": each.chosen.path(), "opcodes": found,
        "error": error if math.isfinite(error) else None, "moved_bytes": each.moved_bytes,
    }  # fmt: skip
    if not error <= each.worst_error:
        return row | {"refused": f"error {error:.1e} is above {each.worst_error:.0e}: not timed"}
    wanted, forbidden = each.chosen.opcode, [op for op in each.chosen.forbidden if found and found.get(op)]
    if found is not None and (forbidden or (wanted and not found.get(wanted))):
        return row | {"refused": f"compiled to {found}, not to {wanted}: not timed"}
    row |= timings(card, lambda: each.make().run, each.moved_bytes)
    cold, warm, floor, read = row["graph_cold_us"], row["graph_warm_us"], facts["floor_us"], facts["read_gb_s"]
    if cold is not None and warm is not None and floor is not None and read is not None:
        row["roofline_share_cold"] = round(each.moved_bytes / read / 1e3 / cold["median"], 3)
        row["above_floor_share_warm"] = round((warm["median"] - floor["median"]) / warm["median"], 3)
    for name, make in each.rivals.items():
        key = f"{name} {each.m} × {each.n} × {each.k}"
        if key not in rivals:
            rivals[key] = timings(card, make, each.rival_bytes)
        for kind in ("cold", "warm"):
            row[f"speedup_{kind} over {name}"] = ratio(rivals[key][f"graph_{kind}_us"], row[f"graph_{kind}_us"])
    return row


def whole_network(card: Card | Stepping, op: str, m: int, size: int) -> dict[str, Any]:
    """Four layers with SiLU in one graph, against the same in fp16."""
    launches, wanted = network(op, m, size, card.arch, card.device)
    for launch in launches:
        launch.run()
    error = relative(launches[-1].arguments["y"], wanted)
    row: dict[str, Any] = {"op": op, "m": m, "size": size, "layers": len(launches)}
    row["error"] = error if math.isfinite(error) else None
    if not error <= NETWORK_ERROR:
        return row | {"refused": f"error {error:.1e} is above {NETWORK_ERROR:.0e}: not timed"}
    works = [partial(run_all, launches)] * (COPIES // len(launches))
    rivals = [dense_network(m, size, card.device)] * len(works)
    ours, theirs = (card.timed_us(card.graphed(each), len(each)) for each in (works, rivals))
    return row | {"graph_us": ours, "fp16_graph_us": theirs, "speedup": ratio(theirs, ours)}


def run_all(launches: list[Launch]) -> None:
    """One after the other."""
    for launch in launches:
        launch.run()


def walk(card: Card | Stepping, sizes: tuple[int, ...], rows: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """Everything that fits into the time, the networks first."""
    end, facts, before = time.monotonic() + seconds, card.facts(), card.sample()
    found: dict[str, Any] = {"card": facts, "networks": [], "cases": [], "rivals": {}, "refused": []}
    found["cut_short"] = False
    for size in sizes[:4]:
        for m in rows:
            for op in LINEARS:
                if op != OP_A4 and time.monotonic() < end:
                    found["networks"].append(whole_network(card, op, m, size))
    for each in cases(sizes, rows, card.arch, card.device):
        if time.monotonic() > end:
            found["cut_short"] = True
            break
        if isinstance(each, str):
            found["refused"].append(each)
        else:
            found["cases"].append(case(card, each, facts, found["rivals"]))
    return found | {"clocks": {"before": before, "after": card.sample()}}


def rehearse(version: str) -> dict[str, Any]:
    """The walk over small cases in Triton's interpreter, in a process of its own under one version."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "walk.json"
        command = [sys.executable, "-m", "tools.bench.kernels", "--rehearse", "--out", str(out)]
        more = {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, env=environment(version) | more, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"bench_kernels: the rehearsal under Triton {version} failed:\n{done.stderr[-3000:]}")
        return msgspec.json.decode(out.read_bytes())  # type: ignore[no-any-return]


def survey_and_rehearse(version: str, arch: str, only: str) -> dict[str, Any]:
    """What one version of Triton makes of every plan, with times empty, and the rehearsal."""
    try:
        survey = compiled(version, arch, only)
    except RuntimeError as error:
        raise SystemExit(f"bench_kernels: {error}") from error
    times = dict.fromkeys(("single_us", "graph_warm_us", "graph_cold_us"))
    kept = ("arch", "registers", "stack", "shared", "tmem", "opcodes", "error")
    rows = [
        {"op": facts.specimen, "path": facts.plan.path(), **{k: getattr(facts, k) for k in kept}, **times}
        for facts in survey.facts
    ]
    return {"compiled": rows, "rehearsal": rehearse(version)}


def dry(arch: str, only: str, versions: tuple[str, ...]) -> dict[str, Any]:
    """Both of every version, the versions side by side."""
    start = time.monotonic()
    with ThreadPoolExecutor(len(versions)) as pool:
        found = list(pool.map(lambda version: survey_and_rehearse(version, arch, only), versions))
    return {"wall_s": round(time.monotonic() - start, 1), "triton": dict(zip(versions, found, strict=True))}


def draw(values: dict[str, Any], path: Path) -> None:
    """Speed-up over fp16 by size, a line for each operation and number of rows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    key = "speedup_cold over fp16 F.linear"
    rows = [r for r in values["cases"] if r.get(key) is not None]
    for op, m in sorted({(r["op"], r["m"]) for r in rows}):
        mine = [r for r in rows if (r["op"], r["m"]) == (op, m)]
        axes.plot([r["n"] for r in mine], [r[key] for r in mine], marker="o", label=f"{op} m={m}")
    axes.axhline(1.0, color="grey", linewidth=1)
    axes.set(xlabel="n = k", ylabel="times as fast as fp16 F.linear, cold", xscale="log", title=values["card"]["name"])
    if rows:
        axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    """Measure, or survey, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--rehearse", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--arch", default="", help="with --dry: architectures, 90,100; all where it is not given")
    parser.add_argument("--only", default="", help="with --dry: specimens whose names contain this")
    parser.add_argument("--triton", nargs="+", choices=VERSIONS, default=VERSIONS, help="with --dry: versions")
    parser.add_argument("--seconds", type=float, default=540.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    versions = {"torch": torch.__version__, "triton": triton_version()}
    if args.rehearse:
        found = walk(Stepping(REHEARSED), SMALL, FEW, args.seconds)
        write_atomically(args.out, msgspec.json.encode(found))
        return
    if args.dry:
        found = dry(args.arch, args.only, tuple(args.triton))
        publish("kernels", {"dry": True, "torch": versions["torch"], **found}, args.out)
        return
    if not torch.cuda.is_available():
        parser.error("no CUDA card is here; --dry surveys the compiled code without one")
    if not HAS_TRITON:
        parser.error("Triton is not installed: pip install 'metabonk-apex[kernels]'")
    try:
        values = walk(Card(), SIZES, ROWS, args.seconds)
    except KernelUnavailable as error:
        parser.error(str(error))
    if args.plot is not None:
        draw(values, args.plot)
    publish("kernels", {"dry": False, "versions": versions, **values}, args.out)


if __name__ == "__main__":
    main()
