"""The same as the commands `label`, `label train`, `label reward-train` and `label reward`, under the names they had.

python tools/video_pretrain.py --phase idm_train|label_actions|reward_train|reward_label [options of the command]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agent.commands.cli import run

PHASES: Final = {
    "idm_train": ["label", "train"],
    "label_actions": ["label"],
    "reward_train": ["label", "reward-train"],
    "reward_label": ["label", "reward"],
}


def words(argv: list[str]) -> list[str] | str:
    """The command's words; text where the phase is missing or none."""
    rest, phase, i = [], "", 0
    while i < len(argv):
        name, equals, value = argv[i].partition("=")
        if name == "--phase":
            phase = value if equals else argv[i + 1] if i + 1 < len(argv) else ""
            i += 1 if equals else 2
            continue
        rest.append(argv[i])
        i += 1
    if phase not in PHASES:
        asked = f"--phase {phase}" if phase else "--phase is missing"
        return f"{asked}: there are {', '.join(PHASES)}"
    return [*PHASES[phase], *rest]


if __name__ == "__main__":
    found = words(sys.argv[1:])
    if isinstance(found, str):
        print(f"Error: {found}", file=sys.stderr)
        sys.exit(2)
    sys.exit(run(found))
