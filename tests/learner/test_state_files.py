"""What a learner goes on from: to the bit after a clean end, from the former state after a kill, anew with a reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from agent.core.errors import WeightsError
from agent.core.rollout import Rollout
from agent.learner import state_files
from agent.learner.bodies import pack_rollout
from agent.learner.messages import Learn, Open, Save, Saved
from agent.learner.process import LearnerProcess
from agent.learner.state_files import resume, save
from agent.learning.configs import Budget, PolicySpec
from agent.learning.dreamer.replay import Replay
from agent.learning.learner import PolicyLearner
from agent.learning.state import load_state, state_tensors
from agent.models import sealed
from tests.learning.test_learner import bandit

ROOT = Path(__file__).resolve().parents[2]
SMALL = Budget(world_steps=8, world_batch=4, world_length=4, world_lr=1e-2, use_active_inference=False)
LEARN = Learn(policy="p")
FLAT = PolicySpec(name="p", features=3, branches=(4,))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def rollouts(count: int) -> list[Rollout]:
    """Two games' stretches of play in turns, of which every second goes on in the next."""
    made = []
    policy = PolicyLearner(FLAT, SMALL).ppo
    for i in range(count):
        rollout = bandit(policy, 24, i)
        ends = np.arange(24) % 5 == 4
        first = np.append(i < 2, ends[:-1])
        changes: dict[str, Any] = {"instance": f"w{i % 2}", "terminated": ends, "is_first": first}
        cut = ends.copy()
        cut[-1] = True
        made.append(msgspec.structs.replace(rollout, final_obs=rollout.obs[cut], **changes))
    return made


def test_a_state_of_another_reward_table_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    def paid(label: str) -> PolicyLearner:
        return PolicyLearner(msgspec.structs.replace(FLAT, paid_by=label), SMALL)

    save(tmp_path / "told", paid("score"), {"rollouts": 5})
    save(tmp_path / "silent", paid(""), {"rollouts": 5})  # as version 0.1.0 wrote it
    _, notes, reason = resume(tmp_path / "told", lambda: paid("counters"))
    assert notes == {} and "rewards of the table score; play's are of counters" in reason
    for folder in ("told", "silent"):
        _, notes, reason = resume(tmp_path / folder, lambda: paid("score"))
        assert notes["rollouts"] == 5 and reason == ""


def learn(learner: PolicyLearner, some: list[Rollout]) -> list[dict[str, float]]:
    reports = []
    for rollout in some:
        report: dict[str, float] = {}
        for part in learner.parts:
            report |= part.update(rollout)
        reports.append(report)
    return reports


def test_a_resumed_learner_goes_on_to_the_bit_and_one_that_has_only_the_weights_does_not(tmp_path: Path) -> None:
    some = rollouts(8)
    one = PolicyLearner(FLAT, SMALL)
    learn(one, some[:5])
    save(tmp_path, one, {"rollouts": 5})
    weights = one.weights()
    straight = learn(one, some[5:])
    two, notes, reason = resume(tmp_path, lambda: PolicyLearner(msgspec.structs.replace(FLAT, seed=7), SMALL))
    assert notes == {"rollouts": 5} and reason == ""
    two.take_weights(weights)
    resumed = learn(two, some[5:])
    assert resumed == straight
    first, second = state_tensors(one), state_tensors(two)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    only = PolicyLearner(FLAT, SMALL)
    only.take_weights(weights)
    without = learn(only, some[5:])
    assert without[0]["wm_recon"] > 1.1 * straight[0]["wm_recon"] and without[0]["wm_replay"] < straight[0]["wm_replay"]
    assert any((only.weights()[name] != two.weights()[name]).any() for name in weights)


def test_replay_is_cut_to_its_newest_rows_where_it_is_too_large() -> None:
    learner = PolicyLearner(FLAT, SMALL)
    learn(learner, rollouts(6))
    whole, few = state_tensors(learner), state_tensors(learner, 0)
    assert whole["replay/counts"].tolist()[1] > 100 and few["replay/counts"].tolist()[1] == 0
    fixed = sum(t.numel() * t.element_size() for n, t in whole.items() if not n.startswith("replay/"))
    part = state_tensors(learner, fixed + 30_000)
    rows = part["replay/counts"].tolist()[1]
    assert 0 < rows < whole["replay/counts"].tolist()[1]
    assert torch.equal(part["replay/rows.obs"], whole["replay/rows.obs"][-rows:])
    other = PolicyLearner(FLAT, SMALL)
    load_state(other, part)
    reports = learn(other, rollouts(3))
    assert reports[-1]["wm_replay"] > rows and np.isfinite(list(reports[-1].values())).all()


def test_a_full_ring_is_the_same_ring_afterwards() -> None:
    learner = PolicyLearner(FLAT, SMALL)
    spec, one = learner.spec, Replay(3, learner.spec, 4, 2, 2, capacity=64, seed=3)
    for rollout in rollouts(7):
        one.push(rollout, 4)
    assert one.sample(4, 4) is not None
    two = Replay(3, spec, 4, 2, 2, capacity=64, seed=9)
    two.check(one.arrays(1 << 30, 8))
    two.load(one.arrays(1 << 30, 8))
    for rollout in rollouts(9)[7:]:
        a, b = one.sample(4, 4), two.sample(4, 4)
        assert a is not None and b is not None and np.array_equal(a.serials, b.serials)
        assert all(np.array_equal(x, y) for x, y in zip(a.rows, b.rows, strict=True))
        rows = one.push(rollout, 4), two.push(rollout, 4)
        assert all(np.array_equal(x, y) for x, y in zip(*rows, strict=True))
    with pytest.raises(WeightsError, match="counts"):
        Replay(3, spec, 4, 2, 2, capacity=32).check(one.arrays(1 << 30, 8))
    with pytest.raises(WeightsError, match=r"rows\.obs"):
        Replay(5, spec, 4, 2, 2, capacity=64).check(one.arrays(1 << 30, 8))


def test_a_state_of_another_learner_is_refused_with_the_reason(tmp_path: Path) -> None:
    save(tmp_path, PolicyLearner(FLAT, SMALL), {})
    other = PolicyLearner(msgspec.structs.replace(FLAT, features=5), SMALL)
    found, notes, reason = resume(tmp_path, lambda: other)
    assert found is other and notes == {} and "float32" in reason
    assert "no state" in resume(tmp_path / "nowhere", lambda: other)[2]


def _without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda tensors: [tensors.pop(key) for key in list(tensors) if key.startswith(name)]


DAMAGED: dict[str, tuple[Callable[[dict[str, Any]], object], dict[str, Any]]] = {
    "no state of the random numbers": (_without("random"), {}),
    "a short state of the random numbers": (lambda t: t.update(random=np.zeros(3, np.uint8)), {}),
    "a state of the random numbers of another type": (lambda t: t.update(random=np.zeros(9, np.float32)), {}),
    "no replay": (_without("replay/"), {}),
    "counts of the replay": (lambda t: t.update({"replay/counts": np.full(3, -7)}), {}),
    "half of Adam": (lambda t: t.pop(next(name for name in t if name.startswith("ppo/adam."))), {}),
    "a running return that is three": (lambda t: t.update({"ppo/memory.return.w0": np.zeros(3, np.float32)}), {}),
    "a count that is none": (lambda t: None, {"rollouts": "many"}),
    "a count below 0": (lambda t: None, {"rollouts": -1}),
    "a kind of another": (lambda t: t.clear(), {}),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_state_begins_anew_with_its_reason(
    damage: str, tmp_path: Path, held: tuple[PolicyLearner, dict[str, Any]]
) -> None:
    change, notes = DAMAGED[damage]
    tensors = dict(held[1])
    change(tensors)
    sealed.save_sealed(
        tmp_path / "learner-00000001.safetensors", tensors, kind="learner-state", layout={}, sizes={},
        notes={"rollouts": 2} | notes,
    )  # fmt: skip
    learner, found, reason = resume(tmp_path, lambda: PolicyLearner(FLAT, SMALL))
    assert reason and found == {} and all(np.isfinite(array).all() for array in learner.weights().values())


@pytest.fixture(scope="module")
def held() -> tuple[PolicyLearner, dict[str, Any]]:
    """A learner that has learned, and its state."""
    learner = PolicyLearner(FLAT, SMALL)
    learn(learner, rollouts(2))
    return learner, {name: t.numpy().copy() for name, t in state_tensors(learner).items()}


def test_every_damaged_state_is_named(tmp_path: Path) -> None:
    for number, content in ((1, b""), (2, b"x" * 100)):
        (tmp_path / f"learner-{number:08d}.safetensors").write_bytes(content)
        (tmp_path / f"learner-{number:08d}.safetensors.json").write_bytes(b"[" * 50_000)
    reason = resume(tmp_path, lambda: PolicyLearner(FLAT, SMALL))[2]
    assert reason.count("not a manifest") == 2


@pytest.mark.parametrize("half", [".json", ".safetensors"])
def test_where_writing_breaks_off_between_file_and_manifest_the_former_state_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    learner = PolicyLearner(FLAT, SMALL)
    save(tmp_path, learner, {"rollouts": 1})
    real = sealed.write_atomically

    def breaks(path: Path, data: bytes) -> None:
        if path.suffix == half:
            raise OSError("the power went")
        real(path, data)

    monkeypatch.setattr(sealed, "write_atomically", breaks)
    learn(learner, rollouts(1))
    with pytest.raises(OSError, match="power"):
        save(tmp_path, learner, {"rollouts": 2})
    monkeypatch.undo()
    assert resume(tmp_path, lambda: PolicyLearner(FLAT, SMALL))[1:] == ({"rollouts": 1}, "")
    save(tmp_path, learner, {"rollouts": 3})
    assert resume(tmp_path, lambda: PolicyLearner(FLAT, SMALL))[1:] == ({"rollouts": 3}, "")
    assert len(list(tmp_path.iterdir())) == 2


WRITER = """
import os, signal, sys, time
from pathlib import Path
from agent.learner.state_files import save
from tests.learner.test_state_files import FLAT, SMALL, PolicyLearner
learner = PolicyLearner(FLAT, SMALL)
for delay_ms in map(int, sys.argv[2:]):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        for number in range(1, 100_000):
            save(Path(sys.argv[1], str(delay_ms)), learner, {"rollouts": number})
            os.write(writing, b"%d\\n" % number)
    os.close(writing)
    told = b""
    while told.count(b"\\n") < 3:
        told += os.read(reading, 100)
    time.sleep(delay_ms / 1000)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while rest := os.read(reading, 10_000):
        told += rest
    print(delay_ms, told.splitlines()[-1].decode())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_learner_that_is_killed_while_it_writes_leaves_a_whole_state(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), "0", "1", "2", "4", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name, told in (line.split() for line in done.stdout.splitlines()):
        _, notes, reason = resume(tmp_path / name, lambda: PolicyLearner(FLAT, SMALL))
        assert reason == "" and notes["rollouts"] >= int(told) and not list((tmp_path / name).glob(".*.tmp"))
    assert len(list(tmp_path.iterdir())) == 5


def test_the_process_saves_when_told_and_when_it_is_due_and_says_how_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.learner.process.SAVE_EVERY", 2)
    monkeypatch.setattr("agent.learner.process.SAVE_AFTER_S", 0.0)
    opened = Open(policy_spec=FLAT, budget=SMALL, state=str(tmp_path), own=True)
    process = LearnerProcess()
    answer, _ = process.handle(opened)
    assert answer.begun == "anew: there is no state of an earlier session"
    weights = b""
    for i, rollout in enumerate(rollouts(3)):
        answer, weights = process.handle(LEARN, pack_rollout(rollout))
        process.after()
        assert bool(list(tmp_path.glob("*.safetensors"))) == (i >= 1) and not answer.parked
    assert process.handle(Save())[0] == Saved(policies=["p"])
    assert process.handle(Save())[0] == Saved(policies=[])
    again = LearnerProcess()
    answer, same = again.handle(opened, weights)
    assert answer.begun == "resumed after 3 rollouts" and same == weights
    random, rollout = torch.get_rng_state(), pack_rollout(rollouts(4)[3])
    answers = []
    for each in (again, process):
        torch.set_rng_state(random)
        answers.append(each.handle(LEARN, rollout))
    assert answers[0][1] == answers[1][1]
    own = [p for p in again._policies["p"].parts if p.name == "ppo"][0]
    assert own.ppo.optimiser.state
    third = LearnerProcess()
    third.handle(msgspec.structs.replace(opened, own=False), PolicyBytes.of(seed=5))
    assert not third._policies["p"].ppo.ppo.optimiser.state, "moments belong to weights that are gone"


def test_before_a_save_a_rollouts_later_parts_are_left_out(tmp_path: Path) -> None:
    process = LearnerProcess()
    process.handle(Open(policy_spec=FLAT, budget=SMALL, state=str(tmp_path)))
    process.arrived(LEARN)
    assert process.handle(LEARN, pack_rollout(rollouts(1)[0]))[0].seconds
    process.arrived(Save())
    assert not process.handle(LEARN, pack_rollout(rollouts(1)[0]))[0].seconds
    assert process.handle(Save())[0] == Saved(policies=["p"])
    assert process.handle(LEARN, pack_rollout(rollouts(1)[0]))[0].seconds


def chooser_states(learner: PolicyLearner) -> list[str]:
    return [name for name in state_tensors(learner) if name.startswith("active_inference/optimiser.exp_avg.")]


def test_a_state_in_which_some_of_the_choosers_parameters_never_learned_is_taken_up(tmp_path: Path) -> None:
    budget = msgspec.structs.replace(SMALL, use_active_inference=True)
    one = PolicyLearner(FLAT, budget)
    learn(one, rollouts(3))
    part = next(p for p in one.parts if p.name == "active_inference")
    stepped = len(chooser_states(one))
    assert stepped > 2
    forgotten = list(part.optimiser.state)[0]
    del part.optimiser.state[forgotten]
    save(tmp_path, one, {})
    two, _, reason = resume(tmp_path, lambda: PolicyLearner(FLAT, budget))
    assert reason == "" and len(chooser_states(two)) == stepped - 1
    first, second = state_tensors(one), state_tensors(two)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert np.isfinite(list(learn(two, rollouts(1))[0].values())).all()


class PolicyBytes:
    """Weights that someone else made."""

    @staticmethod
    def of(seed: int) -> bytes:
        from safetensors.numpy import save as save_tensors

        return save_tensors(PolicyLearner(msgspec.structs.replace(FLAT, seed=seed), SMALL).weights())


def test_a_state_with_the_names_of_0_1_0_is_taken_up() -> None:
    some, budget = (
        rollouts(2),
        msgspec.structs.replace(SMALL, world_steps=1, use_dreams=False, use_active_inference=True),
    )
    one, two = PolicyLearner(FLAT, budget), PolicyLearner(msgspec.structs.replace(FLAT, seed=7), budget)
    learn(one, some)
    policy, chooser, world = one.ppo.policy, one.chooser.model, one.parts[1].model
    moments = ("step", "exp_avg", "exp_avg_sq")
    old = [f"ppo/policy.inner.{n}" for n in policy.state_dict()]
    old += [f"ppo/adam.inner.{n}.{m}" for n, _ in policy.named_parameters() if n != "log_std" for m in moments]
    old += [f"active_inference/optimiser.{m}.{n}" for n, _ in chooser.named_parameters() for m in moments]
    old += [f"world_model/optimiser.{m}.{n}" for n, _ in world.named_parameters() for m in ("first", "second")]
    old += ["ppo/learner.counters", "ppo/learner.returns", "ppo/ppo.updates", "world_model/optimiser.steps"]
    current = state_tensors(one)
    renamed = {name.replace("ppo/policy.", "ppo/policy.inner.").replace("ppo/adam.", "ppo/adam.inner."): t.clone()
               for name, t in current.items()}  # fmt: skip
    assert set(old) <= renamed.keys()
    load_state(two, renamed)
    found = state_tensors(two)
    assert found.keys() == current.keys() and all(torch.equal(t, found[name]) for name, t in current.items())
    del renamed["ppo/adam.inner.actor.0.weight.exp_avg"]
    with pytest.raises(WeightsError, match=r"adam\.actor\.0\.weight\.exp_avg"):
        load_state(PolicyLearner(FLAT, budget), renamed)


def test_two_sessions_that_save_at_once_take_two_numbers_and_spare_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = PolicyLearner(FLAT, SMALL)
    real, written = state_files.save_sealed, []

    def save_slowly(path: Path, *given: Any, **more: Any) -> Any:
        if not written:
            written.append(path)
            path.write_bytes(b"half of it")
            written.append(save(tmp_path, learner, {"rollouts": 2}))
            assert path.exists(), "what another is writing stays"
        return real(path, *given, **more)

    monkeypatch.setattr(state_files, "save_sealed", save_slowly)
    written.append(save(tmp_path, learner, {"rollouts": 1}))
    assert written[0] == written[2] != written[1] and not list(tmp_path.glob(".learner*"))
    assert resume(tmp_path, lambda: learner)[1] == {"rollouts": 2}
