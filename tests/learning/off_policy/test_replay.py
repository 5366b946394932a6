"""The replay's windows: each decision once, with what was seen after it; the newest outlive a restart."""

from __future__ import annotations

import msgspec
import numpy as np
import torch

from agent.learning.off_policy.learner import OffPolicyLearner
from agent.learning.off_policy.replay import WindowReplay, cut_windows
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes
from tests.learning.off_policy.test_learner import CONFIG, played


def test_windows_hold_each_decision_once_and_what_was_seen_after_it() -> None:
    rollout = played(10, 0)
    final = np.concatenate([rollout.final_obs[:2], np.full((1, 2), 7.0, np.float32)])
    rollout = msgspec.structs.replace(rollout, final_obs=final)
    windows = cut_windows(rollout, 4, torch.zeros(3, 0), torch.ones(10, 3, dtype=torch.bool))
    assert windows.weight.sum() == 10 and windows.obs.shape == (3, 5, 2)
    assert torch.equal(windows.obs[0, 4], torch.from_numpy(rollout.obs[4]))
    assert torch.equal(windows.obs[2, 2], torch.full((2,), 7.0)), "what followed the last decision"
    assert not windows.truncated.any() and windows.terminated[:, 3].tolist() == [True, True, False]


def test_the_oldest_windows_go_and_the_newest_are_kept_over_a_restart() -> None:
    learner = OffPolicyLearner(FlatPolicy(FlatSizes(2, 1, (3,))), CONFIG, columns=[], cards=None)
    replay = WindowReplay(2, learner.policy.spec, 0, 4, max_bytes=8 * learner.replay.window_bytes)
    for seed in range(3):
        replay.add(learner.windows(played(20, seed)))
    newest = learner.windows(played(20, 2)).rewards
    assert len(replay) == replay.capacity == 8 and replay.decisions == 60
    arrays = replay.arrays(5 * replay.window_bytes)
    assert np.array_equal(arrays["rewards"], newest.numpy()) and replay.held == 32
    again = WindowReplay(2, learner.policy.spec, 0, 4, max_bytes=8 * learner.replay.window_bytes)
    again.check(arrays)
    again.load(arrays)
    assert (again.held, again.decisions) == (20, 60), "what the file had no room for is not held"
    again.add(learner.windows(played(20, 3)))
    assert len(again) == 8 and again.decisions == 80
    after = learner.windows(played(20, 3)).rewards
    held = again.arrays(8 * learner.replay.window_bytes)["rewards"]
    assert np.array_equal(held, np.concatenate([newest.numpy()[-3:], after.numpy()]))
