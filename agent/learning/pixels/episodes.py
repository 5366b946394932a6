"""Episodes of pictures and actions, mapped from files: what every learner from pictures reads.

`load.open_episodes(folder)` makes them of recordings, videos and journals. Pictures stay on the disk; only what is
sampled is read. A split is by episode, so no picture of a held-out episode is ever trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agent.core.errors import RecordingError
from agent.core.types import ByteArray, FloatArray
from agent.learning.pixels.layout import ActionLayout


@dataclass(frozen=True, eq=False, kw_only=True)
class Episode:
    """Pictures of one episode, and what was done between them.

    frames: u8 [T, size, size, 3] RGB, upright, mapped from a file. actions: f32 [T, controls]; row t is what was done
    from picture t until picture t + 1; None of a video. known: bool [T, controls]: where an action is known; None:
    everywhere. dt_s: seconds from one picture to the next. Where the file has them: rewards f32 [T], earned until the
    next picture; dones bool [T], the run ended before it; menus str [T], "" in play. player: who played, "" where the
    file does not say.
    """

    name: str
    source: str
    frames: ByteArray
    dt_s: float
    actions: FloatArray | None = None
    known: NDArray[np.bool_] | None = None
    rewards: FloatArray | None = None
    dones: NDArray[np.bool_] | None = None
    menus: NDArray[np.str_] | None = None
    player: str = ""

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True, eq=False)
class Windows:
    """Stretches of episodes. frames: u8 [B, L, size, size, 3]; actions: f32 [B, L, width], encoded.

    episodes and starts, int [B]: of which episode, and where in it.
    """

    frames: ByteArray
    actions: FloatArray
    episodes: NDArray[np.int64]
    starts: NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Episodes:
    """Episodes of one size and one layout of actions (None: videos without actions).

    refused: files that could not be used, each with the reason.
    """

    items: tuple[Episode, ...]
    layout: ActionLayout | None
    size_px: int
    refused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def pictures(self) -> int:
        """Pictures of all episodes."""
        return sum(len(episode) for episode in self.items)

    def encoded(self, index: int) -> FloatArray:
        """The actions of one episode for a network, f32 [T, width]; width 0 where there are none."""
        actions = self.items[index].actions
        if self.layout is None or actions is None:
            return np.zeros((len(self.items[index]), 0), np.float32)
        return self.layout.encode(actions)

    def labelled(self) -> Episodes:
        """The episodes that have actions; raises RecordingError where none has."""
        items = tuple(episode for episode in self.items if episode.actions is not None)
        if not items:
            raise RecordingError("none of the episodes has actions; videos need labels first")
        return replace(self, items=items)

    def of(self, indices: Sequence[int]) -> Episodes:
        """Some of the episodes."""
        return replace(self, items=tuple(self.items[i] for i in indices))

    def split(self, held_out: float = 0.1, *, seed: int = 0) -> tuple[Episodes, Episodes]:
        """Episodes to learn from and to measure with; at least one each. Raises RecordingError for fewer than two."""
        if len(self.items) < 2:
            raise RecordingError(
                f"{len(self.items)} episode: at least 2 are needed, one of them to measure with; record more, or "
                "record shorter ones"
            )
        order = np.random.default_rng(seed).permutation(len(self.items))
        count = min(len(order) - 1, max(1, round(held_out * len(order))))
        return self.of(sorted(order[count:].tolist())), self.of(sorted(order[:count].tolist()))

    def windows(self, rng: np.random.Generator, count: int, length: int) -> Windows:
        """Stretches of `length` pictures from anywhere, every stretch as likely; raises RecordingError.

        Episodes that are shorter than `length` are left out.
        """
        places = np.array([max(0, len(episode) - length + 1) for episode in self.items])
        if not places.sum():
            raise RecordingError(f"no episode has {length} pictures; the longest has {max(map(len, self.items))}")
        ends = places.cumsum()
        at = rng.integers(0, ends[-1], count)
        which = np.searchsorted(ends, at, side="right")
        starts = at - (ends[which] - places[which])
        return self.cut(which, starts, length)

    def cut(self, which: NDArray[np.int64], starts: NDArray[np.int64], length: int) -> Windows:
        """The stretches of these episodes that begin there."""
        pairs = list(zip(which.tolist(), starts.tolist(), strict=True))
        frames = np.stack([self.items[i].frames[s : s + length] for i, s in pairs])
        actions = np.stack([self._encoded_all[i][s : s + length] for i, s in pairs])
        return Windows(frames, actions, which, starts)

    @cached_property
    def _encoded_all(self) -> list[FloatArray]:
        return [self.encoded(i) for i in range(len(self.items))]
