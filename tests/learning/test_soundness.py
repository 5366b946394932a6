"""What leaves the learner's process is sound: a part that spoils its numbers is parked, the last good weights stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load

from agent.core.errors import RequestError
from agent.core.rollout import RANGES, ActionSpec, Rollout, check_rollout
from agent.learner.bodies import pack_rollout
from agent.learner.messages import Imitate, Learn, Learned, Open, Save, Saved
from agent.learner.process import LearnerProcess
from agent.learner.state_files import resume
from agent.learning.configs import Budget, PolicySpec
from agent.learning.learner import PolicyLearner
from agent.store.store import WeightsStore

SPEC = ActionSpec(2, (3,))
FLAT = PolicySpec(name="p", features=4, continuous=2, branches=(3,))
SMALL = Budget(world_steps=1, world_batch=2, world_length=4)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def rollout(seed: int = 0, steps: int = 24, **changes: Any) -> Rollout:
    rng = np.random.default_rng(seed)
    made = Rollout(
        instance="w", policy="p", policy_version=0, obs=rng.normal(size=(steps, 4)).astype(np.float32),
        actions_cont=rng.uniform(-1, 1, (steps, 2)).astype(np.float32),
        actions_disc=rng.integers(0, 3, (steps, 1)), rewards=rng.normal(size=steps).astype(np.float32),
        terminated=np.zeros(steps, np.bool_), truncated=np.zeros(steps, np.bool_), is_first=np.arange(steps) == 0,
        elapsed_s=np.full(steps, 0.1, np.float32), final_obs=np.zeros((1, 4), np.float32),
        log_probs=np.full(steps, -2.0, np.float32), values=np.zeros(steps, np.float32),
        outcome_rewards=rng.normal(size=steps).astype(np.float32),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def opened(folder: Path | str = "") -> tuple[LearnerProcess, dict[str, Any]]:
    process = LearnerProcess()
    _, weights = process.handle(Open(policy_spec=FLAT, budget=SMALL, state=str(folder)))
    return process, load(weights)


def learn(process: LearnerProcess, some: Rollout) -> tuple[Learned, bytes]:
    answer, weights = process.handle(Learn(policy="p"), pack_rollout(some))
    assert isinstance(answer, Learned)
    return answer, weights


@pytest.mark.parametrize("name", sorted(RANGES))
def test_every_number_of_a_rollout_has_a_range_beyond_finite(name: str) -> None:
    whole = rollout(carry=np.zeros(3, np.float32))
    assert check_rollout(whole, 4, SPEC) == ""
    for value in (RANGES[name][1] * 2, -3.4e38, float("nan"), float("inf")):
        bad = getattr(whole, name).copy()
        bad.flat[-1] = value
        assert name in check_rollout(msgspec.structs.replace(whole, **{name: bad}), 4, SPEC), value
    both = getattr(whole, name).copy()
    both.flat[0], both.flat[-1] = 3.4e38, 3.4e38
    assert name in check_rollout(msgspec.structs.replace(whole, **{name: both}), 4, SPEC)


@pytest.mark.parametrize("part", ["ppo", "world_model"])
@pytest.mark.parametrize("fault", ["nan", "huge"])
def test_a_part_that_spoils_its_numbers_is_parked_and_the_last_good_weights_stay(part: str, fault: str) -> None:
    process, _ = opened()
    _, weights = learn(process, rollout(1))
    good = load(weights)
    learner = process._policies["p"]
    spoilt: Any = next(p for p in learner.parts if p.name == part)
    module = learner.ppo.policy if part == "ppo" else spoilt.model  # type: ignore[union-attr]
    real = spoilt.update

    def update(some: Rollout) -> dict[str, float]:
        report: dict[str, float] = real(some)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.fill_(float("nan") if fault == "nan" or part != "ppo" else 3e38)
        return report

    spoilt.update = update
    answer, weights = learn(process, rollout(2))
    assert "not finite" in answer.parked[part]
    if part == "ppo":
        assert "ppo is parked" in answer.refused and weights == b""
        assert all((learner.weights()[name] == tensor).all() for name, tensor in good.items())
        with pytest.raises(RequestError):
            process.handle(Imitate(policy="p"), pack_rollout(rollout(3, steps=0)))
    else:
        assert answer.refused == "" and all(np.isfinite(t).all() for t in load(weights).values())
    again, _ = learn(process, rollout(4))
    assert part not in again.seconds and part in again.parked


def test_a_state_that_could_not_be_taken_up_is_not_written_and_the_one_before_stays(tmp_path: Path) -> None:
    process, _ = opened(tmp_path)
    learn(process, rollout(1))
    assert process.handle(Save())[0] == Saved(policies=["p"])
    world: Any = next(p for p in process._policies["p"].parts if p.name == "world_model")
    learn(process, rollout(2))
    with torch.no_grad():
        next(world.model.parameters()).fill_(float("nan"))
    assert process.handle(Save())[0] == Saved(policies=[])
    _, notes, reason = resume(tmp_path, lambda: PolicyLearner(FLAT, SMALL))
    assert notes["rollouts"] == 1 and reason == ""


def absurd(rng: np.random.Generator) -> Rollout:
    """Numbers at the ends of their ranges and beyond, finite all of them."""
    changes: dict[str, Any] = {}
    whole = rollout(int(rng.integers(1 << 30)))
    for name, (low, high) in RANGES.items():
        if getattr(whole, name) is not None and rng.random() < 0.6:
            ends = np.array([low, high, 0.0, high * 1e-3, -high * 1e-6, 1e-38], np.float32)
            if rng.random() < 0.2:
                ends = np.append(ends, np.float32(3.4e38))
            picked = rng.choice(ends, getattr(whole, name).shape).astype(np.float32)
            changes[name] = np.abs(picked) if low == 0.0 else picked
    return msgspec.structs.replace(whole, **changes)


def pushed(count: int, folder: Path) -> int:
    """How many of so many absurd rollouts gave weights; what is published and kept is sound, also after a restart."""
    process, weights = opened(folder / "state")
    rng, served, store = np.random.default_rng(7), 0, WeightsStore(folder / "weights")
    for i in range(count):
        try:
            answer, packed = process.handle(Learn(policy="p"), pack_rollout(absurd(rng)))
        except RequestError as error:
            assert error.status == 400
            continue
        assert isinstance(answer, Learned)
        if not answer.refused:
            weights = load(packed)
            store.publish("p", weights, kind="pilot", layout={})
            served += 1
        assert all(np.isfinite(t).all() for t in weights.values())
        if i % 50 == 0:
            process.handle(Save())
    process.handle(Save())
    stored, kept = WeightsStore(folder / "weights").load("p")
    assert stored.version == served and all((kept[name] == tensor).all() for name, tensor in weights.items())
    _, again = opened(folder / "state")
    assert all((again[name] == tensor).all() for name, tensor in weights.items())
    return served


def test_absurd_finite_numbers_never_give_weights_that_are_not_finite(tmp_path: Path) -> None:
    assert pushed(12, tmp_path) > 0


PLAYED = {
    "dreamer": (PolicySpec(name="p", kind="dreamer", features=4, continuous=2, branches=(3,)), SMALL, "dream"),
    "off-policy": (FLAT, msgspec.structs.replace(SMALL, served="off-policy"), "off_policy"),
    "ppo": (FLAT, SMALL, "ppo"),
}


@pytest.mark.parametrize("kind", sorted(PLAYED))
def test_weights_whose_answers_are_not_finite_are_never_published(kind: str) -> None:
    spec, budget, name = PLAYED[kind]
    process = LearnerProcess()
    process.handle(Open(policy_spec=spec, budget=budget, state=""))
    learner = process._policies["p"]
    good = learner.weights()
    part: Any = next(p for p in learner.parts if p.name == name)
    other = [p for p in learner.parts if p.name != name]
    served: Any = learner.dream.policy.actor if learner.dream and kind == "dreamer" else part.policy

    def update(some: Rollout) -> dict[str, float]:
        with torch.no_grad():
            for parameter in served.parameters():
                parameter.fill_(3e38)
        return {}

    part.update = update
    learner.parts[:] = [part]
    answer, weights = learn(process, rollout(2))
    learner.parts += other
    assert "canned observation" in answer.parked[name]
    assert f"{name} is parked" in answer.refused and weights == b""
    assert all((learner.weights()[key] == tensor).all() for key, tensor in good.items())


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_a_thousand_absurd_rollouts_never_give_weights_that_are_not_finite(tmp_path: Path) -> None:
    assert pushed(1000, tmp_path) > 0
