"""The loop that gathers experience: the time of every field, ends, and what is seen last."""

from __future__ import annotations

import numpy as np

from agent.training.collect import Deed, Happened, Seen, collect, rollouts


class Counters:
    """Two games that count: game 0 dies at 3, game 1 is cut at 4 and nobody sees what followed; both begin anew."""

    def __init__(self) -> None:
        self.at = np.zeros(2, np.int64)

    def seen(self) -> Seen:
        obs = np.stack([self.at, 10 * np.arange(2)], 1).astype(np.float32)
        return Seen(obs, self.at == 0, np.where(self.at == 0, 0.0, 0.1).astype(np.float32))

    def step(self, axes: np.ndarray, choices: np.ndarray) -> Happened:
        self.at = self.at + 1
        died, cut = self.at == [3, 99], self.at == [99, 4]
        final = {0: np.array([self.at[0], -1], np.float32)} if died[0] else {}
        rewards = self.at + choices[:, 0]
        self.at = np.where(died | cut, 0, self.at)
        return Happened(rewards, died, cut, final)


def act(seen: Seen) -> Deed:
    return Deed(np.zeros((2, 0), np.float32), 100 * (1 + seen.obs[:, :1].astype(np.int64)))


def test_every_field_is_of_the_step_that_it_belongs_to() -> None:
    one, two = rollouts(collect(Counters(), act, 5), ["a", "b"], "p", 7)
    assert (one.instance, two.instance, one.policy, one.policy_version) == ("a", "b", "p", 7)
    assert one.obs.tolist() == [[0, 0], [1, 0], [2, 0], [0, 0], [1, 0]]
    assert one.actions_disc[:, 0].tolist() == [100, 200, 300, 100, 200] and one.actions_cont.shape == (5, 0)
    assert one.rewards.tolist() == [101, 202, 303, 101, 202]
    assert one.terminated.tolist() == [False, False, True, False, False] and not one.truncated.any()
    assert one.is_first.tolist() == [True, False, False, True, False] and one.elapsed_s[0] == one.elapsed_s[3] == 0.0
    assert one.final_obs.tolist() == [[3, -1], [2, 0]], "what the ended game showed last, then what is seen now"
    assert two.truncated.tolist() == [False, False, False, True, False] and not two.terminated.any()
    assert two.final_obs.tolist() == [[3, 10], [1, 10]], "its own sight where nobody saw what followed"
    assert two.log_probs is None and two.values is None


def test_play_goes_on_where_it_was_and_until_so_many_episodes_have_ended() -> None:
    games = Counters()
    first, second = collect(games, act, 2), collect(games, act, 2)
    assert first.after[:, 0].tolist() == second.obs[0, :, 0].tolist() == [2, 2]
    assert len(collect(Counters(), act, 1, episodes=2).obs) == 4
