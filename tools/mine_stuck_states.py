"""The same as `python -m agent loops`, with the name and the defaults that it had before."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agent.commands.cli import run


def words(argv: list[str]) -> list[str]:
    """The arguments of `loops`: without a folder, that of recorded episodes; without --out, where others look."""
    given = {word.partition("=")[0] for word in argv}
    folder = [] if given & {"--npz-dir", "--pt-dir", "-h", "--help"} else ["--npz-dir", "rollouts"]
    out = Path("checkpoints/stuck_states.json")
    if given & {"--out", "-h", "--help"}:
        return ["loops", *folder, *argv]
    with contextlib.suppress(OSError):  # what is wrong with it, `loops` says of --out
        out.parent.mkdir(exist_ok=True)
    return ["loops", *folder, "--out", str(out), *argv]


if __name__ == "__main__":
    sys.exit(run(words(sys.argv[1:])))
