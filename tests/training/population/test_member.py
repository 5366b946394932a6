"""A member of a population: what an order sets, what it is judged by, and that a kill loses one interval at most."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from agent.core.errors import ChildGone, SettingsError
from agent.core.rollout import ActionSpec
from agent.core.types import Action, EnvAction, EnvObservation
from agent.journal.records import DecisionRecord, PacketRecord, Record
from agent.learning.imitation import Demonstrations, Imitation
from agent.learning.population import Range
from agent.link.wire import encode_action
from agent.models.policies import FlatPolicy
from agent.models.sizes import FlatSizes
from agent.training.population.book import MemoryBook
from agent.training.population.config import PopulationConfig
from agent.training.population.contract import Done, Interval, Seal
from agent.training.population.demonstrations import RowReader
from agent.training.population.member import GymMember, Task
from agent.training.population.runner import LocalRunner
from agent.training.population.scheduler import Scheduler
from agent.training.population.work import Worker

GAME = "gym:CartPole-v1"
TASK = Task(game=GAME, total_steps=4096, searched=("lr", "gamma", "curiosity_beta", "reward_scale"))
VALUES: dict[str, float | bool] = {"lr": 1e-3, "gamma": 0.9, "curiosity_beta": 0.5, "reward_scale": 2.0}


def order(**more: Any) -> Interval:
    values = {
        "member": 0, "number": 0, "steps": 1024, "values": VALUES, "continues": False, "seed": 3, "episodes": 10,
        "eval_seed": 900_000_000, **more,
    }  # fmt: skip
    return Interval(**values)


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker(TASK)


@pytest.fixture(scope="module")
def first(worker: Worker) -> tuple[Done, bytes]:
    return worker.run(order(), b"")


def test_an_order_sets_hyper_parameters(first: tuple[Done, bytes]) -> None:
    member = GymMember(TASK, 3)
    member.configure(VALUES)
    config = member.training.learner.ppo.config
    assert (config.lr, config.gamma, config.entropy_weight) == (1e-3, 0.9, 0.01)
    assert first[0].steps == 1024 and len(first[0].scores) == 10 and first[0].metrics["curiosity"] > 0


def test_rewards_are_scaled_and_curiosity_is_added() -> None:
    member = GymMember(TASK, 3)
    member.configure({**VALUES, "curiosity_beta": 0.0})
    rollouts = member.training._play()
    plain = np.concatenate([r.rewards for r in member._pay(rollouts)])
    np.testing.assert_array_equal(plain, 2.0 * np.concatenate([r.rewards for r in rollouts]))
    member.configure(VALUES)
    curious = np.concatenate([r.rewards for r in member._pay(rollouts)])
    assert (curious > plain).all()


def test_ten_times_the_reward_does_not_change_what_a_member_is_judged_by(first: tuple[Done, bytes]) -> None:
    member = GymMember(TASK, 3)
    member.configure(VALUES)
    before = member.evaluate(900_000_000, 10)
    member.configure({**VALUES, "reward_scale": 20.0})
    assert member.evaluate(900_000_000, 10) == before
    assert max(before) <= 500.0


def test_a_state_goes_on_elsewhere_as_a_copy(worker: Worker, first: tuple[Done, bytes]) -> None:
    done, state = worker.run(order(member=5, seed=8, number=1), first[1])
    assert done.steps == 2048 and state != first[1]
    sealed, _ = worker.seal(Seal(interval=order()), first[1])
    assert sealed.notes["steps"] == 1024 and sealed.kind == "flat-policy"


def test_a_training_that_breaks_down_says_so() -> None:
    found, state = Worker(TASK).run(order(values={**VALUES, "reward_scale": float("nan")}), b"")
    assert found.broken and state == b"" and found.scores == []


def test_imitation_makes_what_was_shown_likely() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(512, 4)).astype(np.float32)
    shown = Demonstrations(obs, np.zeros((512, 0), np.float32), (obs[:, :1] > 0).astype(np.int64))
    member = GymMember(msgspec.structs.replace(TASK, searched=("lr",)), 3)
    member._imitation = Imitation(member.training.policy, shown)
    member.configure({"lr": 3e-3, "imitation_beta": 0.0})
    assert member.training.learner.ppo.beside is None
    before = member._imitation.measured()
    member.configure({"lr": 3e-3, "imitation_beta": 1.0})
    assert member.train(1024)["imitation_loss"] < 0.6 * before


def test_imitation_without_recordings_is_refused() -> None:
    with pytest.raises(SettingsError, match="--demos"):
        GymMember(msgspec.structs.replace(TASK, searched=("imitation_beta",)), 0)


def _records(state: bytes, action: EnvAction | None) -> list[Record]:
    sent = encode_action(Action(env=action))
    packet = PacketRecord(0, 7, 0.0, state, b"")
    decision = DecisionRecord(0, 1, 7, 0, 0.0, 0.0, 0.0, True, False, False, False, 1, 0.0, sent, "motor", -1)
    return [packet, decision, msgspec.structs.replace(decision, packet=6)]


def test_rows_come_from_decisions_that_show_and_do_what_the_game_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = EnvObservation(None, np.arange(4, dtype=np.float32))
    state = _Shown(seen)
    monkeypatch.setattr("agent.training.population.demonstrations.decode_state", lambda body, limits: state)
    reader = RowReader(4, ActionSpec(0, (2,)), 1)
    for record in _records(b"", EnvAction((), (1,))) + _records(b"", EnvAction((), (5,))) + _records(b"", None):
        reader.take(record)
    assert len(reader.rows) == 1 and reader.passed_over == 5
    shown = reader.demonstrations()
    np.testing.assert_array_equal(shown.obs, [[0, 1, 2, 3]])
    assert shown.choices.tolist() == [[1]] and shown.axes.shape == (1, 0)


class _Shown:
    """A state of which only the environment's own observation is asked."""

    def __init__(self, env: EnvObservation) -> None:
        self.env = env


def test_a_killed_process_loses_one_interval_at_most() -> None:
    config = PopulationConfig(steps=2048, interval=1024, periods=(1,), search={"lr": Range(1e-3, 2e-3)})
    task = Task(game=GAME, total_steps=2048, searched=("lr",))

    async def run() -> tuple[int, list[int]]:
        runner, lines, said = LocalRunner(task), list[dict[str, Any]](), list[str]()

        def killing(line: dict[str, Any]) -> None:
            lines.append(line)
            if len(lines) == 3:
                asyncio.get_running_loop().call_later(0.05, os.kill, runner.pids[0], signal.SIGKILL)

        try:
            scheduler = Scheduler(config, 2, runner, MemoryBook(), seed=0, on_line=killing, say=said.append)
            population = await asyncio.wait_for(scheduler.run(), 300)
        finally:
            runner.close()
        return sum("was lost" in text for text in said), [m.intervals for m in population.members]

    lost, intervals = asyncio.run(run())
    assert (lost, intervals) == (1, [2, 2])


def test_a_child_that_is_gone_is_told(tmp_path: Path) -> None:
    runner = LocalRunner(msgspec.structs.replace(TASK, game="gym:NoSuchGame-v0"))
    try:
        with pytest.raises(Exception, match="NoSuchGame") as caught:
            asyncio.run(runner.run(order(), b""))
        assert not isinstance(caught.value, ChildGone)
    finally:
        runner.close()


def test_a_policy_with_memory_is_imitated() -> None:
    policy = FlatPolicy(FlatSizes(3, 1, (2,), units=4))
    shown = Demonstrations(np.zeros((9, 3), np.float32), np.zeros((9, 1), np.float32), np.zeros((9, 1), np.int64))
    assert float(Imitation(policy, shown).loss().detach()) > 0
