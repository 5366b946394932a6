"""An environment of its own for the comparison: this one's packages, and what only the comparison needs beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

PACKAGES: Final = ("stable-baselines3>=2.9,<3", "minigrid>=3,<4", "gymnasium[box2d]", "vizdoom", "minatar")
MODULES: Final = ("stable_baselines3", "minigrid", "Box2D", "vizdoom", "minatar")


def default_folder() -> Path:
    """Where it is made, in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metabonk-apex" / "third-party"


def python_of(folder: Path) -> Path:
    """Its interpreter."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def make(folder: Path) -> Path:
    """Make it where it is not complete; returns its interpreter. Both sides run with the torch of this environment."""
    python = python_of(folder)
    if python.exists() and _imports(python):
        return python
    print(f"making {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    inner = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    (inner / "outer.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    if not _imports(python):
        raise SystemExit(f"{folder}: {', '.join(MODULES)} cannot all be imported there; remove it and try again")
    return python


def _imports(python: Path) -> bool:
    found = subprocess.run([str(python), "-c", f"import {', '.join(MODULES)}"], check=False, capture_output=True)
    return found.returncode == 0
