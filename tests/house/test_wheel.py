"""A built wheel holds every file of the program and plays outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("agent", "kernels")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
READ = """
import kernels.plan
from pathlib import Path
from agent import __file__ as where
from agent.control import policies
from agent.control.motor import pilot_tensors
from agent.games.arena.catalog import load_catalog
from agent.games.arena.rules_hash import rules_hash
from agent.http.assets import asset_routes
from agent.learner import outcomes
from agent.models.sealed import load_sealed
load_catalog(), kernels.plan.rules(), pilot_tensors(policies.SHIPPED), load_sealed(outcomes.SHIPPED)
asset_routes()
print(rules_hash(), Path(where).parent)
"""


def files_of(folder: Path) -> set[str]:
    """Every file of the packages under a folder, but what Python and editors leave there."""
    found = (path for package in PACKAGES for path in (folder / package).rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix()
        for path in found
        if "__pycache__" not in path.parts and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of a wheel that was built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source, built = folder / "source", folder / "site"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=source, check=True, capture_output=True, timeout=110)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(built)
    yield built
    shutil.rmtree(folder)


def run(folder: Path, *arguments: str) -> str:
    """Run Python with the unpacked wheel alone, outside the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "METABONK_CONFIG"}
    environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder.parent, env=environment, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_wheel_holds_every_file_of_the_packages(unpacked: Path) -> None:
    wanted = files_of(ROOT)
    assert {Path(name).suffix for name in wanted} >= {".py", ".toml", ".json", ".safetensors", ".js", ".css", ".html"}
    assert files_of(unpacked) == wanted


@pytest.mark.slow
def test_the_program_in_a_wheel_finds_its_data(unpacked: Path) -> None:
    from agent.games.arena.rules_hash import rules_hash

    assert run(unpacked, "-c", READ).split() == [rules_hash(), str(unpacked / "agent")]


@pytest.mark.slow
def test_the_program_in_a_wheel_plays(unpacked: Path) -> None:
    command = ["-m", "agent", "evaluate", "--game", "gym:CartPole-v1", "--policy", "random", "--episodes", "1"]
    assert json.loads(run(unpacked, *command))["count"] == 1


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_the_pilot_in_a_wheel_plays_as_here(unpacked: Path, tmp_path: Path) -> None:
    """It compiles the arena anew, for about a minute: `pytest -m campaign tests/house/test_wheel.py`."""
    from agent.control.policies import build_policy
    from agent.games.arena.game import ArenaGame
    from agent.training.evaluate import EvaluationRun

    report = tmp_path / "report.json"
    run(
        unpacked,
        "-m",
        "agent",
        "evaluate",
        "--policy",
        "pilot",
        *["--episodes", "1", "--seed", "5000", "--report"],
        str(report),
    )
    result = json.loads(report.read_text(encoding="utf-8"))["results"][0]
    here = EvaluationRun(ArenaGame(), build_policy("pilot"), frames=False).episode(5000)
    assert result["survival_s"] == here.survival_s
