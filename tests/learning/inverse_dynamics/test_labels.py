"""The model tells what was done on runs that it never saw, and leaves unknown what does not show."""

from __future__ import annotations

import torch

from agent.learning.inverse_dynamics.judging import measured
from agent.learning.inverse_dynamics.labels import Labeller, window_means
from tests.learning.inverse_dynamics.moving import LAG, episode, episodes


def test_actions_of_unseen_runs_are_told(labeller: Labeller) -> None:
    found = measured(labeller, episodes(4, 100, lag=LAG))
    assert found["macro_f1"] > 0.85 > 0.6 > found["copy_macro_f1"]
    assert found["ece"] < 0.05
    assert found["click_error"] < 0.1
    assert found["kept_accuracy"] > found["accuracy"] - 1e-6


def test_the_end_and_what_is_doubtful_stay_unknown(labeller: Labeller) -> None:
    seen = episode(300, lag=LAG)
    labels = labeller.label(seen.frames)
    assert not labels.known[-1].any()
    assert labels.known[:-1].mean() > 0.9
    strict = labeller.label(seen.frames, keep=0.999).known
    assert strict.sum() < labels.known.sum()
    assert not (strict & ~labels.known).any()
    # The last two actions never show: nobody can be sure of them.
    assert labels.confidence[-3:-1].mean() < labels.confidence[:-3].mean() - 0.1


@torch.no_grad()
def test_a_step_far_from_the_ends_is_the_mean_of_the_middles_of_its_windows(labeller: Labeller) -> None:
    network, window = labeller.network, labeller.network.sizes.window
    features = torch.randn(30, network.sizes.width)
    means = window_means(network, features)
    margin, step = window // 4, 15
    covering = [
        network.decide(features[start : start + window][None])[0, step - start]
        for start in range(step - window + 1 + margin, step - margin + 1)
    ]
    assert torch.allclose(means[step], torch.stack(covering).mean(0), atol=1e-4)
    assert window_means(network, features[:3]).shape == (3, network.sizes.outputs)
