"""The same as `python -m agent train outcomes`, under the name that it had before."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agent.commands.cli import run

if __name__ == "__main__":
    words = [word.replace("--most-steps", "--max-steps") for word in sys.argv[1:]]
    sys.exit(run(["train", "outcomes", *words]))
