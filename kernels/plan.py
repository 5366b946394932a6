"""Which kernel runs for a shape on a card, with which tile, and which tensor-core instruction it must compile to.

Rules lie in `plans.json`, by architecture, operation and number of rows: nothing is tuned while a game runs.
The opcode is part of the plan; the code generation tests hold every plan to it, so that no fallback goes by the name of
another format. Pure Python; owns no kernel.
"""

from __future__ import annotations

import functools
from importlib.resources import files

import msgspec

from kernels.jit import KernelUnavailable

ARCHITECTURES = (80, 89, 90, 100, 120)
MAX_ROWS = 64
BLOCK = 128
"""Codes of a row of W that one warp takes at a time."""
MULTIPROCESSORS = {80: 108, 89: 128, 90: 132, 100: 148, 120: 170}
"""Of the largest card of each architecture: A100, RTX 4090, H100, B200, RTX 5090."""


class KernelPlan(msgspec.Struct, frozen=True):
    """A kernel with its tile. `opcode` must occur in its machine code and none of `forbidden` may; "" needs none.

    pdl: the kernel is launched before the one in front of it has ended, and waits on the card (programmatic dependent
    launch, sm_90 and newer). registers: the most that a thread may have; 0 leaves it to the compiler.
    """

    kernel: str
    rows: int
    tile: dict[str, int]
    warps: int
    stages: int
    opcode: str = ""
    pdl: bool = False
    registers: int = 0
    forbidden: tuple[str, ...] = ()

    def path(self) -> str:
        """Name under which a run is counted and shown."""
        return f"{self.kernel} {self.opcode}" if self.opcode else self.kernel


@functools.cache
def rules() -> dict[str, dict[str, list[KernelPlan]]]:
    """All rules: architecture → operation → plans by rising `rows`."""
    text = files("kernels").joinpath("plans.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, dict[str, list[KernelPlan]]])


def nearest_architecture(capability: int) -> int:
    """The architecture whose plans a card of this capability runs; raises KernelUnavailable below 8.0."""
    if capability < ARCHITECTURES[0]:
        raise KernelUnavailable(f"compute capability {capability / 10}: 8.0 or newer is needed")
    family = [a for a in ARCHITECTURES if a // 10 == capability // 10 and a <= capability]
    return family[-1] if family else max(a for a in ARCHITECTURES if a <= min(capability, 90))


def plan(op: str, m: int, n: int, k: int, capability: int) -> KernelPlan:
    """The plan of `op` on an [m, k] input and an [n, k] weight; raises KernelUnavailable with the reason."""
    if not 1 <= m <= MAX_ROWS:
        raise KernelUnavailable(f"{op} with {m} rows: these kernels take a policy's batch, 1 to {MAX_ROWS}")
    if n < 1 or k < 1:
        raise KernelUnavailable(f"{op} of {n} × {k}: a matrix has at least one row and one column")
    architecture = nearest_architecture(capability)
    table = rules()[f"sm_{architecture}"]
    if op not in table:
        raise KernelUnavailable(f"{op} does not run on sm_{architecture}; plans exist for {', '.join(archs_of(op))}")
    chosen = next(p for p in table[op] if m <= p.rows)
    return _split(chosen, n, k, architecture)


def _split(chosen: KernelPlan, n: int, k: int, architecture: int) -> KernelPlan:
    """A warp for each part of k: twice as many where there are fewer programs than multiprocessors, none without k."""
    if "SPLIT" not in chosen.tile:
        return chosen
    parts = chosen.tile["SPLIT"]
    if -(-n // chosen.tile["BN"]) < MULTIPROCESSORS[architecture]:
        parts *= 2
    parts = min(parts, 1 << (-(-k // BLOCK) - 1).bit_length())
    return msgspec.structs.replace(chosen, tile=chosen.tile | {"SPLIT": parts}, warps=parts)


def archs_of(op: str) -> list[str]:
    """Architectures that have a plan for `op`."""
    return [arch for arch, table in rules().items() if op in table]
