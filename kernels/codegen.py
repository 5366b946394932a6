"""Machine code of every plan without a GPU: compiled ahead of time, disassembled, and described as facts.

    python -m kernels.codegen [--arch 90,100] [--only NAME] [--out FACTS.json]

Compiles what would be launched: types and alignments come from the launch itself. Uses the assembler and disassembler
in Triton's own wheel. Must run where TRITON_INTERPRET is unset: it changes what a kernel is. Owns no verdict.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kernels.jit import HAS_TRITON, KernelUnavailable, triton_version
from kernels.launch import Launch
from kernels.plan import ARCHITECTURES, KernelPlan
from kernels.specimens import SPECIMENS

SHARED_LIMIT = {80: 163 << 10, 89: 99 << 10, 90: 227 << 10, 100: 227 << 10, 120: 99 << 10}
TMEM_LIMIT = 512
_TENSOR = ("HMMA", "HGMMA", "UTCHMMA", "QMMA", "OMMA", "UTCOMMA", "UTCQMMA", "IMMA")
_COUNTED = (*_TENSOR, "LDG", "LDGSTS", "LDL", "STL", "ATOM", "ATOMG", "RED", "REDG", "BAR", "UTCCP", "UTCBAR", "LDTM")
_PTX_MMA = re.compile(r"\b(?:mma\.sync|wgmma\.mma_async|tcgen05\.mma)\S*")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the compiler made of one plan on one architecture; `error` is set where it made nothing."""

    specimen: str
    arch: int
    plan: KernelPlan
    registers: int = 0
    stack: int = 0
    shared: int = 0
    tmem: int = 0
    instructions: int = 0
    opcodes: dict[str, int] = {}
    mma: list[str] = []
    waits: bool = False
    error: str = ""


def compile_launch(launch: Launch, arch: int) -> Any:
    """Triton's compiled kernel for an architecture that need not be here."""
    if not HAS_TRITON:
        raise KernelUnavailable("code generation needs Triton: pip install 'metabonk-apex[kernels]'")
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    told, names = launch.signature(), launch.kernel.arg_names
    source = ASTSource(
        fn=launch.kernel,
        signature={n: "constexpr" if n in told.constants else told.types[n] for n in names},
        constexprs={(names.index(n),): v for n, v in told.constants.items()},
        attrs={(names.index(n),): [["tt.divisibility", 16]] for n in told.aligned},
    )
    return triton.compile(source, target=GPUTarget("cuda", arch, 32), options=launch.options())


def _tool(name: str, *arguments: str) -> str:
    import triton.backends.nvidia as backend

    program = Path(str(backend.__file__)).parent / "bin" / name
    return subprocess.run([str(program), *arguments], capture_output=True, text=True, check=True).stdout


def _disassembled(cubin: bytes, file: str) -> str:
    """The SASS of a cubin, kept beside Triton's own cache: nvdisasm takes 0.3 s to start, however short the code."""
    from triton import knobs

    kept = Path(knobs.cache.dir) / f"{hashlib.sha256(cubin).hexdigest()}-{triton_version()}.sass"
    if not kept.is_file():
        part = kept.with_name(f"{kept.name}.{os.getpid()}")
        part.write_text(_tool("nvdisasm", "-c", file), encoding="utf-8")
        part.replace(kept)
    return kept.read_text(encoding="utf-8")


def describe_cubin(cubin: bytes) -> dict[str, Any]:
    """Registers, stack and opcodes of a compiled kernel."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = _tool("cuobjdump", "-res-usage", file.name)
        sass = _disassembled(cubin, file.name)
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage)
    if found is None:
        raise KernelUnavailable(f"cuobjdump printed no resource usage: {usage[:200]}")
    opcodes = re.findall(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P[0-9T]+\s+)?([A-Z][A-Z0-9_.]+)", sass, re.MULTILINE)
    if not opcodes:
        raise KernelUnavailable(f"nvdisasm printed no instructions: {sass[:200]}")
    counts = Counter(name for op in opcodes for name in _COUNTED if op.partition(".")[0] == name)
    counts["LDG.128"] = sum(op.startswith("LDG.") and ".128" in op for op in opcodes)
    counts["LDGSTS.128"] = sum(op.startswith("LDGSTS.") and ".128" in op for op in opcodes)
    return {
        "registers": int(found[1]), "stack": int(found[2]), "instructions": len(opcodes), "opcodes": dict(counts),
    }  # fmt: skip


def facts(specimen: str, launch: Launch, chosen: KernelPlan, arch: int) -> Facts:
    """Compile one launch and describe it; a compiler that fails is a fact too."""
    try:
        made = compile_launch(launch, arch)
    except RuntimeError as error:
        return Facts(specimen=specimen, arch=arch, plan=chosen, error=f"{type(error).__name__}: {str(error)[:200]}")
    return Facts(
        specimen=specimen,
        arch=arch,
        plan=chosen,
        shared=int(made.metadata.shared),
        tmem=int(getattr(made.metadata, "tmem_size", 0) or 0),
        mma=sorted(set(_PTX_MMA.findall(made.asm["ptx"]))),
        waits="griddepcontrol.wait" in made.asm["ptx"],
        **describe_cubin(made.asm["cubin"]),
    )


def survey(architectures: tuple[int, ...], only: str = "") -> Iterator[Facts]:
    """Facts of every specimen on every architecture that has a plan for it."""
    for name, build in SPECIMENS.items():
        for arch in architectures:
            if only not in name:
                continue
            built = build(arch)
            if built is not None:
                yield facts(name, *built, arch)


def main() -> None:
    """Compile, print a line for each, and write the facts where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default=",".join(map(str, ARCHITECTURES)))
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if os.environ.get("TRITON_INTERPRET") == "1":
        parser.error("TRITON_INTERPRET is set: unset it, interpreted kernels cannot be compiled")
    found = []
    for each in survey(tuple(int(a) for a in args.arch.split(",")), args.only):
        found.append(each)
        print(
            f"{each.specimen} sm_{each.arch}: {each.registers} reg, {each.stack} B stack, {each.shared} B shared, "
            f"{each.tmem} tmem, {each.opcodes} {each.error}", flush=True,
        )  # fmt: skip
    if args.out is not None:
        args.out.write_bytes(msgspec.json.format(msgspec.json.encode({"triton": triton_version(), "facts": found})))


if __name__ == "__main__":
    main()
