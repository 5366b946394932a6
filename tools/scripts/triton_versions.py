"""Triton in the versions that the kernels are tested on, each in a folder of its own under the user's cache.

    python -m tools.scripts.triton_versions     install all of them, print where they are

Two versions cannot share an environment: a test puts one folder first on PYTHONPATH. pip does the download.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

VERSIONS = ("3.7.1", "3.9.0")


def folder(version: str) -> Path:
    """Where a version lies, installed or not."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return Path(platformdirs.user_cache_dir("metabonk-apex")) / f"triton-{version}-{python}"


def ensure(version: str) -> Path:
    """The folder of a version, installed first where it is missing; raises RuntimeError with pip's words."""
    place = folder(version)
    if (place / "triton" / "__init__.py").is_file():
        return place
    beside = place.with_name(f".{place.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    command = [
        sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-deps", "--no-compile",
        "--only-binary", ":all:", "--target", str(beside), f"triton=={version}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"triton {version} could not be installed: {done.stderr.strip()[-500:]}")
    beside.rename(place)
    return place


if __name__ == "__main__":
    for each in VERSIONS:
        print(each, ensure(each))
