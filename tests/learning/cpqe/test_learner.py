"""A motor's learner on games with a known answer."""

from __future__ import annotations

import msgspec
import pytest
import torch

from agent.core.errors import WeightsError
from agent.learning.configs import CpqeConfig
from agent.learning.cpqe.learner import CpqeLearner
from agent.learning.cpqe.losses import best_of
from agent.learning.cpqe.windows import Chunks
from agent.models.sizes import CpqeSizes

SIZES = CpqeSizes(
    features=2, action=1, chunk=4, executed=2, hidden=32, student_hidden=32, members=3, low=-0.5, high=1.5
)
CONFIG = CpqeConfig(lr=3e-3, warm_up=10, teacher_hidden=32, euler=4)


def _played(count: int, random: torch.Generator, shuffled: bool = False) -> Chunks:
    """Chunks of −1 or 1 throughout; 1 pays where the first feature is positive, −1 where it is negative."""
    condition = torch.randn(count, 2, generator=random)
    side = torch.randint(0, 2, (count, 1), generator=random) * 2.0 - 1.0
    paid = ((side * condition[:, :1]) > 0).float().squeeze(1)
    if shuffled:
        paid = paid[torch.randperm(count, generator=random)]
    return Chunks(condition, 0.9 * side.expand(-1, 4), paid, condition, torch.zeros(count))


def _gap(shuffled: bool) -> float:
    """How much higher the better of the two chunks is bounded than the other."""
    torch.manual_seed(0)
    learner = CpqeLearner(SIZES, CONFIG)
    for _ in range(200):
        learner.judge(_played(64, learner.random, shuffled))
    condition = torch.randn(500, 2, generator=learner.random)
    side = condition[:, :1, None].sign()
    both = torch.cat([0.9 * side, -0.9 * side], 1).expand(500, 2, 4)
    with torch.no_grad():
        _, bounds = best_of(learner.critics, condition, both, 1.0)
    return float((bounds[:, 0] - bounds[:, 1]).mean())


def test_critics_find_the_chunk_that_pays_and_shuffled_pay_teaches_nothing() -> None:
    assert _gap(shuffled=False) > 0.7
    assert abs(_gap(shuffled=True)) < 0.2


def test_the_student_leans_to_what_the_critics_prefer() -> None:
    torch.manual_seed(0)
    learner = CpqeLearner(SIZES, msgspec.structs.replace(CONFIG, anchor=0.02, by_value=True))
    for _ in range(200):
        batch = _played(64, learner.random)
        learner.judge(batch), learner.imitate(batch)
    condition = torch.tensor([[1.5, 0.0], [-1.5, 0.0]])
    for _ in range(150):
        learner.distil(_played(64, learner.random))
    nothing = torch.zeros(2, 4)
    with torch.no_grad():
        made = learner.student(condition, nothing, nothing, nothing).mean(1)
    assert float(made[0]) > 0 > float(made[1])


def test_the_student_asks_the_critics_by_value_alone() -> None:
    def made(by_value: bool) -> tuple[float, torch.Tensor]:
        torch.manual_seed(0)
        learner = CpqeLearner(SIZES, msgspec.structs.replace(CONFIG, anchor=0.02, by_value=by_value))
        figures = learner.distil(_played(16, learner.random))
        return figures["student_value"], learner.student.net.out.weight.detach()

    (no_value, without), (value, leaning) = made(False), made(True)
    assert no_value == 0.0 != value and not torch.equal(without, leaning)


def test_the_learning_rate_rises_and_falls_to_its_share() -> None:
    learner = CpqeLearner(SIZES, msgspec.structs.replace(CONFIG, lr=1.0, last_lr=0.1, warm_up=2))
    rates = []
    for learner.progress in (0.0, 0.0, 0.5, 1.0):
        learner.imitate(_played(4, learner.random))
        rates.append(learner.optimisers["flow"].lr)
    assert rates == pytest.approx([0.5, 1.0, 0.55, 0.1])


def test_its_state_goes_through_tensors_and_a_foreign_one_is_refused() -> None:
    learner, other = CpqeLearner(SIZES, CONFIG), CpqeLearner(SIZES, CONFIG)
    batch = _played(16, learner.random)
    learner.judge(batch), learner.imitate(batch), learner.distil(batch)
    other.load_tensors(learner.tensors())
    assert other.updates == learner.updates
    assert learner.judge(batch) == other.judge(batch)
    broken = learner.tensors() | {"student.net.out.bias": torch.full((4,), torch.nan)}
    with pytest.raises(WeightsError, match="not finite"):
        other.load_tensors(broken)
