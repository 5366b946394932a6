"""The table of what the kernels compile to: every plan, five architectures, both versions of Triton, no card.

    python -m tools.scripts.kernel_facts [--out docs/results/kernel-facts.json] [--facts 3.7.1.json 3.9.0.json]

Writes the facts of `python -m kernels.codegen` under each version, and prints them as a Markdown table. `--facts` takes
files that it wrote before, and compiles nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from agent.core.files import write_atomically
from kernels.codegen import Facts
from tools.bench._result_file import ROOT, publish
from tools.scripts.triton_versions import VERSIONS, ensure


class Survey(msgspec.Struct):
    """What `kernels.codegen` writes."""

    triton: str
    facts: list[Facts]


def environment(version: str) -> dict[str, str]:
    """Variables of a process that finds this version of Triton, which is installed first where it is missing."""
    kept = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ensure(version)), str(ROOT)])}


def compiled(version: str, arch: str = "", only: str = "") -> Survey:
    """Facts under one version, from a process of its own; of some architectures and specimens where they are named."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "facts.json"
        variables = environment(version) | {"TRITON_CACHE_DIR": folder, "TRITON_DEFAULT_FP_FUSION": "1"}
        command = [sys.executable, "-m", "kernels.codegen", "--out", str(out), "--only", only]
        command += ["--arch", arch] if arch else []
        subprocess.run(command, env=variables, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return msgspec.json.decode(out.read_bytes(), type=Survey)


def cell(facts: Facts) -> str:
    """One plan on one architecture: opcode and count, registers, shared KiB, tensor memory."""
    parts = [f"{facts.plan.opcode} ×{facts.opcodes[facts.plan.opcode]}"] if facts.plan.opcode else []
    if facts.plan.kernel.endswith("gemv"):
        parts.append(f"{16 * facts.loop / facts.weight_bytes:.0f} instructions for 16 bytes of weights")
        parts.append(f"{facts.ahead} loads of 16 bytes ahead")
    parts += [f"{facts.registers} reg", f"{facts.stack} B stack", f"{facts.shared / 1024:.0f} KiB"]
    return ", ".join(parts + ([f"{facts.tmem} TMEM columns"] if facts.tmem else []))


def table(survey: Survey) -> str:
    """All facts of a version, a row a specimen."""
    archs = sorted({f.arch for f in survey.facts})
    lines = [
        f"| Triton {survey.triton} | " + " | ".join(f"sm_{a}" for a in archs) + " |", "|---" * (len(archs) + 1) + "|",
    ]  # fmt: skip
    for name in dict.fromkeys(f.specimen for f in survey.facts):
        found = {f.arch: cell(f) for f in survey.facts if f.specimen == name}
        lines.append(f"| {name} | " + " | ".join(found.get(a, "refused") for a in archs) + " |")
    return "\n".join(lines)


def gemv_figures(surveys: list[Survey]) -> dict[str, dict[str, float]]:
    """Instructions for 16 bytes of weights, by kernel and group: the fewest and the most of all architectures."""
    found: dict[str, list[float]] = {}
    for facts in (f for survey in surveys for f in survey.facts if f.weight_bytes):
        found.setdefault(facts.specimen, []).append(16 * facts.loop / facts.weight_bytes)
    return {name: {"fewest": round(min(v), 1), "most": round(max(v), 1)} for name, v in found.items()}


def main() -> None:
    """Compile or read, print, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--facts", type=Path, nargs="*")
    args = parser.parse_args()
    if args.facts:
        surveys = [msgspec.json.decode(p.read_bytes(), type=Survey) for p in args.facts]
    else:
        surveys = [compiled(version) for version in VERSIONS]
    if args.out is not None:
        text = "# What the kernels compile to\n\n" + "\n\n".join(table(s) for s in surveys) + "\n"
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(args.out.with_suffix(".md"), text)
    values = {"gemv_instructions_for_16_bytes": gemv_figures(surveys)}
    publish("kernel facts", values | {s.triton: msgspec.to_builtins(s.facts) for s in surveys}, args.out)


if __name__ == "__main__":
    main()
