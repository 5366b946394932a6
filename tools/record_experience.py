"""The same as `python -m agent record`, under the name that it had before."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agent.commands.cli import run

if __name__ == "__main__":
    sys.exit(run(["record", *sys.argv[1:]]))
