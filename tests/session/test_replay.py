"""A session that was recorded is computed again to the same actions, whoever played; a changed bit is noticed."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file, save_file

from agent.commands.cli import run
from agent.control.arbiter import NOBODY, Arbiter
from agent.control.arrays import STILL
from agent.control.cards.planned import PLANNER
from agent.control.dreamer import DreamPilot, untrained_tensors
from agent.control.environment.policy import EnvPolicy
from agent.control.policies import build_policy
from agent.control.policy import Policy, capabilities_of, path_of
from agent.control.untrained import untrained_tensors as pilot_of
from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.core.types import Observation, RunInfo
from agent.journal.journal import Journal
from agent.journal.read import header_of_recording, records_of
from agent.journal.records import WEIGHTS, DecisionRecord, EventRecord, PacketRecord
from agent.link.wire import encode_action, encode_state
from agent.models.sizes import FLAT_KIND, FRAME_KIND
from agent.session.act import Decided
from agent.session.options import SessionOptions
from agent.session.recording import RecordSession, hash_of, header_of_session, keep_weights
from agent.session.replay import NOT_APART, Replay, Replayer
from agent.store.pair import Pair
from agent.training.quantize import quantised
from tests.control.environment.test_policy import numbers, sight, weights
from tests.journal.test_journal import drain


def play(folder: Path, policy: str, enough: Callable[[Decided], bool], *more: str) -> Path:
    """Record two games in lock-step until a decision is enough; the time only catches a hang."""
    told, on_decision = list[Decided](), RecordSession.on_decision

    def heard(session: RecordSession, decided: Decided) -> None:
        on_decision(session, decided)
        if not told and enough(decided):
            told.append(decided)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METABONK_WEIGHTS_DIR", str(folder / "weights"))
        patch.setenv("METABONK_LLM_BACKEND", "builtin")
        patch.setattr(RecordSession, "on_decision", heard)
        words = ["play", "--game", "arena", "--games", "2", "--lock-step", "--policy", policy, "--no-http"]
        assert run([*words, "--seconds", "120", "--record-to", str(folder / "session"), *more]) in (0, 130)
    assert told, "the session ended before there was enough"
    return folder / "session"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two games in lock-step, played together by the learning pilot."""
    seen = Counter[int]()

    def enough(decided: Decided) -> bool:
        seen[decided.observation.game] += 1
        return min(seen[0], seen[1]) > 160

    return play(tmp_path_factory.mktemp("recording"), "untrained-pilot", enough)


@pytest.fixture(scope="module")
def result(recording: Path) -> Replay:
    return replayed(recording)


def replayed(path: Path, only: int | None = None) -> Replay:
    return Replayer(path, only=only).run()


def decisions(path: Path) -> list[DecisionRecord]:
    return [item.record for item in records_of(path) if isinstance(item.record, DecisionRecord)]


def test_every_decision_comes_out_as_it_was_sent(recording: Path, result: Replay) -> None:
    recorded = decisions(recording)
    assert result.decisions == len(recorded) > 300
    assert (result.different, result.first, result.skipped) == (0, None, 0)


def test_one_game_is_replayed_alone(recording: Path) -> None:
    result = replayed(recording, only=1)
    assert result.decisions == sum(record.game == 1 for record in decisions(recording)) > 100
    assert result.different == 0


def test_a_card_that_the_plan_asks_for_comes_out_as_it_was_sent(tmp_path: Path) -> None:
    words = ("--goal", "take damage cards", "--no-learn")
    planned = Counter[str]()

    def enough(decided: Decided) -> bool:
        planned[decided.owner] += 1
        return planned[PLANNER] >= 20  # several menus: in one alone the pilot may want the same card

    path = play(tmp_path, "pilot", enough, *words)
    assert any(record.policy_owner == PLANNER and record.card >= 0 for record in decisions(path))
    result = replayed(path)
    assert result.decisions == len(decisions(path)) and (result.different, result.skipped) == (0, 0)
    late = late_where_a_menu_opens(path, tmp_path / "late")
    result = replayed(tmp_path / "late")
    assert result.decisions == len(decisions(path)) - late and (result.different, result.skipped) == (0, 0)


def late_where_a_menu_opens(path: Path, folder: Path) -> int:
    """Write a recording once more, as if the answers with which cards were chosen had come too late; their number."""
    journal, before, count = Journal(folder, header_of_recording(path), SystemClock()), dict[int, int](), 0
    journal.begin()
    shutil.copytree(path / WEIGHTS, folder / WEIGHTS)
    for item in records_of(path):
        record, at_s = item.record, journal.header.began_s + (item.time_ns - journal.header.began_utc_ns) * 1e-9
        if isinstance(record, DecisionRecord):
            opens = record.card >= 0 > before.get(record.game, -1)
            before[record.game] = record.card
            if opens:
                record = replace(record, action=b"", owner=NOBODY, instead_of=b"", instead_of_owner="")
                count += 1
        journal.offer(record, at_s)
    drain(journal)
    journal.close()
    assert count > 1
    return count


def test_a_motor_that_a_planner_steered_comes_out_as_it_was_sent(tmp_path: Path) -> None:
    steered = Counter[bool]()

    def enough(decided: Decided) -> bool:
        steered[decided.subgoal is not None] += 1
        return steered[True] >= 120

    path = play(tmp_path, "motor", enough, "--goal", "open chests", "--no-learn")
    assert len({record.subgoal for record in decisions(path)}) > 1
    result = replayed(path)
    assert result.decisions == len(decisions(path)) and (result.different, result.skipped) == (0, 0)
    assert replayed(path, only=1).different == 0


def test_one_changed_bit_of_one_weight_is_noticed(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed"
    path.mkdir()
    for file in recording.glob("segment-*"):
        (path / file.name).write_bytes(file.read_bytes())
    (kept,) = (recording / "weights").glob("*.safetensors")
    tensors = load_file(kept)
    name = max(tensors, key=lambda n: tensors[n].size)
    bits = tensors[name].reshape(-1).view(np.uint32).copy()
    bits[len(bits) // 2] ^= 1 << 22
    tensors[name] = bits.view(np.float32).reshape(tensors[name].shape)
    (path / "weights").mkdir()
    save_file(tensors, path / "weights" / kept.name)
    with pytest.raises(RecordingError, match="their hash is another"):
        replayed(path)

    def trusting(found: object) -> str:
        return kept.stem

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.session.replay.hash_of", trusting)
        result = replayed(path)
    assert result.different > 0 and result.first is not None
    assert hash_of(load_file(kept)) == kept.stem


def test_weights_that_are_gone_are_named(recording: Path, tmp_path: Path) -> None:
    for file in recording.glob("segment-*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(RecordingError, match="missing or damaged"):
        replayed(tmp_path)


def test_another_processor_is_said(recording: Path, result: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    assert result.notes == []
    monkeypatch.setattr("agent.session.recording._processor", lambda: "another")
    (note,) = replayed(recording).notes
    assert note.startswith("not the machine of the recording: processor another here")


Look = Callable[[int], Sequence[Observation | None]]


def recorded(
    folder: Path, policy: Policy, look: Look, ticks: int, *, full: range = range(0), pair: Pair | None = None
) -> Path:
    """Record what a policy does with what it sees at each tick; in the ticks of `full` the queue takes nothing."""
    clock, games = SystemClock(), len(look(0))
    options = SessionOptions(endpoints=(), names=tuple(f"game {i}" for i in range(games)), game="test")
    journal = Journal(folder, header_of_session(options, policy, clock), clock)
    journal.begin()
    can = capabilities_of(policy)
    if can.reloadable is not None:
        payload = {
            "version": 0,
            "sha256": keep_weights(folder, can.reloadable.tensors),
            "path": path_of(policy).get("path", ""),
        }
        journal.offer(EventRecord(0.0, WEIGHTS, "", payload), 0.0)
        if pair is not None:
            theirs = {"version": 7, "sha256": keep_weights(folder, pair._challenger.tensors)}
            journal.offer(EventRecord(0.0, WEIGHTS, "", payload | theirs), 0.0)
    policy.warm_up()
    carry = policy.initial(games)
    for tick in range(ticks):
        carry = step(journal, pair or policy, carry, look(tick), tick + 1, is_full=tick in full)
    drain(journal)
    journal.close()
    return folder


def step(
    journal: Journal,
    policy: Policy | Pair,
    carry: object,
    seen: Sequence[Observation | None],
    number: int,
    *,
    is_full: bool,
    now_s: float = 0.0,
) -> object:
    carry, actions = policy.step(carry, seen)
    with pytest.MonkeyPatch.context() as patch:
        if is_full:
            patch.setattr("agent.journal.journal.QUEUE_BYTES", -1)
        for o, action in zip(seen, actions, strict=True):
            if o is None:
                continue
            journal.offer(PacketRecord(o.game, number, now_s, encode_state(o.state), b""), now_s)
            data = encode_action(Arbiter().choose(action, "motor").action)
            decision = DecisionRecord(
                o.game, number, number, 0, o.elapsed_s, o.received_at_s, o.reward, o.is_first, o.is_last, o.is_terminal,
                o.is_won, policy.version(o.game) if isinstance(policy, Pair) else 0, now_s, data, "motor", -1,
            )  # fmt: skip
            journal.offer(decision, now_s)
    return carry


def walk(tick: int, game: int, *, every: int = 1000) -> Observation:
    run = RunInfo(tick, 0, (0, 0), (0, 0), True, False, False, 0, 0.0, 0, 0, 0.0, 0.0, 0, 1.0)
    state = replace(STILL, position=(0.1 * tick, 0.0, float(game)), run=run)
    return Observation(game, state, None, tick, 1 / 60, 0.0, 0.0, tick % every == 0, False, False)


def uneven(tick: int) -> Sequence[Observation | None]:
    """Two games; the first answers now and then only."""
    return [walk(tick, 0) if tick % 7 < 3 else None, walk(tick, 1)]


@pytest.mark.parametrize("kind", [FLAT_KIND, FRAME_KIND])
def test_weights_of_an_environment(tmp_path: Path, kind: str) -> None:
    picture = None if kind == FLAT_KIND else np.random.default_rng(0).integers(0, 256, (10, 12, 4), np.uint8)

    def look(tick: int) -> Sequence[Observation]:
        return [sight(numbers(tick, 3 if kind == FLAT_KIND else 2), picture, tick=tick)]

    result = replayed(recorded(tmp_path / "a", EnvPolicy(weights(kind)), look, 30))
    assert (result.decisions, result.different) == (30, 0)


def test_one_game_of_a_dreamer_whose_games_share_their_random_numbers(tmp_path: Path) -> None:
    policy = DreamPilot(untrained_tensors(0), seed=0)
    path = recorded(tmp_path / "a", policy, uneven, 60)
    both, alone = replayed(path), replayed(path, only=1)
    assert (both.decisions, both.different) == (87, 0)
    assert (alone.decisions, alone.different, alone.skipped) == (60, 0, 0)


@pytest.mark.parametrize("kind", ["dreamer", "pilot"])
def test_a_champion_and_a_challenger_side_by_side(tmp_path: Path, kind: str) -> None:
    policy = DreamPilot(untrained_tensors(0)) if kind == "dreamer" else build_policy("pilot")
    pair = Pair(policy, lambda game: game == 1)
    others = untrained_tensors(1) if kind == "dreamer" else pilot_of(1)
    pair.challenge(policy.prepare(others, "a challenger"), 7)
    result = replayed(recorded(tmp_path / "a", policy, uneven, 60, pair=pair))
    assert (result.decisions, result.different) == (87, 0)


def test_weights_of_eight_bits(tmp_path: Path) -> None:
    policy = build_policy("pilot")
    reloadable = capabilities_of(policy).reloadable
    assert reloadable is not None
    tensors = quantised(reloadable.tensors, "int8", 0)
    reloadable.load(reloadable.prepare(tensors, "here"), 0)
    result = replayed(recorded(tmp_path / "a", policy, uneven, 40))
    assert (result.decisions, result.different) == (58, 0)


@pytest.mark.parametrize("name", ["pilot", "random"])
def test_after_a_gap_the_next_episode_counts_again(tmp_path: Path, name: str) -> None:
    def look(tick: int) -> Sequence[Observation]:
        return [walk(tick, 0, every=20)]

    result = replayed(recorded(tmp_path / "a", build_policy(name), look, 60, full=range(5, 10)))
    assert (result.decisions, result.skipped) == (45, 10)
    if name == "pilot":
        assert (result.different, result.notes) == (0, [])
    else:
        assert result.notes == [NOT_APART]
