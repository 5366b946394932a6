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


class KernelPlan(msgspec.Struct, frozen=True):
    """A kernel with its tile. `opcode` must occur in its machine code and none of `forbidden` may; "" needs none.

    pdl: the kernel is launched before the one in front of it has ended, and waits on the card (programmatic dependent
    launch, sm_90 and newer).
    """

    kernel: str
    rows: int
    tile: dict[str, int]
    warps: int
    stages: int
    opcode: str = ""
    pdl: bool = False
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
    return msgspec.structs.replace(chosen, tile=_fit(chosen.tile, n, k))


def _fit(tile: dict[str, int], n: int, k: int) -> dict[str, int]:
    """A tile of words no longer than a row, and as many more rows instead: each thread keeps its 16 bytes."""
    if "BW" not in tile:
        return tile
    wide = max(min(tile["BW"], 1 << (-(-k // 8) - 1).bit_length()), 16)
    return tile | {"BW": wide, "BN": tile["BN"] * tile["BW"] // wide}


def archs_of(op: str) -> list[str]:
    """Architectures that have a plan for `op`."""
    return [arch for arch, table in rules().items() if op in table]
