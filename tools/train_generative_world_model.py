"""The same as `python -m agent world`, with the name and the options that it had before.

--phase tokenizer, transformer, all or validate; --npz-dir, --seq-len, --device, --use-regime, --num-regimes, --out and
--resume.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agent.commands.cli import run

OUT = "checkpoints/generative_world_model"
NAMES = {"--npz-dir": "--recordings"}


def words(argv: list[str]) -> list[str]:
    """The arguments of `world train` or `world validate`; without --npz-dir the folder `rollouts`."""
    if {"-h", "--help"} & set(argv):
        return ["world", "train", "--help"]
    given = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    given = [NAMES.get(word, word) for word in given]
    phase = _take(given, "--phase") or "all"
    regimes = _take(given, "--num-regimes") or "4"
    if "--use-regime" in given:
        given.remove("--use-regime")
        given += ["--regimes", regimes]
    out = _take(given, "--out") or OUT
    recordings = _take(given, "--recordings") or "rollouts"
    if phase == "validate":
        return ["world", "validate", "--world", f"{out}/world.safetensors", "--recordings", recordings, *given]
    arm = [] if "--arm" in given else ["--arm", "maskgit"]
    return ["world", "train", "--recordings", recordings, "--out", out, "--phase", phase, *arm, *given]


def _take(given: list[str], name: str) -> str:
    """The value of an option, which is taken out."""
    if name not in given[:-1]:
        return ""
    at = given.index(name)
    value = given[at + 1]
    del given[at : at + 2]
    return value


if __name__ == "__main__":
    sys.exit(run(words(sys.argv[1:])))
