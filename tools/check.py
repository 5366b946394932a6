"""Every check of the project in one command: ruff, its formatter, mypy, import-linter, pytest.

    python tools/check.py [--fast] [--coverage] [PYTEST ARGUMENTS]

--fast leaves out the tests marked slow. --coverage also measures which lines the tests run in their own process, which
makes them slower, and fails below the floor in pyproject.toml. Tools that tests need are installed first where that
takes no administrator (the C# compiler, axe-core); the others are named. Exits with 1 where any check fails; CI runs
the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WINDOWS = "agent/games/desktop/windows.py"
"""Is not reached where this is no Windows."""


def install_tools() -> None:
    """Install the C# compiler and axe-core where they can be; name what is missing, whose tests will be skipped."""
    missing = []
    for name, module in (
        ("a C# compiler (see above)", "tools.scripts.csharp"),
        ("axe-core (see above)", "tools.page.axe"),
    ):
        found = subprocess.run([sys.executable, "-m", module, "install"], cwd=ROOT, check=False)
        missing += [name] * bool(found.returncode)
    missing += [name for name in ("chromium", "ip") if shutil.which(name) is None]
    if missing:
        print(f"check: not here, so their tests are skipped (in CI they fail): {', '.join(missing)}", flush=True)


def processor_s() -> float:
    """Seconds of processor time of all children so far; 0 on Windows, which does not tell."""
    times = os.times()
    return times.children_user + times.children_system


def main(argv: list[str]) -> int:
    """Run all checks, the cheap ones first, and go on after a failure."""
    rest = [a for a in argv if a not in ("--fast", "--coverage")]
    scripts = Path(sys.executable).parent
    pytest = ["-m", "pytest", *(["-m", "not campaign and not slow"] if "--fast" in argv else []), *rest]
    covered = "--coverage" in argv
    checks = {
        "ruff": [sys.executable, "-m", "ruff", "check", "."],
        "format": [sys.executable, "-m", "ruff", "format", "--check", "."],
        "mypy": [sys.executable, "-m", "mypy"],
        "mypy of Windows": [sys.executable, "-m", "mypy", "--platform", "win32", "--follow-imports", "silent", WINDOWS],
        "layers": [str(scripts / "lint-imports"), "--no-cache"],
        "tests": [sys.executable, *(["-m", "coverage", "run"] if covered else []), *pytest],
    }
    if covered:
        checks["coverage"] = [sys.executable, "-m", "coverage", "report"]
    install_tools()
    failed = []
    for name, command in checks.items():
        start, spent = time.monotonic(), processor_s()
        print(f"check: {name}", flush=True)
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        took = f"{time.monotonic() - start:.0f} s ({processor_s() - spent:.0f} s of processor time)"
        print(f"check: {name} {'passed' if code == 0 else 'FAILED'} in {took}", flush=True)
        if code != 0:
            failed.append(name)
    print(f"check: {'all passed' if not failed else 'failed: ' + ', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
