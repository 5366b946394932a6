"""What version 0.1.0 kept is taken up: weights act, learners go on; what does not fit is set aside with a reason.

`golden/store_0_1_0.tar.xz` was written by version 0.1.0; the script that wrote it lies in it.
"""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.numpy import load, load_file

from agent.concurrency.lane import Lane
from agent.control.arbiter import Arbiter
from agent.control.cards.chooser import CardChooser
from agent.control.dreamer import DreamPilot, untrained_tensors
from agent.control.policies import build_policy
from agent.core.choices import WANTED
from agent.core.clock import SystemClock
from agent.core.rollout import Rollout
from agent.learner.bodies import pack_rollout
from agent.learner.messages import Learn, Open
from agent.learner.outcomes import OutcomeWeights
from agent.learner.process import LearnerProcess
from agent.learning.configs import Budget, DreamConfig, PolicySpec
from agent.models.sealed import manifest_path
from agent.models.sizes import OutcomeSizes
from agent.store.reload import Reloader
from agent.store.store import WeightsStore, folder_name

ARCHIVE = Path(__file__).resolve().parents[1] / "golden" / "store_0_1_0.tar.xz"
WORKER = PolicySpec(name="Worker", features=3, continuous=1, branches=(4,))
BUDGET = Budget(
    world_steps=1, world_batch=2, world_length=4, served="ppo+dream",
    dream=DreamConfig(horizon=3, starts=4, units=16, layers=1),
)  # fmt: skip
TINY = {"deter": 16, "blocks": 1, "hidden": 16, "stoch": 2, "classes": 4, "units": 16, "bins": 15}


@pytest.fixture
def store(tmp_path: Path) -> WeightsStore:
    """The store of version 0.1.0, unpacked."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return WeightsStore(tmp_path)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks of the widths that the worker's learners have in the archive."""
    random = torch.get_rng_state()
    monkeypatch.setattr("agent.models.dreamer.TINY", TINY)
    monkeypatch.setattr("agent.learning.learner.OutcomeSizes", partial(OutcomeSizes, hidden=8, units=8))
    yield
    torch.set_rng_state(random)


def rollout(i: int) -> Rollout:
    """The rollouts that the worker's learners were given, as the script in the archive makes them."""
    rng, ends = np.random.default_rng(i), np.arange(24) % 6 == 5
    return Rollout(
        instance="w", policy="Worker", policy_version=-1, obs=rng.normal(size=(24, 3)).astype(np.float32),
        actions_cont=rng.uniform(-0.9, 0.9, (24, 1)).astype(np.float32), actions_disc=rng.integers(0, 4, (24, 1)),
        rewards=rng.normal(size=24).astype(np.float32), terminated=ends, truncated=np.zeros(24, np.bool_),
        is_first=np.append(True, ends[:-1]), elapsed_s=np.full(24, 0.1, np.float32),
        final_obs=rng.normal(size=(4, 3)).astype(np.float32),
    )  # fmt: skip


def opened(store: WeightsStore, process: LearnerProcess, spec: PolicySpec = WORKER, budget: Budget = BUDGET) -> Any:
    """The answer to `Open` with the store's weights and state."""
    current = store.current(spec.name)
    assert current is not None
    state = str(store.folder / folder_name(spec.name))
    message = Open(policy_spec=spec, budget=budget, state=state, own=True)
    return process.handle(message, current.path.read_bytes())[0]


@pytest.mark.usefixtures("small")
def test_a_workers_learners_go_on_as_they_would_have_gone_on_then(store: WeightsStore) -> None:
    process = LearnerProcess()
    answer = opened(store, process)
    assert answer.begun == "resumed after 3 rollouts" and len(answer.parts) == 5
    assert store.versions("Worker") == [1, 2, 3]
    learned, weights = process.handle(Learn(policy="Worker"), pack_rollout(rollout(3)))
    assert learned.parked == {}
    expected, found = load_file(store.folder / "expected.safetensors"), load(weights)
    before = store.load("Worker")[1]
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_allclose(found[name], tensor, rtol=1e-4, atol=2e-5, err_msg=name)
    assert any(np.abs(before[name] - tensor).max() > 1e-4 for name, tensor in expected.items())


def test_the_pilots_learner_goes_on(store: WeightsStore) -> None:
    budget = Budget(use_world=False, use_active_inference=False)
    answer = opened(store, LearnerProcess(), PolicySpec(name="pilot", kind="pilot"), budget)
    assert answer.begun == "resumed after 0 rollouts"


@pytest.mark.usefixtures("small")
def test_a_state_that_does_not_fit_is_set_aside_and_the_learner_begins_anew_with_the_reason(
    store: WeightsStore,
) -> None:
    answer = opened(store, LearnerProcess(), budget=msgspec.structs.replace(BUDGET, dream=DreamConfig(units=8)))
    assert answer.begun.startswith("anew: dream/") and "float32" in answer.begun


@pytest.mark.parametrize("name", ["pilot", "dreamer"])
def test_the_weights_of_a_policy_act_or_are_refused_with_the_reason(store: WeightsStore, name: str) -> None:
    policy: Any = build_policy("pilot", seed=1) if name == "pilot" else DreamPilot(untrained_tensors(1), seed=1)
    fresh = {n: t.copy() for n, t in policy.tensors.items()}

    async def begun(folder: Path) -> dict[str, Any]:
        with Lane("inference") as inference, Lane("disk") as disk:
            reloader = Reloader(policy, WeightsStore(folder), inference, disk, SystemClock())
            await reloader.begin(keep_given=False)
            return reloader.status()

    status = asyncio.run(begun(store.folder))
    assert (status["version"], status["refused"]) == (1, {}) and fresh.keys() == policy.tensors.keys()
    kept = store.load(name)[1]
    assert all(np.array_equal(policy.tensors[n], kept[n]) for n in kept)
    assert not all(np.array_equal(fresh[n], kept[n]) for n in kept)
    manifest = manifest_path(store.path(name, 1))
    manifest.write_bytes(manifest.read_bytes().replace(b'"kind": "', b'"kind": "old-'))
    status = asyncio.run(begun(store.folder))
    reason = f"holds a old-{policy.kind}, a {policy.kind} is needed"
    assert status["version"] == 2 and reason in status["refused"]["v00000001.safetensors"]


def test_the_model_of_outcomes_chooses_cards(store: WeightsStore) -> None:
    async def main() -> None:
        with Lane("disk") as lane:
            chooser = CardChooser(WANTED)
            outcomes = OutcomeWeights(chooser, Arbiter(), "pilot", lane, lane, store=store)
            await outcomes.begin()
            assert (outcomes.source, outcomes.refused, chooser.version) == ("version 1", "", 1)

    asyncio.run(main())
