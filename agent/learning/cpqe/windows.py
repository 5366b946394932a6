"""From what players did, decision by decision, to chunks with their discounted rewards and what came after.

Only decisions of play count; what a menu between them paid belongs to the decision before it. Owns what it is given.
"""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


class Played(msgspec.Struct, frozen=True, eq=False):
    """One game's decisions, [T, …]: condition, action in −1 … 1, reward, whether it was play, and how it ended.

    first: an episode's first decision. terminated: its last, by death or win; where the next is `first` without it, the
    episode was cut.
    """

    condition: FloatArray
    action: FloatArray
    reward: FloatArray
    playing: BoolArray
    first: BoolArray
    terminated: BoolArray


class Chunks(msgspec.Struct, frozen=True, eq=False):
    """Windows as columns: what was seen, the chunk, rewards of `backup` decisions, and what follows them.

    discount: γ to the number of decisions until `after`, 0 where the episode ended before.
    """

    condition: Float[Tensor, "B C"]
    chunk: Float[Tensor, "B W"]
    gained: Float[Tensor, " B"]
    after: Float[Tensor, "B C"]
    discount: Float[Tensor, " B"]

    def __len__(self) -> int:
        return len(self.gained)

    def rows(self, index: Tensor) -> Chunks:
        """Those of an index."""
        return Chunks(
            self.condition[index], self.chunk[index], self.gained[index], self.after[index], self.discount[index]
        )


def joined(parts: list[Chunks]) -> Chunks:
    """One after another."""
    return Chunks(*(torch.cat(columns) for columns in zip(*(msgspec.structs.astuple(p) for p in parts), strict=True)))


def cut_chunks(played: Played, *, length: int, backup: int, gamma: float) -> Chunks:
    """Every window of `length` decisions of play in one episode, with rewards `backup` decisions ahead.

    Rewards are summed to the episode's end where it comes sooner. A window whose episode was cut before `backup`
    decisions asks for the value at its last one.
    """
    episode = np.cumsum(played.first)
    kept: list[tuple[FloatArray, ...]] = []
    for number in np.unique(episode):
        rows = np.flatnonzero(episode == number)
        found = _episode(played, rows, length, backup, gamma)
        if found is not None:
            kept.append(found)
    if not kept:
        width, action = played.condition.shape[1], played.action.shape[1]
        empty = np.zeros((0, width), np.float32)
        none = np.zeros(0, np.float32)
        kept = [(empty, np.zeros((0, length * action), np.float32), none, empty, none)]
    columns = [np.concatenate(parts) for parts in zip(*kept, strict=True)]
    return Chunks(*(torch.from_numpy(c) for c in columns))


def _episode(
    played: Played, rows: NDArray[np.intp], length: int, backup: int, gamma: float
) -> tuple[FloatArray, ...] | None:
    """Columns of one episode's windows, None where it is shorter than a window."""
    at = rows[played.playing[rows]]
    count = len(at)
    if count <= length:
        return None
    owner = np.searchsorted(at, rows, side="right") - 1
    pay = np.zeros(count)
    np.add.at(pay, np.maximum(owner, 0), played.reward[rows])
    ended = bool(played.terminated[rows].any())
    starts = np.arange(count - length + ended)
    chunk = played.action[at][starts[:, None] + np.arange(length)].reshape(len(starts), -1)
    last = count if ended else count - 1
    stop = np.minimum(starts + backup, last)
    powers = gamma ** np.arange(count + 1)
    total = np.concatenate([[0.0], np.cumsum(pay * powers[:count])])
    gained = (total[stop] - total[starts]) / powers[starts]
    alive = (stop < count) if ended else np.ones(len(starts), np.bool_)
    discount = np.where(alive, gamma ** (stop - starts), 0.0)
    after = played.condition[at[np.minimum(stop, count - 1)]]
    columns = played.condition[at[starts]], chunk, gained, after, discount
    return tuple(c.astype(np.float32) for c in columns)
