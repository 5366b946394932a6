"""The walls between rooms are real: an import through each of them turns import-linter red."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
SABOTAGE = {
    "agent/core/clock.py": ("import agent.session.act", "agent.core.clock -> agent.session.act"),
    "agent/http/server.py": ("import agent.training.evaluate", "agent.http.server -> agent.training.evaluate"),
    "agent/games/server.py": ("import torch", "agent.games.server -> torch"),
    "agent/learning/configs.py": ("import torch", "agent.learning.configs -> torch"),
    "agent/learner/live.py": ("import agent.session.act", "agent.learner.live -> agent.session.act"),
    "agent/link/wire.py": ("import asyncio", "agent.link.wire -> asyncio"),
    "kernels/int4.py": ("import threading", "kernels.int4 -> threading"),
    "agent/control/reflex/network.py": ("import torch", "agent.control.reflex.network -> torch"),
    "agent/control/layout.py": ("import numba", "agent.control.layout -> numba"),
    "agent/learning/ppo/returns.py": (
        "import agent.learning.dreamer.dream",
        "agent.learning.ppo.returns -> agent.learning.dreamer.dream",
    ),
}


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(LINTER), "--no-cache"], capture_output=True, text=True, cwd=folder, check=False)


def test_the_walls_hold() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_import_through_any_wall_is_seen(tmp_path: Path) -> None:
    for package in ("agent", "kernels"):
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=lambda folder, names: [n for n in names if not (n.endswith(".py") or (Path(folder) / n).is_dir())],
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, (line, _) in SABOTAGE.items():
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    done = _lint(tmp_path)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    unbroken = [c["name"] for c in contracts if f"{c['name']} BROKEN" not in done.stdout]
    assert done.returncode == 1 and not unbroken, f"no sabotage breaks {unbroken}"
    said = " ".join(done.stdout.split())
    assert not [wall for _, wall in SABOTAGE.values() if wall not in said], done.stdout
