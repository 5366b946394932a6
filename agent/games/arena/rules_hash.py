"""One hash over everything that decides how the arena plays, so that a measured claim can name its rules.

    python -m agent.games.arena.rules_hash [--write]

Covers the rules' sources, the data files and the scripted player; pictures and screens are left out.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
FROZEN: Final = HERE / "RULES.sha256"
KITER: Final = HERE.parents[1] / "control" / "kiter.py"
SOURCES: Final = (
    "catalog.py", "chance.py", "damage.py", "foes.py", "offers.py", "shots.py", "state.py", "stats.py", "step.py",
    "terrain.py", "things.py", "weapons.py", "world.py",
)  # fmt: skip


def rule_files() -> list[Path]:
    """The files that the hash covers, in its order."""
    files = [HERE / name for name in SOURCES] + sorted((HERE / "data").glob("*.toml"))
    return [*files, KITER] if KITER.exists() else files


def rules_hash() -> str:
    """SHA-256, in hexadecimal, over each file's name and text; line ends count as line feeds on every system."""
    digest = hashlib.sha256()
    for path in rule_files():
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.name} {len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()


def main(argv: list[str]) -> int:
    """Print the hash, and with --write freeze it; 1 where it differs from the frozen one."""
    found = rules_hash()
    print(found)
    if "--write" in argv:
        FROZEN.write_text(found + "\n", encoding="utf-8")
        return 0
    return 0 if FROZEN.exists() and FROZEN.read_text(encoding="utf-8").strip() == found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
