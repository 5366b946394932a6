"""The plot of a training from what the command writes."""

from __future__ import annotations

import json
from pathlib import Path

from plot_training import draw, read_curve


def test_a_curve_becomes_a_picture(tmp_path: Path) -> None:
    rows = [{"steps": 1000 * i, "lesson": float(i < 3), "score_s": 100.0 * i, "reward": 0.01} for i in range(1, 6)]
    (tmp_path / "curve.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    draw(read_curve(tmp_path), {"mean_low": 100.0, "mean_high": 200.0}, tmp_path / "docs" / "curve.png")
    assert (tmp_path / "docs" / "curve.png").read_bytes().startswith(b"\x89PNG")
