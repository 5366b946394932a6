"""The instructions that the interpreter cannot run: what they make of two units at once, by a model of each of them."""

from __future__ import annotations

import ast
import random
import re
from pathlib import Path

import pytest

from kernels import nvfp4_linear, w4a16_linear
from kernels.nvfp4_linear import SIGNS

WORDS = [0, 0xFFFFFFFF, *(random.Random(1).getrandbits(32) for _ in range(300))]


def programs(module: object, function: str) -> list[str]:
    """The texts of a function's inline assembly, in order."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    body = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
    calls = [
        n for n in ast.walk(body) if isinstance(n, ast.Call) and ast.unparse(n.func) == "tl.inline_asm_elementwise"
    ]
    return [ast.literal_eval(c.args[0]) for c in sorted(calls, key=lambda c: c.lineno)]


def run(program: str, word: int) -> int:
    """What a program of and, shl, shr and (a & b) | c makes of one register."""
    registers = {"$1": word}
    for line in program.strip("{} ").split(";"):
        if not line.strip() or line.strip().startswith(".reg"):
            continue
        found = re.fullmatch(r"\s*(and|shl|shr|lop3)\.b32 (\S+), (.+)", line)
        assert found is not None, line
        values = [registers[v] if v in registers else int(v, 0) for v in found[3].split(", ")]
        match found[1], values:
            case "and", [a, b]:
                value = a & b
            case "shl", [a, b]:
                value = a << b
            case "shr", [a, b]:
                value = a >> b
            case "lop3", [a, b, c, 0xEA]:
                value = a & b | c
            case other:
                raise AssertionError(other)
        registers[found[2]] = value & 0xFFFFFFFF
    return registers["$0"]


def halves(word: int) -> tuple[int, int]:
    return word & 0xFFFF, word >> 16


@pytest.mark.parametrize("place", range(4))
def test_masked_codes_of_four_bits_are_those_of_their_run(place: int) -> None:
    mask = programs(w4a16_linear, "masked")[place % 2]
    [shift] = programs(w4a16_linear, "high_byte")
    for word in WORDS:
        found = run(mask, run(shift, word) if place >= 2 else word)
        wanted = [((unit >> (4 * place)) & 15) << (4 * (place % 2)) for unit in halves(word)]
        assert list(halves(found)) == wanted


@pytest.mark.parametrize("place", range(4))
def test_floats_of_four_bits_are_those_of_their_run(place: int) -> None:
    program = dict(zip((3, 2, 1, 0), programs(nvfp4_linear, "floats_of"), strict=True))[place]
    for word in WORDS:
        wanted = [((u >> (3 * place)) & 7) << 9 | ((u >> SIGNS[place]) & 1) << 15 for u in halves(word)]
        assert list(halves(run(program, word))) == wanted
