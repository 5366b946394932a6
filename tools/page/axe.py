"""Fetch axe-core, with which the page's tests look for what people cannot use, into the user's cache folder.

    python -m tools.page.axe install

It comes from npm in one version whose bytes are known; nothing of it is part of the program.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import platformdirs

VERSION: Final = "4.14.1"
SHA256: Final = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
MEMBER: Final = "package/axe.min.js"


def place() -> Path:
    """Where the script lies once it is installed."""
    return Path(platformdirs.user_cache_dir("metabonk-apex")) / f"axe-{VERSION}.min.js"


def installed() -> Path | None:
    """The script, where it is there and whole."""
    path = place()
    return path if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256 else None


def install() -> Path:
    """Fetch the script unless it is there; ends with one line where it cannot be."""
    if (found := installed()) is not None:
        return found
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("axe-core is fetched by npm, which is missing; apt-get install npm")
    with tempfile.TemporaryDirectory() as name:
        command = [npm, "pack", "--silent", f"axe-core@{VERSION}"]
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, check=False)
        packed = next(Path(name).glob("*.tgz"), None)
        if done.returncode or packed is None:
            raise SystemExit(
                f"npm pack axe-core@{VERSION}: {done.stderr.strip().splitlines()[-1:] or 'it gave nothing'}"
            )
        with tarfile.open(packed) as archive:
            member = archive.extractfile(MEMBER)
            data = member.read() if member is not None else b""
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"axe-core@{VERSION}: its bytes are not those that are known")
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    if sys.argv[1:] != ["install"]:
        raise SystemExit(__doc__)
    print(install())
