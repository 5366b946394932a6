"""From a bare machine to a running program, with Python alone.

    python tools/bootstrap.py play [ARGUMENTS]   make .venv, install, play the built-in game
    python tools/bootstrap.py test [ARGUMENTS]   make .venv, install with the tests' tools, run all checks
    python tools/bootstrap.py install            make .venv and install only

Arguments are passed on. A second run finds everything in place and starts at once. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")
TORCH = "torch>=2.13,<2.14"
CUDA_INDEX = "https://download.pytorch.org/whl/cu130"


def fail(message: str) -> None:
    """Say what is wrong and what to do, and end."""
    sys.exit(f"bootstrap: {message}")


def check_python() -> None:
    """The program needs Python 3.11 or newer."""
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        fail(f"this is Python {found}; run me with Python 3.11 or newer (https://www.python.org/downloads/)")


def make_venv() -> None:
    """Make .venv unless there is a working one."""
    if PYTHON.exists():
        return
    print(f"bootstrap: making {VENV}", flush=True)
    if VENV.exists():
        shutil.rmtree(VENV)
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False)
    if done.returncode != 0 or not PYTHON.exists():
        fail("python -m venv failed; on Debian and Ubuntu run: apt install python3-venv")


def stamp(extra: str) -> str:
    """What the installation depends on."""
    text = (ROOT / "pyproject.toml").read_bytes()
    return f"{extra} {sys.version_info[:2]} {hashlib.sha256(text).hexdigest()}"


def pip(*arguments: str) -> None:
    """Run pip in the environment; end with a remedy where it fails."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        fail("pip failed (see above); is this machine online, and is there disk space for 2 GB?")


def install(extra: str) -> None:
    """Install the project with an extra, once for each state of pyproject.toml."""
    mark = VENV / f"installed-{extra or 'core'}"
    wanted = stamp(extra)
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    print("bootstrap: installing (the first time takes some minutes)", flush=True)
    if WINDOWS and shutil.which("nvidia-smi"):
        print(f"bootstrap: an NVIDIA card is here; taking torch's CUDA build from {CUDA_INDEX}", flush=True)
        pip("install", TORCH, "--index-url", CUDA_INDEX)
    pip("install", "--quiet", "--editable", f".[{extra}]" if extra else ".")
    print("bootstrap: compiling the built-in game (once, about a minute)", flush=True)
    if subprocess.run([str(PYTHON), "-m", "agent", "prepare"], cwd=ROOT, check=False).returncode != 0:
        fail("the installed program does not start (see above)")
    mark.write_text(wanted, encoding="utf-8")


def main(argv: list[str]) -> int:
    """Do what the first argument says."""
    check_python()
    commands = {"play": "", "test": "test", "install": ""}
    if not argv or argv[0] not in commands:
        print(__doc__)
        return 0 if argv and argv[0] in ("-h", "--help") else 2
    command, *rest = argv
    make_venv()
    install(commands[command])
    if command == "install":
        return 0
    target = ["-m", "agent", "play", *rest] if command == "play" else [str(ROOT / "tools" / "check.py"), *rest]
    try:
        return subprocess.run([str(PYTHON), *target], cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
