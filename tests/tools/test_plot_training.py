"""The plot of a training from what the command writes."""

from __future__ import annotations

import json
from pathlib import Path

from tools.scripts.plot_training import draw, phases, read_curve


def test_a_curve_becomes_a_picture(tmp_path: Path) -> None:
    rows = [{"steps": 1000 * i, "lesson": float(i < 3), "score_s": 100.0 * i, "reward": 0.01} for i in range(1, 6)]
    (tmp_path / "curve.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    draw(read_curve(tmp_path), {"mean_low": 100.0, "mean_high": 200.0}, tmp_path / "docs" / "curve.png")
    assert (tmp_path / "docs" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_phases_are_means_of_the_last_million_of_each() -> None:
    def row(steps: int, lesson: float, value: float) -> dict[str, float]:
        return {"steps": steps, "lesson": lesson, "reward": value, "score_s": value, "wins": value}

    curve = [row(1, 1.0, 9.0), row(2_000_000, 1.0, 1.0), row(2_500_000, 1.0, 3.0), row(3_000_000, 0.0, 5.0)]
    found = phases([{"steps": 0, "lesson": 1.0, "reward": 9.0}, *curve])
    assert found["lessons"] == {"reward": 2.0, "score_s": 2.0, "wins": 2.0}
    assert found["ppo"]["score_s"] == 5.0
    assert "ppo" not in phases(curve[:3])
