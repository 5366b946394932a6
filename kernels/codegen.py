"""Machine code of every plan without a GPU: compiled ahead of time, disassembled, and described as facts.

    python -m kernels.codegen [--arch 90,100] [--only NAME] [--out FACTS.json]

Compiles what would be launched: types and alignments come from the launch itself. Uses the assembler and disassembler
in Triton's own wheel. Must run where TRITON_INTERPRET is unset: it changes what a kernel is. Owns no verdict.
"""

from __future__ import annotations

import argparse
import hashlib
import math
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


_INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]+\*/\s+(?:@!?U?P[0-9T]+\s+)?([A-Z][A-Z0-9_.]+)(.*)$")
_LABEL, _TARGET = re.compile(r"^\s*(\.L_\w+):"), re.compile(r"\((\.L_\w+)\)")
_ASKS = ("LDG", "LDGSTS", "CCTL", "UBLKPF")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the compiler made of one plan on one architecture; `error` is set where it made nothing.

    loop: instructions of the longest loop. loop_loads: of its loads from memory to registers. ahead: 16-byte loads that
    are begun before the loop. weight_bytes: of the weights that a thread takes in one pass, 0 where they are not W4A16.
    asks_early: something is asked of memory before the wait for the kernel in front.
    """

    specimen: str
    arch: int
    plan: KernelPlan
    registers: int = 0
    stack: int = 0
    shared: int = 0
    tmem: int = 0
    instructions: int = 0
    opcodes: dict[str, int] = {}
    loop: int = 0
    loop_loads: int = 0
    ahead: int = 0
    weight_bytes: int = 0
    programs: int = 0
    asks_early: bool = False
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
    listed, begin, end = listing(sass)
    if not listed:
        raise KernelUnavailable(f"nvdisasm printed no instructions: {sass[:200]}")
    opcodes = [op.partition(".")[0] for op in listed]
    wide = [n for n, op in enumerate(listed) if op.startswith(("LDG.", "LDGSTS.")) and ".128" in op]
    counts = Counter(name for op in opcodes for name in _COUNTED if op == name)
    counts |= {f"{name}.128": sum(opcodes[n] == name for n in wide) for name in ("LDG", "LDGSTS")}
    wait = opcodes.index("ACQBULK") if "ACQBULK" in opcodes else 0
    return {
        "registers": int(found[1]), "stack": int(found[2]), "instructions": len(opcodes), "opcodes": dict(counts),
        "loop": end - begin, "loop_loads": opcodes[begin:end].count("LDG"), "ahead": sum(n < begin for n in wide),
        "asks_early": any(op in _ASKS for op in opcodes[:wait]),
    }  # fmt: skip


def listing(sass: str) -> tuple[list[str], int, int]:
    """Opcodes in order, and where the longest loop begins and ends; (…, 0, 0) where there is no loop."""
    found: list[str] = []
    labels: dict[str, int] = {}
    loops = [(0, 0)]
    for line in sass.splitlines():
        label, instruction = _LABEL.match(line), _INSTRUCTION.match(line)
        if label is not None:
            labels[label[1]] = len(found)
        if instruction is None:
            continue
        target = _TARGET.search(instruction[2]) if instruction[1].startswith("BRA") else None
        found.append(instruction[1])
        if target is not None and target[1] in labels:
            loops.append((labels[target[1]], len(found)))
    begin, end = max(loops, key=lambda loop: loop[1] - loop[0])
    return (found, begin, end) if end - begin > 1 else (found, 0, 0)


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
        weight_bytes=2 * launch.constants["BN"] if "SPLIT" in launch.constants else 0,
        programs=math.prod(launch.grid),
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
