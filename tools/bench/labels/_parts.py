"""Parts of a benchmark, kept in files: the same command goes on where it was cut off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from agent.core.files import write_atomically

FOLDER: Final = Path(__file__).resolve().parents[3] / "docs" / "results" / "parts"


def part(bench: str, name: str, asked: dict[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The values of one part: those kept where they were asked for in the same way, else computed and kept."""
    path = FOLDER / bench / f"{name}.json"
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["asked"] == asked:
            return dict(kept["values"])
    start_s = time.perf_counter()
    values = compute()
    values["wall_s"] = round(time.perf_counter() - start_s, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"asked": asked, "values": values}, indent=1) + "\n")
    print(f"{bench} {name}: {json.dumps(values)}", flush=True)
    return values
