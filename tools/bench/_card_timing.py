"""How long work takes on a card: single launches by events, graphs of many, and what the card itself can do.

`Card` measures. `Stepping` has the same methods and no card: it does the work once, in Triton's interpreter, and its
times are empty. Owns no kernel but the empty one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from statistics import quantiles
from typing import Any

import torch

from kernels.codegen import describe_cubin
from kernels.jit import Value, jit
from kernels.launch import Launch
from kernels.library import capability

Work = Callable[[], object]
Spread = dict[str, float] | None
ROUNDS, COPIES, MAX_COPIES = 30, 50, 4096
SAMPLED = ("driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "temperature.gpu", "power.draw")


@jit
def nothing_kernel(x: Value) -> None:
    """No work: what a launch costs."""
    pass


def nothing(device: torch.device) -> Launch:
    """A launch of the empty kernel."""
    return Launch(nothing_kernel, (1,), {"x": torch.zeros(16, device=device)}, {}, 1, 1)


def spread(values_us: list[float]) -> dict[str, float]:
    """Median, 5th and 95th percentile and count."""
    cuts = quantiles(values_us, n=20)
    return {"median": round(cuts[9], 3), "p5": round(cuts[0], 3), "p95": round(cuts[18], 3), "n": len(values_us)}


class Card:
    """The current CUDA device."""

    def __init__(self) -> None:
        self.device = torch.device("cuda")
        self.properties = torch.cuda.get_device_properties(self.device)
        self.arch, self.l2_bytes = capability(self.device), int(self.properties.L2_cache_size)

    def facts(self) -> dict[str, Any]:
        """Name, sizes, what it is able to do by measure, and its clocks."""
        read, copy = self._bandwidths()
        launch = nothing(self.device)
        floor = self.timed_us(self.graphed([launch.run] * COPIES), COPIES)
        return {
            "name": self.properties.name, "sm_count": self.properties.multi_processor_count, "capability": self.arch,
            "l2_bytes": self.l2_bytes, "memory_bytes": self.properties.total_memory, "cuda": torch.version.cuda,
            "read_gb_s": read, "copy_gb_s": copy, "floor_us": floor, "launch_us": self.timed_us(launch.run, 1),
        }  # fmt: skip

    def sample(self) -> dict[str, str]:
        """Driver, clocks, temperature and power as nvidia-smi says now; empty without it."""
        program = shutil.which("nvidia-smi")
        if program is None:
            return {}
        command = [program, f"--query-gpu={','.join(SAMPLED)}", "--format=csv,noheader", "--id=0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return dict(zip(SAMPLED, (v.strip() for v in done.stdout.split(",")), strict=False))

    def _bandwidths(self) -> tuple[float, float]:
        """GB/s of reading 1 GiB, and of copying it (read and written bytes counted)."""
        data = torch.ones(1 << 28, device=self.device)
        other = torch.empty_like(data)
        found = []
        for work, passes in ((lambda: data.sum(), 1), (lambda: other.copy_(data), 2)):
            work()
            times = self.timed_us(work, 1)
            found.append(round(passes * data.nbytes / times["p5"] / 1e3, 1))
        return found[0], found[1]

    def timed_us(self, work: Work, per: int) -> dict[str, float]:
        """µs of one of `per` equal parts of `work`, by events around it."""
        found = []
        for _ in range(ROUNDS):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            work()
            end.record()
            end.synchronize()
            found.append(start.elapsed_time(end) * 1e3 / per)
        return spread(found)

    def graphed(self, works: list[Work]) -> Work:
        """All works in one graph, replayed once already: the first replay uploads it."""
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
        graph.replay()
        torch.cuda.synchronize()
        return graph.replay

    def opcodes(self, launch: Launch) -> dict[str, int]:
        """What the compiled kernel of a launch is made of: the launch returns the very one that it ran."""
        made = launch.kernel[launch.grid](**launch.arguments, **launch.constants, **launch.options())
        return dict(describe_cubin(made.asm["cubin"])["opcodes"])

    def cold_copies(self, each_bytes: int) -> int:
        """Copies of weights that fill L2 three times over, so that each is gone before its next turn."""
        return max(2, min(MAX_COPIES, 3 * self.l2_bytes // each_bytes + 1))


class Stepping:
    """No card: works are done once, nothing is timed, and plans are those of an architecture that is named."""

    def __init__(self, arch: int) -> None:
        self.device, self.arch = torch.device("cpu"), arch
        self.done = 0

    def facts(self) -> dict[str, Any]:
        """That there is no card."""
        return {
            "name": "no card: Triton's interpreter", "capability": self.arch, "read_gb_s": None, "copy_gb_s": None,
            "floor_us": self.timed_us(nothing(self.device).run, 1),
        }  # fmt: skip

    def sample(self) -> dict[str, str]:
        """There are no clocks."""
        return {}

    def timed_us(self, work: Work, per: int) -> None:
        """Do it, without a time."""
        work()
        self.done += 1

    def graphed(self, works: list[Work]) -> Work:
        """The last of the works."""
        return works[-1]

    def opcodes(self, launch: Launch) -> dict[str, int] | None:
        """An interpreter has no machine code."""
        return None

    def cold_copies(self, each_bytes: int) -> int:
        """Two, to see that each has weights of its own."""
        return 2


def timings(card: Card | Stepping, make: Callable[[], Work], each_bytes: int) -> dict[str, Spread]:
    """A single launch, a graph with L2 warm and one with L2 cold; `make` makes a work with weights of its own."""
    first = make()
    first()
    rotating = [make() for _ in range(card.cold_copies(each_bytes))]
    cold = [rotating[i % len(rotating)] for i in range(max(COPIES, len(rotating)))]
    return {
        "single_us": card.timed_us(first, 1),
        "graph_warm_us": card.timed_us(card.graphed([first] * COPIES), COPIES),
        "graph_cold_us": card.timed_us(card.graphed(cold), len(cold)),
    }
