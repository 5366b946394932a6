"""Records hosted games in lock-step as `.npz` episodes, as fast as they go: what a world is learned from.

Row t of a file has picture t, what was done from it until the next picture, and what that earned.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.control.arbiter import Arbiter
from agent.control.policy import Policy
from agent.core.errors import SettingsError
from agent.core.files import write_atomically
from agent.core.types import Action, ByteArray, EnvAction, FloatArray, Frame, Shown
from agent.games.contract import HostedGame
from agent.games.hosting import shown_by
from agent.journal.export.rows import ACTION_FIELDS
from agent.learning.pixels.actions import joined, layout_for, numbers_of
from agent.learning.pixels.layout import STANDARD
from agent.learning.pixels.prepared import fitted
from agent.training.evaluate import observe

MAX_HELD: Final = 6
"""Decisions for which a random choice of an environment is held, at most."""
FORMAT: Final = "metabonk-npz/1"


class RandomChoices:
    """Random axes and choices of an environment, each held for one to six decisions."""

    def __init__(self, shown: Shown, seed: int) -> None:
        self._shown, self._rng = shown, np.random.default_rng(seed)
        self._action, self._left = Action(), 0

    def act(self) -> Action:
        """The next decision's."""
        if self._left == 0:
            axes = tuple(self._rng.uniform(-1, 1, self._shown.axes).tolist())
            choices = tuple(int(self._rng.integers(count)) for count in self._shown.branches)
            self._action = Action(env=EnvAction(axes, choices))
            self._left = int(self._rng.integers(1, MAX_HELD + 1))
        self._left -= 1
        return self._action


@dataclass(eq=False)
class _Rows:
    """The rows of one episode."""

    pictures: list[ByteArray] = field(default_factory=list)
    actions: list[FloatArray] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    menus: list[str] = field(default_factory=list)
    is_over: bool = False


class Recorder:
    """Plays episodes of one game by one policy (None: random choices of an environment); a picture each `every` ticks.

    An episode has at most `max_frames` pictures, which are squares of `size_px` pixels where that is not 0.
    """

    def __init__(
        self, game: HostedGame, policy: Policy | None, *, every: int, max_frames: int, start: str, size_px: int = 0
    ) -> None:
        self.shown = shown_by(game)
        if policy is None and self.shown is None:
            raise SettingsError(f"{game.name}: has no choices of its own to take at random; name a policy")
        self.layout = layout_for(self.shown)
        self._game, self._policy, self._start = game, policy, start
        self._every, self._max_frames, self._size_px = every, max_frames, size_px

    def episode(self, seed: int) -> dict[str, Any]:
        """The arrays of one episode."""
        game, arbiter, rows = self._game, Arbiter(), _Rows()
        game.reset(seed, start=self._start)
        random = None if self._policy is not None or self.shown is None else RandomChoices(self.shown, seed)
        carry: Any = None if self._policy is None else self._policy.initial(1)
        frame: Frame | None = None
        deeds: list[FloatArray] = []
        tick = 0
        while len(rows.pictures) < self._max_frames and not rows.is_over:
            state = game.state()
            if tick % self._every == 0:
                frame = Frame(game.render(), tick * game.tick_s, tick * game.tick_s)
                rows.pictures.append(fitted(frame.pixels, self._size_px) if self._size_px else frame.pixels)
                rows.menus.append(state.current_menu)
                rows.rewards.append(0.0)
                deeds = []
            if random is not None:
                action = random.act()
            else:
                assert self._policy is not None
                carry, actions = self._policy.step(carry, [observe(game, 0, state, frame, tick)])
                action = arbiter.choose(actions[0]).action
            deeds.append(numbers_of(action, self.shown, game.capture_size_px))
            game.tick(action)
            tick += 1
            run = game.state().run
            if run is not None:
                rows.rewards[-1] += run.reward
                rows.is_over = run.run_ended
            if tick % self._every == 0 or rows.is_over:
                rows.actions.append(joined(deeds, self.layout))
        rows.actions += [joined(deeds, self.layout)] * (len(rows.pictures) - len(rows.actions))
        return self._arrays(rows)

    def _arrays(self, rows: _Rows) -> dict[str, Any]:
        count = len(rows.pictures)
        return {
            "observations": np.stack(rows.pictures), "actions": np.stack(rows.actions),
            "rewards": np.array(rows.rewards, np.float32), "dones": np.arange(count) == count - 1 if rows.is_over
            else np.zeros(count, np.bool_), "times": np.arange(count) * self._game.tick_s * self._every,
            "menus": np.array(rows.menus, np.str_),
        }  # fmt: skip


def write_episodes(
    recorder: Recorder, out: Path, *, prefix: str, episodes: int, seed: int, meta: dict[str, Any],
    on_episode: Callable[[int, int], None] = lambda index, pictures: None,
) -> int:  # fmt: skip
    """Play and write episodes with seeds `seed`, `seed`+1, …; what is there already is left. Returns the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    own = {} if recorder.layout == STANDARD else {"action_space": msgspec.to_builtins(recorder.layout.controls)}
    total = 0
    for index in range(episodes):
        path = out / f"{prefix}-{seed + index:05d}.npz"
        if path.exists():
            continue
        arrays = recorder.episode(seed + index)
        fields = {"action_format": list(ACTION_FIELDS)} if not own else {"action_format": list(recorder.layout.names)}
        told = {**meta, **own, **fields, "action_dim": arrays["actions"].shape[1], "episode_idx": index,
                "format": FORMAT, "reason": "run_ended" if arrays["dones"][-1] else "max_frames"}  # fmt: skip
        arrays["meta"] = np.array(msgspec.json.encode(told).decode())
        body = io.BytesIO()
        np.savez_compressed(body, allow_pickle=False, **arrays)
        write_atomically(path, body.getvalue())
        total += len(arrays["observations"])
        on_episode(index, total)
    return total
