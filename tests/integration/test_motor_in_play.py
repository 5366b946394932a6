"""`play --policy motor` learns from what it plays, serves that, and acts by it; without training it does not."""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, load_file

from agent.control.policies import SHIPPED_MOTOR
from tests.integration.test_hot_reload import Playing, playing, until

ROLLOUTS = 36
"""Enough decisions for the flow's and the value's first updates, and for some of student and critics."""


def _served(agent: Playing) -> tuple[int, bytes]:
    address = f"http://127.0.0.1:{agent.port}/get_cpqe_weights?policy_name=motor"
    with urllib.request.urlopen(address, timeout=240) as answer:
        found = json.load(answer)
    return found["version"], base64.b64decode(found["weights_b64"])


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("trains", ["1", "0"])
def test_a_motor_that_plays_serves_and_takes_up_what_it_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trains: str
) -> None:
    monkeypatch.setenv("METABONK_SIMA2_PUSH_ROLLOUTS", "1")
    monkeypatch.setenv("METABONK_TRAIN_CPQE", trains)
    monkeypatch.setenv("METABONK_CHALLENGER_SHARE", "0")
    counted = "rollouts" if trains == "1" else "only_counted"
    with playing("--game", "arena", "--games", "4", "--lock-step", "--policy", "motor", folder=tmp_path) as agent:
        until(lambda: agent.status()["learning"][counted] >= ROLLOUTS, 1500)
        status, (version, data) = agent.status(), _served(agent)
    shipped, served = load_file(SHIPPED_MOTOR), load(data)
    moved = {name.split(".")[0] for name, t in served.items() if not np.array_equal(t, shipped[name])}
    assert status["parts"] == {"faults": {}, "parked": {}} and status["weights"]["rollbacks"] == []
    if trains == "1":
        assert version >= 1 and status["policy_version"] > 1 and moved == {"student", "critics"}
        assert status["weights"]["swaps"] >= 1 and status["learner"]["losses"]["motor"]["cpqe_student_updates"] > 0
    else:
        assert (version, status["policy_version"], status["weights"]["swaps"], moved) == (0, 1, 0, set())
