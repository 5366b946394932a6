"""What goes between an environment of a dream and the process that makes its pictures."""

from __future__ import annotations

import msgspec

from agent.concurrency.frames import Message


class DreamControl(msgspec.Struct, frozen=True):
    """One control of the world's actions; kind: axis, key, choice or position."""

    name: str
    kind: str
    choices: int = 0


class Open(Message, frozen=True):
    """What is this world?"""


class Opened(Message, frozen=True):
    """Its controls, pictures' sides and the seconds between two; has_outcomes: it foresees rewards and ends."""

    controls: list[DreamControl]
    size_px: int
    dt_s: float
    has_outcomes: bool


class Reset(Message, frozen=True):
    """Begin an episode of the dream `number`."""

    number: int
    seed: int


class Step(Message, frozen=True):
    """One action, a value for each control."""

    number: int
    values: list[float]


class Leave(Message, frozen=True):
    """The dream `number` is not played any more."""

    number: int


class Shown(Message, frozen=True):
    """The picture is the payload, u8 [size, size, 3]; the step's reward, and the chance that it ended the run."""

    reward: float = 0.0
    end: float = 0.0


Asked = Open | Reset | Step | Leave
