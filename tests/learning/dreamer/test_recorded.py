"""Recorded training steps: the same to the bit as unrecorded ones, and fit to be recorded on a card."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agent.concurrency.card import WARM_UPS, Dry
from agent.core.rollout import ActionSpec
from agent.learner.placement import canned
from agent.learning.configs import DreamConfig, WorldModelConfig
from agent.learning.dreamer.dream import DreamLearner
from agent.learning.dreamer.recorded import ON_CPU, Place, Recorded
from agent.learning.dreamer.world_model import Posterior, WorldModelLearner
from agent.models.rssm import Latent
from agent.models.sizes import WorldSizes

SPEC = ActionSpec(2, (3, 2))
SIZES = WorldSizes(
    obs=5, action=SPEC.width, masks=5, deter=32, blocks=2, hidden=32, stoch=4, classes=4, units=32, bins=41
)
CONFIG = WorldModelConfig(batch=4, length=8, lr=2e-3, warm_up=3)
DREAMS = DreamConfig(starts=16, horizon=4, lr=1e-3, warm_up=3, units=32, layers=1)


def learners(place: Place) -> tuple[WorldModelLearner, DreamLearner]:
    torch.manual_seed(0)
    world = WorldModelLearner(SIZES, SPEC, CONFIG, place)
    return world, DreamLearner(world, DREAMS)


def trained(place: Place) -> tuple[dict[str, Tensor], dict[str, float]]:
    world, dream = learners(place)
    metrics: dict[str, float] = {}
    for _ in range(2):
        metrics |= world.update(canned(5, SPEC, 80)) | dream.update(canned(5, SPEC, 80))
    return world.tensors() | dream.tensors(), metrics


def test_a_recorded_training_is_the_unrecorded_one_to_the_bit() -> None:
    made: list[Dry] = []

    def recorder() -> Dry:
        made.append(Dry())
        return made[-1]

    plain, metrics = trained(ON_CPU)
    recorded, again = trained(Place(torch.device("cpu"), recorder))
    assert [dry.replays for dry in made] == [8, 8]
    assert metrics == again
    assert all(torch.equal(plain[name], recorded[name]) for name in plain)
    untrained = learners(ON_CPU)[0].tensors()
    assert not all(torch.equal(plain[name], untrained[name]) for name in untrained), "nothing was learned"


def test_recording_leaves_what_is_kept_and_the_dice_as_they_were() -> None:
    total, runs = torch.zeros(1), []

    def work(inputs: object) -> list[Tensor]:
        runs.append(1)
        total.add_(torch.rand(1))
        return [total.clone()]

    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    recorded = Recorded(work, Place(torch.device("cpu"), Dry), [total])
    assert torch.equal(recorded([torch.zeros(2)])[0], first)
    assert len(runs) == WARM_UPS + 1
    with pytest.raises(ValueError, match=r"takes \(2,\), not \(3,\)"):
        recorded([torch.zeros(3)])


def test_what_a_recorded_step_gives_outlives_the_next() -> None:
    recorded = Recorded(lambda inputs: [inputs[0] * 2], Place(torch.device("cpu"), Dry))
    first = recorded([torch.ones(2)])[0]
    recorded([torch.full((2,), 5.0)])
    assert first.tolist() == [2.0, 2.0]


def test_training_steps_read_nothing_back_and_stay_on_their_device() -> None:
    """On the meta device reading a number raises, and so does an operation over two devices."""
    meta = torch.device("meta")
    world, dream = learners(Place(meta))
    batch, length = CONFIG.batch, CONFIG.length

    def numbers(*shape: int) -> Tensor:
        return torch.zeros(batch, *shape, device=meta)

    flags = [numbers(length).bool() for _ in range(3)]
    columns = [numbers(length, 5), numbers(length, SPEC.width), numbers(length), *flags, numbers(length, 5).bool()]
    deter, stoch, losses, *gradients = world._work(
        [*columns, numbers(SIZES.deter), numbers(SIZES.stoch, SIZES.classes)]
    )
    assert {t.device.type for t in (deter, stoch, losses, *gradients)} == {"meta"}
    world.optimiser.step(gradients)
    metrics = dream.train_step(Posterior(Latent(deter, stoch), columns[2], flags[0], flags[1]))
    assert {t.device.type for t in metrics.values()} == {"meta"}
    with pytest.raises(RuntimeError, match="meta"):
        float(losses[0])
