"""METABONK_SERVED_POLICY=dreamer in `play`: it acts, learns from what it plays, and is kept for the next start."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from agent.models.sealed import load_sealed
from tests.integration.test_hot_reload import playing, until


@pytest.mark.slow
def test_the_dreamer_plays_learns_and_is_kept_at_a_clean_end(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(os.environ, "METABONK_SERVED_POLICY", "dreamer")
    monkeypatch.setitem(os.environ, "METABONK_DREAM_HORIZON", "5")
    monkeypatch.setitem(os.environ, "METABONK_DREAM_STARTS", "32")
    with playing("--game", "arena", folder=tmp_path) as agent:
        until(lambda: agent.status()["policy_version"] >= 2, 300)
        status = agent.status()
        assert status["policy"] == "dreamer" and status["served"]["dream_steps"] > 0
        assert status["parts"] == {"faults": {}, "parked": {}} and status["learning"]["stale_dropped"] == 0
        losses = status["learner"]["losses"]["dreamer"]
        assert losses.keys() >= {"wm_recon", "wm_reward", "wm_kl", "dream_return"} and "policy_loss" not in losses
        assert status["learner"]["policies"]["dreamer"]["begun"].startswith("anew")
    states = list((tmp_path / "policy-dreamer").glob("learner-*.safetensors"))
    # On a busy machine the learner may not end its rollout in the seconds that a clean end waits, and that is said.
    assert len(states) == 1 or "learner_not_saved" in agent.said_at_the_end, agent.said_at_the_end
    for state in states:
        manifest, tensors = load_sealed(state)
        assert manifest.notes["rollouts"] >= 1 and tensors["replay/counts"][1] >= 128
        assert tensors["dream/policy.dreamt"] > 0 and tensors["world_model/optimiser.steps"] > 0


@pytest.mark.campaign
def test_the_dreamer_plays_a_gymnasium_environment_by_its_pictures(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(os.environ, "METABONK_SERVED_POLICY", "dreamer")
    with playing("--game", "gym:minatar.gym:MinAtar/Breakout-v1", folder=tmp_path) as agent:
        until(lambda: agent.status()["learning"]["decisions"] > 40, 300)
        status = agent.status()
        assert status["served"]["acts"].endswith("learned nothing yet") and status["policy_version"] == 1
        frames, start = status["games"][0]["link"]["frames"], time.monotonic()
        until(lambda: agent.status()["games"][0]["link"]["frames"] > frames + 20, 300)
        assert 20 / (time.monotonic() - start) > 5, "pictures come with decisions"
        assert status["episodes"]["count"] >= 0 and status["parts"]["parked"] == {}
