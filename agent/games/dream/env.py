"""`dream:FILE`: a world that was learned from recordings, as a Gymnasium environment.

All environments of one file in one process share a child that holds the networks. `dream:FILE?width=64&height=48` shows
pictures of that size, as the real game's are. An episode ends where the world foresees an end, and after `max_steps`
(1,000) steps.
"""

from __future__ import annotations

import itertools
import queue
import threading
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import cv2
import gymnasium
import numpy as np
from gymnasium import spaces

from agent.concurrency.child import ChildProcess
from agent.concurrency.frames import UNASKED, Failed, Frame, Message, decoder_of
from agent.core.errors import ChildGone, GameError, SettingsError
from agent.core.types import ByteArray
from agent.games.dream.messages import DreamControl, Leave, Open, Opened, Reset, Shown, Step
from agent.games.options import DREAM, MAX_PICTURE_PX, MIN_PICTURE_PX

MODULE: Final = "agent.training.pixels.dream_child"
ANSWER_S: Final = 120.0
ENDS_ABOVE: Final = 0.5
MAX_STEPS: Final = 1000
_NUMBERS: Final = {"height": (MIN_PICTURE_PX, MAX_PICTURE_PX), "width": (MIN_PICTURE_PX, MAX_PICTURE_PX),
                   "max_steps": (1, 1_000_000)}  # fmt: skip
A = TypeVar("A", bound=Message)


class DreamProcess:
    """The child of one file; calls wait for their answer."""

    def __init__(self, path: Path) -> None:
        self.path, self.users = path, 0
        self._answers: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._calls, self._one = itertools.count(1), threading.Lock()
        self._child = ChildProcess(
            "dream", MODULE, [str(path)], on_frame=self._heard, on_end=lambda code: self._answers.put(None)
        )

    def _heard(self, frame: Frame) -> None:
        if frame.call != UNASKED:
            self._answers.put(frame)

    def call(self, message: Message, answer: type[A]) -> tuple[A, bytes]:
        """Ask and wait; raises GameError where the child fails, ends, or does not answer."""
        with self._one:
            try:
                self._child.send(next(self._calls), message, b"")
                frame = self._answers.get(timeout=ANSWER_S)
            except (ChildGone, queue.Empty) as error:
                self._child.kill()
                raise GameError(f"{DREAM}{self.path}: {error or f'no picture within {ANSWER_S:.0f} s'}") from error
        if frame is None:
            raise GameError(f"{DREAM}{self.path}: its process ended")
        found = decoder_of(answer | Failed).decode(frame.packed)
        if isinstance(found, Failed):
            raise GameError(f"{DREAM}{self.path}: {found.error}")
        return found, frame.payload

    def close(self) -> None:
        """End the child."""
        self._child.close()


_SHARED: Final[dict[Path, DreamProcess]] = {}


def _shared(path: Path) -> DreamProcess:
    process = _SHARED.get(path)
    if process is None:
        process = _SHARED[path] = DreamProcess(path)
    process.users += 1
    return process


def _left(process: DreamProcess) -> None:
    process.users -= 1
    if not process.users:
        _SHARED.pop(process.path, None)
        process.close()


def _space(control: DreamControl) -> spaces.Space[Any]:
    if control.kind == "choice":
        return spaces.Discrete(control.choices)
    if control.kind == "key":
        return spaces.Discrete(2)
    return spaces.Box(-1.0 if control.kind == "axis" else 0.0, 1.0, (), np.float32)


def arguments_of(game: str) -> tuple[Path, dict[str, int]]:
    """The file and the numbers of `dream:FILE[?NAME=NUMBER&…]`; raises SettingsError."""
    name, _, query = game.removeprefix(DREAM).partition("?")
    if not Path(name).is_file():
        raise SettingsError(f"--game {game}: there is no file {name}; `python -m agent world train` makes a world")
    found: dict[str, int] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        low, high = _NUMBERS.get(key, (0, 0))
        if not high or not value.isdecimal() or not low <= int(value) <= high:
            known = ", ".join(f"{name} ({low} to {high})" for name, (low, high) in _NUMBERS.items())
            raise SettingsError(f"--game {game}: {key}={value}: there are {known}")
        found[key] = int(value)
    return Path(name).absolute(), found


class DreamEnv(gymnasium.Env[ByteArray, Any]):
    """One dream: pictures u8 [height, width, 3], an action of the world's own controls."""

    def __init__(self, game: str) -> None:
        path, asked = arguments_of(game)
        self._process = _shared(path)
        try:
            opened, _ = self._process.call(Open(), Opened)
        except GameError:
            _left(self._process)
            raise
        self._number = next(_NUMBER)
        self._opened, self._steps = opened, 0
        self._size = asked.get("width", opened.size_px), asked.get("height", opened.size_px)
        self._max_steps = asked.get("max_steps", MAX_STEPS)
        self._picture: ByteArray = np.zeros((self._size[1], self._size[0], 3), np.uint8)
        self._is_open = True
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 1.0 / opened.dt_s}
        self.observation_space = spaces.Box(0, 255, self._picture.shape, np.uint8)
        parts = [_space(control) for control in opened.controls]
        self.action_space = parts[0] if len(parts) == 1 else spaces.Tuple(parts)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ByteArray, dict[str, Any]]:
        """Begin behind real pictures that the seed picks."""
        super().reset(seed=seed)
        self._steps = 0
        _, payload = self._process.call(Reset(number=self._number, seed=int(self.np_random.integers(2**31))), Shown)
        return self._take(payload), {}

    def step(self, action: Any) -> tuple[ByteArray, float, bool, bool, dict[str, Any]]:
        """One picture on."""
        values = [float(part) for part in (action if isinstance(action, tuple) else (action,))]
        shown, payload = self._process.call(Step(number=self._number, values=values), Shown)
        self._steps += 1
        ended = self._opened.has_outcomes and shown.end > ENDS_ABOVE
        return self._take(payload), shown.reward, ended, self._steps >= self._max_steps, {}

    def render(self) -> Any:
        """The newest picture."""
        return self._picture

    def _take(self, payload: bytes) -> ByteArray:
        size = self._opened.size_px
        picture: ByteArray = np.frombuffer(payload, np.uint8).reshape(size, size, 3)
        if self._size != (size, size):
            picture = np.asarray(cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        self._picture = picture.copy()
        return self._picture

    def close(self) -> None:
        """Leave the process; the last one ends it."""
        if self._is_open:
            self._is_open = False
            if self._process.users > 1:
                self._process.call(Leave(number=self._number), Shown)
            _left(self._process)


_NUMBER: Final = itertools.count(1)
