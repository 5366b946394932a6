"""Every metric that the Grafana dashboard asks for is one that a session serves, in the classic model."""

from __future__ import annotations

import json
import re
from pathlib import Path

from agent.http.snapshots import _prometheus
from tests.test_app import session

BOARD = Path(__file__).resolve().parents[2] / "docs" / "grafana.json"


def test_the_dashboard_asks_for_metrics_that_are_served() -> None:
    made = session(http_port=None)
    status = made.status.built()
    status["latency"] = {
        "frame_to_action": {"count": 4, "mean_ms": 2.5, "p50_ms": 2.0, "p90_ms": 3.0, "p99_ms": 4.0, "max_ms": 5.0}
    }
    status["owners"] = {"seconds": {"motor": 1.5}}
    status["planner"] = {"llm": {"backend": "ollama", "requests": {"answered": {"count": 2, "seconds": 3.0}}}}
    text = _prometheus(status, {"pilot": {"loss": 0.5}}).decode()
    for closed in (*made.parts, *made.lanes):
        closed.close()
    served = set(re.findall(r"^(metabonk_\w+)", text, re.M))
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"metabonk_\w+", target["expr"])
    }
    assert asked <= served, asked - served
    assert {
        "metabonk_ticks_missed_total",
        "metabonk_owner_seconds_total",
        "metabonk_planner_request_seconds_sum",
    } <= asked
    assert "metabonk_frame_to_action_seconds_sum 0.01\n" in text and 'outcome="answered"} 3.0' in text
    assert board["schemaVersion"] >= 36 and all(
        panel["datasource"]["uid"] == "${datasource}" for panel in board["panels"]
    )
