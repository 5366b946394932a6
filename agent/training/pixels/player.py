"""A world that a person plays: keys to actions, one picture after another; or a recording beside what was expected.

While a recording is replayed, each of its pictures is foreseen from those before it, and shown beside that; the first
key that is pressed leaves the recording, and the world goes on by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch

from agent.core.types import ByteArray, FloatArray
from agent.learning.pixels.episodes import Episode
from agent.learning.pixels.generate import Generator
from agent.learning.pixels.layout import ActionLayout
from agent.learning.pixels.world_file import SavedWorld

AXES: Final = (("KeyA", "KeyD"), ("KeyS", "KeyW"), ("ArrowLeft", "ArrowRight"), ("ArrowDown", "ArrowUp"))
KEYS: Final = ("Space", "KeyQ", "KeyE", "KeyF", "KeyR", "KeyZ", "KeyX", "KeyC")
CHOICES: Final = ("Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9")
ARROWS: Final = ("ArrowUp", "ArrowRight", "ArrowLeft", "ArrowDown", "Space")
"""Choices 1 to 5 of an action that is one choice alone."""


def _bound(layout: ActionLayout) -> Iterator[tuple[str, int, float]]:
    """Each key, the control that it moves, and where to."""
    axes, keys, choices = iter(AXES), iter(KEYS), iter([CHOICES])
    is_one = len(layout.controls) == 1
    clicked = {control.of for control in layout.controls if control.kind == "position"}
    for i, control in enumerate(layout.controls):
        if control.kind == "axis":
            for code, value in zip(next(axes, ()), (-1.0, 1.0), strict=False):
                yield code, i, value
        elif control.kind == "key" and control.name not in clicked:
            for code in [next(keys, "")]:
                if code:
                    yield code, i, 1.0
        elif control.kind == "choice":
            for value, code in enumerate(next(choices, ()), 1):
                if value < control.choices:
                    yield code, i, float(value)
            for value, code in enumerate(ARROWS if is_one else (), 1):
                if value < control.choices:
                    yield code, i, float(value)


def keys_of(layout: ActionLayout) -> list[tuple[str, str]]:
    """Each key and what it does."""
    told = []
    for code, i, value in _bound(layout):
        control = layout.controls[i]
        told.append((code, control.name if control.kind == "key" else f"{control.name} {value:+g}"))
    return told


def action_of(layout: ActionLayout, keys: frozenset[str], click: tuple[float, float] | None) -> FloatArray:
    """The action of the keys that are down, f32 [controls]."""
    action = np.zeros(len(layout.controls), np.float32)
    for code, i, value in _bound(layout):
        if code in keys:
            action[i] = action[i] + value if layout.controls[i].kind == "axis" else value
    if click is not None:
        for value, (i, control) in zip(
            click, ((i, c) for i, c in enumerate(layout.controls) if c.kind == "position"), strict=False
        ):
            action[i] = value
            if control.of:
                action[layout.names.index(control.of)] = 1.0
    return action


class DreamPlayer:
    """One world that is played, or beside a recording."""

    def __init__(
        self, saved: SavedWorld, *, seed: int = 0, temperature: float = 0.5, episode: Episode | None = None
    ) -> None:
        torch.set_num_threads(1)
        self._saved, self._layout, self._episode = saved, saved.action_layout, episode
        self._generator = Generator(saved.world, temperature=temperature, seed=seed)
        self._rng = np.random.default_rng(seed)
        self._at: int | None = None
        self._number = 0
        self.restart()

    def described(self) -> dict[str, Any]:
        """For the page."""
        sizes, layout = self._saved.world.sizes, self._saved.layout
        game = f" of {layout.game}" if layout.game else ""
        size_px, pictures_per_s = sizes.tokenizer.size_px, 1 / layout.dt_s
        about = f"a world{game}: {sizes.dynamics.arm}, {size_px} pixels, {pictures_per_s:.3g} pictures/s"
        return {"about": about, "keys": keys_of(self._layout)}

    def restart(self) -> None:
        """Begin behind other pictures; a recording from its beginning."""
        length = self._saved.world.length
        if self._episode is not None and len(self._episode) > length:
            actions = self._layout.encode(np.asarray(self._episode.actions, np.float32))
            self._recorded = torch.from_numpy(actions)
            frames = np.asarray(self._episode.frames[:length])[None]
            self._generator.start(torch.from_numpy(frames), self._recorded[None, : length - 1])
            self._at = length - 1
            return
        index = int(self._rng.integers(len(self._saved.frames)))
        frames, between = self._saved.frames[index][None], self._saved.actions[index][None, :-1]
        self._generator.start(torch.from_numpy(frames), torch.from_numpy(between))
        self._at = None

    def tick(self, keys: frozenset[str], click: tuple[float, float] | None) -> tuple[dict[str, Any], bytes]:
        """The next picture."""
        self._number += 1
        known = {code for code, _ in keys_of(self._layout)}
        if self._at is not None and (keys & known or click is not None):
            self._at = None
        if self._at is not None:
            return self._replayed()
        before = self._generator.latest
        action = torch.from_numpy(self._layout.encode(action_of(self._layout, keys, click)))[None]
        made = self._generator.step(action)
        reward = None
        if self._saved.layout.has_outcomes:
            reward = float(self._generator.outcome(before, made)[0])
        return self._dreamed("dreamed", made[0].numpy(), None, None, reward)

    def _replayed(self) -> tuple[dict[str, Any], bytes]:
        assert self._at is not None and self._episode is not None
        at = self._at
        action, true = self._recorded[at][None], np.asarray(self._episode.frames[at + 1])
        expected = self._generator.expect(action)[0].clamp(0, 1).movedim(0, -1)
        surprise = float(self._generator.observe(torch.from_numpy(true)[None], action))
        self._at = at + 1
        rewards = self._episode.rewards
        made = (expected * 255).round().to(torch.uint8).numpy()
        shown = self._dreamed(
            "foreseen, beside the recording", made, true, surprise, None if rewards is None else float(rewards[at])
        )
        if self._at + 1 >= len(self._episode):
            self.restart()
        return shown

    def _dreamed(
        self, mode: str, made: ByteArray, true: ByteArray | None, surprise: float | None, reward: float | None
    ) -> tuple[dict[str, Any], bytes]:
        regime = None if self._generator.regime is None else int(self._generator.regime[0].argmax())
        about = {
            "mode": mode, "number": self._number, "size": made.shape[0], "has_true": true is not None,
            "regime": regime, "surprise": surprise, "reward": reward,
        }  # fmt: skip
        return about, made.tobytes() + (b"" if true is None else np.ascontiguousarray(true).tobytes())
