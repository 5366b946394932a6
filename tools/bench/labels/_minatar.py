"""Streams of MinAtar with what can be known of each action: games whose player moves by one cell or stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agent.core.types import ByteArray
from agent.games.pixels import paint_flags
from agent.games.registered_env import make_env
from agent.learning.pixels.episodes import Episode, Episodes
from agent.learning.pixels.layout import one_choice
from agent.learning.pixels.prepared import fitted

SIZE_PX: Final = 64
MOVES: Final = {"n": (0, 0), "l": (-1, 0), "r": (1, 0), "u": (0, -1), "d": (0, 1)}
BOUNDS: Final = {"Breakout": ((0, 9), (9, 9)), "Asterix": ((0, 9), (1, 8))}
"""Of the player's x and y."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows of several episodes in order; `moves` by action. is_last: the picture after which nothing is done."""

    frames: ByteArray
    actions: NDArray[np.int64]
    positions: NDArray[np.int64]
    is_last: NDArray[np.bool_]


class Game:
    """One MinAtar game, played at random; sticky: chance that the action before is done once more; delay in steps."""

    def __init__(self, name: str, *, sticky: float, delay: int = 0) -> None:
        self.name, self.sticky, self.delay = name, sticky, delay
        self._env: Any = make_env(f"minatar.gym:MinAtar/{name}-v1?sticky_action_prob={sticky}")
        inner = self._env.unwrapped
        self.moves = [MOVES[inner.game.env.action_map[a]] for a in inner.action_set]

    @property
    def choices(self) -> int:
        """How many actions there are."""
        return len(self.moves)

    def _position(self) -> tuple[int, int]:
        env = self._env.unwrapped.game.env
        return (env.pos, 9) if self.name == "Breakout" else (env.player_x, env.player_y)

    def follower(self, rng: np.random.Generator) -> int:
        """A good player of Breakout: the paddle goes where the ball will be; one action in twenty is random."""
        env = self._env.unwrapped.game.env
        if rng.random() < 0.05:
            return int(rng.integers(self.choices))
        ahead = env.ball_x + (1 if env.ball_dir in (1, 2) else -1)
        wanted = int(np.sign(min(9, max(0, ahead)) - env.pos))
        return self.moves.index((wanted, 0))

    def stream(self, rows: int, seed: int, *, follows: bool = False, size_px: int = SIZE_PX) -> Stream:
        """So many rows of random play, or of the good player's; pictures of size_px."""
        rng = np.random.default_rng(seed)
        frames, actions, positions, is_last = [], [], [], []
        observation, _ = self._env.reset(seed=int(rng.integers(1 << 31)))
        waiting = [0] * self.delay
        while len(frames) < rows:
            action = self.follower(rng) if follows else int(rng.integers(self.choices))
            frames.append(fitted(paint_flags(np.asarray(observation)), size_px))
            positions.append(self._position())
            actions.append(action)
            waiting.append(action)
            observation, _, done, _, _ = self._env.step(waiting.pop(0))
            is_last.append(False)
            if done:
                frames.append(fitted(paint_flags(np.asarray(observation)), size_px))
                positions.append(self._position())
                actions.append(0)
                is_last.append(True)
                observation, _ = self._env.reset()
                waiting = [0] * self.delay
        is_last[-1] = True
        return Stream(np.stack(frames), np.array(actions), np.array(positions), np.array(is_last))

    def shown(self, stream: Stream) -> NDArray[np.bool_]:
        """Rows whose action is done before the run ends; bool [T]."""
        found = ~stream.is_last
        for late in range(1, self.delay + 1):
            found[: len(found) - late] &= ~stream.is_last[late:]
        return found

    def ceiling(self, stream: Stream) -> NDArray[np.int64]:
        """The likeliest action of each row given all positions and the rules: nobody can tell better from pictures."""
        best = np.zeros(len(stream.actions), np.int64)
        ends = np.flatnonzero(stream.is_last)
        start = 0
        for end in ends.tolist():
            best[start:end] = self._smoothed(stream.positions[start : end + 1])
            start = end + 1
        return best

    def _smoothed(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Forward and backward over what was done; positions [T + 1, 2] to actions [T]."""
        steps, n = len(positions) - 1, self.choices
        (left, right), (top, bottom) = BOUNDS[self.name]
        low, high = np.array([left, top]), np.array([right, bottom])
        fits = np.zeros((steps, n))
        for a, move in enumerate(self.moves):
            fits[:, a] = (np.clip(positions[:-1] + move, low, high) == positions[1:]).all(1)
        chosen = np.full((n, n), (1.0 - self.sticky) / n) + np.eye(n) * self.sticky  # [before, done]
        forward, backward = np.zeros((steps, n)), np.ones((steps + 1, n))
        before = np.eye(n)[0]
        for t in range(steps):
            now = (before @ chosen) * fits[t]
            before = forward[t] = now / max(now.sum(), 1e-12)
        for t in range(steps - 1, 0, -1):
            back = chosen @ (fits[t] * backward[t + 1])
            backward[t] = back / max(back.sum(), 1e-12)
        best = np.zeros(steps, np.int64)
        for t in range(steps):
            shown = t + self.delay  # an action is done so much later
            if shown >= steps:
                continue  # never done: every guess is as good
            earlier = forward[shown - 1] if shown else np.eye(n)[0]
            did = fits[shown] * backward[shown + 1]
            # P(action) of each: it is done, or the one before is done again.
            odds = (1.0 - self.sticky) * did * earlier.sum() + self.sticky * (earlier * did).sum()
            best[t] = int(odds.argmax())
        return best


def enlarged(stream: Stream) -> Stream:
    """The same with pictures as the model reads them."""
    return replace(stream, frames=np.stack([fitted(frame, SIZE_PX) for frame in stream.frames]))


def episodes_of(game: Game, streams: list[Stream]) -> Episodes:
    """Streams as episodes of one choice; what is done at the end of a run is unknown."""
    items = tuple(
        Episode(
            name=f"{game.name}-{i}", source="", frames=s.frames, dt_s=1.0 / 15.0,
            actions=s.actions[:, None].astype(np.float32), known=game.shown(s)[:, None],
        )
        for i, s in enumerate(streams)
    )  # fmt: skip
    return Episodes(items=items, layout=one_choice(game.choices), size_px=streams[0].frames.shape[1])
