"""Write the settings into docs/reference/settings.md, where a test wants them as they are.

python -m tools.scripts.settings_table
"""

from __future__ import annotations

import re

from agent.core.files import write_atomically
from agent.core.settings import settings_table
from tools.bench._result_file import ROOT


def main() -> None:
    """Replace the table."""
    path = ROOT / "docs" / "reference" / "settings.md"
    text = path.read_text(encoding="utf-8")
    table = re.compile(r"^\| setting \| TOML .*\n(?:\|.*\n)*", re.MULTILINE)
    if len(table.findall(text)) != 1:
        raise SystemExit(f"{path}: one table of settings is expected")
    write_atomically(path, table.sub(lambda _: settings_table() + "\n", text))


if __name__ == "__main__":
    main()
