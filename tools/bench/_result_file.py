"""Result files: what was measured, when, and on which kind of machine.

Owns the envelope alone; each tool fills in its own values.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

from agent.core.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]


def machine() -> dict[str, Any]:
    """Kind of the machine: processor, cores that this process may use, system, Python."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": model,
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def publish(benchmark: str, values: dict[str, Any], out: Path | None) -> None:
    """Print one result, and write it to `out` where one is given."""
    result = {
        "benchmark": benchmark,
        "utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        **values,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, text + "\n")
