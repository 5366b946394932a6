"""Every check of the project in one command: ruff, its formatter, mypy, import-linter, pytest.

    python tools/check.py [--fast] [--coverage] [PYTEST ARGUMENTS]

--fast leaves out the tests marked slow. --coverage also measures which lines the tests run in their own process, which
makes them slower, and fails below the floor in pyproject.toml. Exits with 1 where any check fails; CI runs the same.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


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
        "layers": [str(scripts / "lint-imports"), "--no-cache"],
        "tests": [sys.executable, *(["-m", "coverage", "run"] if covered else []), *pytest],
    }
    if covered:
        checks["coverage"] = [sys.executable, "-m", "coverage", "report"]
    failed = []
    for name, command in checks.items():
        start = time.monotonic()
        print(f"check: {name}", flush=True)
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        print(f"check: {name} {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - start:.0f} s", flush=True)
        if code != 0:
            failed.append(name)
    print(f"check: {'all passed' if not failed else 'failed: ' + ', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
