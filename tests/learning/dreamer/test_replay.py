"""Replay: which action led to which observation, where episodes end, and what a chain of rollouts is."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from agent.core.rollout import ActionSpec, Rollout
from agent.learning.dreamer.replay import Replay, Rows, to_rows
from agent.learning.dreamer.world_model import whole_starts

SPEC = ActionSpec(0, (4,))


class Counter:
    """A game that shows a count, an episode's number and its age; the action is added; `length` steps end it."""

    def __init__(self, name: str, length: int, seed: int, *, truncates: bool = False) -> None:
        self.name, self.length, self.truncates = name, length, truncates
        self.random = np.random.default_rng(seed)
        self.count, self.age, self.episode = 0, 0, 0

    def shown(self) -> list[float]:
        return [float(self.count), float(self.episode), float(self.age)]

    def play(self, steps: int) -> Rollout:
        obs, picks, rewards, ended, first, finals = [], [], [], [], [], []
        for step in range(steps):
            first.append(self.age == 0)
            obs.append(self.shown())
            pick = int(self.random.integers(4))
            picks.append([pick])
            self.count, self.age = self.count + pick, self.age + 1
            rewards.append(float(10 * pick + self.episode))
            ended.append(self.age == self.length)
            if ended[-1] or step == steps - 1:
                finals.append(self.shown())
            if ended[-1]:
                self.count, self.age, self.episode = 0, 0, self.episode + 1
        end, none = np.array(ended), np.zeros(steps, np.bool_)
        return Rollout(
            instance=self.name, policy="p", policy_version=0, obs=np.array(obs, np.float32),
            actions_cont=np.zeros((steps, 0), np.float32), actions_disc=np.array(picks),
            rewards=np.array(rewards, np.float32), terminated=none if self.truncates else end,
            truncated=end if self.truncates else none, is_first=np.array(first), elapsed_s=np.zeros(steps, np.float32),
            final_obs=np.array(finals, np.float32),
        )  # fmt: skip


def faults(rows: Rows) -> int:
    """How many neighbours in [B, T] rows contradict the counter's rules."""
    wrong = 0
    for b in range(rows.obs.shape[0]):
        for t in range(1, rows.obs.shape[1]):
            pick = int(rows.actions[b, t].argmax()) if rows.actions[b, t].any() else None
            now, before = rows.obs[b, t], rows.obs[b, t - 1]
            if rows.is_first[b, t]:
                wrong += pick is not None or now[2] != 0 or rows.rewards[b, t] != 0
            else:
                wrong += pick is None or now[0] - before[0] != pick or rows.rewards[b, t] != 10 * pick + now[1]
                wrong += now[1] != before[1] or now[2] != before[2] + 1
    return int(wrong)


def replay(capacity: int) -> Replay:
    return Replay(3, SPEC, 5, 2, 4, capacity=capacity, seed=1)


def test_every_sequence_of_many_games_and_rollouts_keeps_the_counters_rules() -> None:
    store, games = replay(400), [Counter("a", 7, 1), Counter("b", 50, 2), Counter("c", 1, 3)]
    rng = np.random.default_rng(0)
    for _ in range(60):
        game = games[int(rng.integers(3))]
        store.push(game.play(int(rng.integers(1, 30))), 8)
        batch = store.sample(6, 8)
        if batch is not None:
            assert faults(batch.rows) == 0
    assert store.pushed > 2 * store.capacity and len(store) == 400


def test_actions_shifted_by_one_step_break_the_rules_and_are_noticed() -> None:
    store = replay(400)
    store.push(Counter("a", 30, 1).play(200), 8)
    batch = store.sample(6, 8)
    assert batch is not None and faults(batch.rows) == 0
    assert faults(batch.rows._replace(actions=np.roll(batch.rows.actions, 1, 1))) > 10


def test_the_end_of_an_episode_is_a_row_and_only_a_termination_is_terminal() -> None:
    for truncates in (False, True):
        rows = to_rows(Counter("a", 3, 0, truncates=truncates).play(7), SPEC, None)
        assert rows.is_last.tolist() == [False] * 3 + [True] + [False] * 3 + [True] + [False]
        assert rows.is_terminal.tolist() == ([False] * 9 if truncates else rows.is_last.tolist())
        assert rows.obs[rows.is_last][:, 2].tolist() == [3.0, 3.0]
        assert rows.is_first.tolist() == [True] + [False] * 3 + [True] + [False] * 3 + [True]


def test_a_rollout_goes_on_where_the_last_of_its_game_stopped_and_nowhere_else() -> None:
    store, a, b = replay(400), Counter("a", 100, 1), Counter("b", 100, 2)
    for _ in range(4):
        store.push(a.play(5), 20)
        store.push(b.play(5), 20)
    batch = store.sample(8, 20)
    assert batch is not None and faults(batch.rows) == 0
    assert batch.rows.is_first[:, 1:].sum() == 0
    orphan = to_rows(a.play(3), SPEC, None)
    assert orphan.is_first[0] and not orphan.actions[0].any()


def test_new_stretches_are_sampled_first() -> None:
    store, game = replay(1000), Counter("a", 10_000, 1)
    store.push(game.play(500), 10)
    for _ in range(20):
        store.sample(8, 10)
    store.push(game.play(40), 10)
    batch = store.sample(8, 10)
    assert batch is not None
    assert {500, 510, 520, 530} <= set(batch.serials[:, 0].tolist())


def test_latents_come_back_as_the_start_of_the_sequence_after_them() -> None:
    store, game = replay(64), Counter("a", 10_000, 1)
    store.push(game.play(60), 4)
    batch = store.sample(8, 6)
    assert batch is not None and batch.rows.is_first[:, 0].all()
    serials = np.arange(60)[None]
    deter = np.repeat(np.arange(60, dtype=np.float32)[None, :, None], 5, 2)
    store.store(serials, deter, (serials[..., None] % 4).astype(np.int16).repeat(2, 2))
    batch = store.sample(16, 6)
    assert batch is not None
    known = batch.serials[:, 0] > 0
    assert np.array_equal(batch.deter[known, 0], batch.serials[known, 0] - 1)
    assert np.array_equal(batch.stoch[known].argmax(-1)[:, 0], (batch.serials[known, 0] - 1) % 4)
    assert not batch.rows.is_first[known, 0].any()


def test_a_stretch_too_short_gives_no_batch_and_too_long_a_rollout_is_an_error() -> None:
    store = replay(20)
    assert store.sample(2, 4) is None
    store.push(Counter("a", 100, 1).play(3), 4)
    assert store.sample(2, 4) is None
    with pytest.raises(ValueError, match="does not fit"):
        store.push(Counter("a", 100, 1).play(30), 4)


def test_forbidden_choices_travel_with_the_observation_at_which_they_were_forbidden() -> None:
    rollout = Counter("a", 3, 0).play(5)
    masks = np.ones((5, 4), np.bool_)
    masks[3, 2] = False
    rows = to_rows(msgspec.structs.replace(rollout, action_masks=masks), SPEC, None)
    assert np.argwhere(~rows.masks).tolist() == [[4, 2]]


def test_open_loop_starts_have_their_context_and_their_future_in_one_episode() -> None:
    rows = to_rows(Counter("a", 30, 0).play(100), SPEC, None)
    starts = whole_starts(rows, 8, 15, 1000)
    assert starts.tolist() == [e * 31 + k for e in range(3) for k in range(7, 16)]
    assert (rows.obs[starts + 15, 1] == rows.obs[starts, 1]).all() and (rows.obs[starts, 2] >= 7).all()
    assert not len(whole_starts(rows, 8, 31, 1000)) and len(whole_starts(rows, 8, 15, 4)) == 4
