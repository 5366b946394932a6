"""What is said between a session and the learner's process about a world that foresees pictures."""

from __future__ import annotations

from agent.concurrency.frames import Message


class OpenWorld(Message, frozen=True):
    """Load the world of a file. Answer: `WorldOpened`."""

    path: str


class WorldOpened(Message, frozen=True):
    """Names and kinds of its controls, sides of a picture, seconds between two, and the pictures that it sees."""

    controls: list[tuple[str, str, int]]
    size_px: int
    dt_s: float
    length: int
    place: str


class Foresee(Message, frozen=True):
    """The next picture of a game, the payload u8 [size, size, 3], and what was done since the one before.

    is_first: nothing is known of what came before. Answer: `Foreseen`.
    """

    game: int
    values: list[float]
    is_first: bool = False


class Foreseen(Message, frozen=True):
    """How far the picture was from the expected one (squared error, changed pixels as much as the others); the regime.

    regime: −1 where the world has none.
    """

    surprise: float
    regime: int = -1
