"""The lock file: exact versions with hashes of what pyproject.toml asks for, and of nothing else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "tools" / "requirements.lock"
LEFT_OUT = {"torch"}
_PIN = re.compile(
    r"^(?P<pin>[a-z0-9._-]+==[^\\\n]+?) \\\n(?P<hashes>(?: {4}--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


class Pin(NamedTuple):
    """One locked release, and how many files of it may be installed."""

    requirement: Requirement
    hashes: int

    @property
    def version(self) -> str:
        """What follows ==."""
        return next(iter(self.requirement.specifier)).version


def pins(text: str) -> Iterator[Pin]:
    """The releases of a lock file."""
    for match in _PIN.finditer(text):
        yield Pin(Requirement(match["pin"]), match["hashes"].count("--hash="))


def faults(lock: str, dependencies: list[str]) -> list[str]:
    """What a lock file lacks for these dependencies, or has although it should not."""
    locked: dict[str, list[Pin]] = {}
    for pin in pins(lock):
        locked.setdefault(canonicalize_name(pin.requirement.name), []).append(pin)
    found = [f"{name} must not be locked" for name in LEFT_OUT & locked.keys()]
    for wanted in map(Requirement, dependencies):
        name = canonicalize_name(wanted.name)
        if name in LEFT_OUT:
            continue
        if name not in locked:
            found.append(f"{name} is not locked")
        for pin in locked.get(name, []):
            if not wanted.specifier.contains(pin.version):
                found.append(f"{name}: {pin.version} is locked, {wanted.specifier} is wanted")
            if (wanted.marker is None) != (pin.requirement.marker is None) and len(locked[name]) == 1:
                found.append(f"{name}: the marker {pin.requirement.marker} is locked, {wanted.marker} is wanted")
    return found


@pytest.fixture(scope="module")
def lock() -> str:
    return LOCK.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted: list[str] = project["dependencies"]
    return wanted


def test_the_lock_has_what_the_program_asks_for(lock: str, dependencies: list[str]) -> None:
    assert faults(lock, dependencies) == []
    assert len(list(pins(lock))) > len(dependencies)


def test_every_line_is_a_pin_with_hashes_and_names_no_host(lock: str) -> None:
    rest = re.sub(r"^\s*#.*\n", "", _PIN.sub("", lock), flags=re.M)
    assert rest.strip() == ""
    assert "://" not in lock and "--index-url" not in lock and "--find-links" not in lock


def test_the_command_that_makes_it_stands_at_the_top(lock: str) -> None:
    head = lock.splitlines()[1]
    for part in ("uv pip compile pyproject.toml", "--generate-hashes", "--universal", "tools/requirements.lock"):
        assert part in head


def test_a_lock_that_is_out_of_date_is_noticed(lock: str, dependencies: list[str]) -> None:
    assert faults(lock, [*dependencies, "left-pad>=1"]) == ["left-pad is not locked"]
    assert "is wanted" in faults(lock, ["aiohttp<3"])[0]
    assert "must not be locked" in faults(lock + f"torch==2.13.0 \\\n    --hash=sha256:{'0' * 64}\n", dependencies)[0]
