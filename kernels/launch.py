"""One launch of one kernel as a value: it can be run, compiled without a GPU, or only counted.

Owns no tensor; the compiler's view of the arguments (`signature`) is derived from the very arguments that are launched.
"""

from __future__ import annotations

from typing import Any

import msgspec
import torch

_TYPES = {
    torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.int32: "i32", torch.int16: "i16",
    torch.uint8: "u8", torch.float8_e4m3fn: "fp8e4nv", torch.int64: "i64",
}  # fmt: skip
ALIGNMENT = 16


class Signature(msgspec.Struct, frozen=True):
    """What Triton's compiler is told: types by argument, compile-time values, and arguments divisible by 16."""

    types: dict[str, str]
    constants: dict[str, Any]
    aligned: tuple[str, ...]


class Launch(msgspec.Struct, frozen=True, eq=False):
    """A kernel, its grid, its arguments in order, and what is fixed when it is compiled."""

    kernel: Any
    grid: tuple[int, ...]
    arguments: dict[str, Any]
    constants: dict[str, Any]
    warps: int
    stages: int
    pdl: bool = False
    registers: int = 0

    def run(self) -> None:
        """Launch on the current device, or step through it in Triton's interpreter."""
        self.kernel[self.grid](**self.arguments, **self.constants, **self.options())

    def options(self) -> dict[str, Any]:
        """What the compiler and the launcher are told beside the arguments."""
        told: dict[str, Any] = {"num_warps": self.warps, "num_stages": self.stages}
        if self.pdl:
            told["launch_pdl"] = True
        if self.registers:
            told["maxnreg"] = self.registers
        return told

    def signature(self) -> Signature:
        """Types and alignments as Triton's own launcher would derive them."""
        types, constants, aligned = {}, dict(self.constants), []
        for name, value in self.arguments.items():
            if isinstance(value, torch.Tensor):
                types[name] = "*" + _TYPES[value.dtype]
                aligned.append(name)
            elif isinstance(value, float):
                types[name] = "fp32"
            elif value == 1:
                constants[name] = 1
            else:
                types[name] = "i32"
                if value % ALIGNMENT == 0:
                    aligned.append(name)
        return Signature(types, constants, tuple(aligned))
