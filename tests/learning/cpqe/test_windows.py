"""Chunks cut from what was played: their rewards, what follows, and where they may not be cut."""

import numpy as np

from agent.learning.cpqe.windows import Played, cut_chunks

GAMMA = 0.5


def _played(rewards: list[float], *, playing: list[bool] | None = None, first: list[int] = [0], ended: bool) -> Played:  # noqa: B006
    steps = len(rewards)
    number = np.arange(steps, dtype=np.float32)
    is_first, terminated = np.zeros(steps, bool), np.zeros(steps, bool)
    is_first[first] = True
    terminated[-1] = ended
    return Played(
        number[:, None], number[:, None] / 100, np.array(rewards, np.float32),
        np.ones(steps, bool) if playing is None else np.array(playing), is_first, terminated,
    )  # fmt: skip


def test_rewards_are_discounted_and_what_follows_is_the_decision_after_them() -> None:
    chunks = cut_chunks(_played([1, 2, 4, 8, 16, 32], ended=False), length=2, backup=3, gamma=GAMMA)
    assert chunks.condition[:, 0].tolist() == [0, 1, 2, 3]
    assert np.allclose(chunks.chunk[1], [0.01, 0.02])
    # The last state's own reward is of a decision whose outcome is not seen whole: the value stands in from there.
    assert np.allclose(chunks.gained, [1 + 1 + 1, 2 + 2 + 2, 4 + 4 + 4, 8 + 8])
    assert chunks.after[:, 0].tolist() == [3, 4, 5, 5]
    assert np.allclose(chunks.discount, [0.125, 0.125, 0.125, 0.25])


def test_after_an_end_nothing_follows() -> None:
    chunks = cut_chunks(_played([1, 1, 1, 1], ended=True), length=2, backup=3, gamma=GAMMA)
    assert chunks.condition[:, 0].tolist() == [0, 1, 2]
    assert np.allclose(chunks.gained, [1.75, 1.75, 1.5])
    assert np.allclose(chunks.discount, [0.125, 0, 0])


def test_no_chunk_crosses_into_another_episode() -> None:
    chunks = cut_chunks(_played([1] * 8, first=[0, 4], ended=False), length=3, backup=2, gamma=GAMMA)
    assert chunks.condition[:, 0].tolist() == [0, 4]


def test_what_a_menu_pays_belongs_to_the_decision_before_it_and_menus_are_left_out() -> None:
    playing = [True, False, False, True, True, True]
    chunks = cut_chunks(_played([1, 10, 20, 4, 8, 1], playing=playing, ended=False), length=2, backup=2, gamma=GAMMA)
    assert chunks.condition[:, 0].tolist() == [0, 3]
    assert np.allclose(chunks.gained, [31 + 2, 4 + 4])


def test_an_episode_shorter_than_a_chunk_gives_none() -> None:
    assert len(cut_chunks(_played([1, 1], ended=True), length=4, backup=2, gamma=GAMMA)) == 0
