"""What is said between a session and the process that reads recordings; both ends import it."""

from __future__ import annotations

from typing import Any

from agent.concurrency.frames import Message


class ListRecordings(Message, frozen=True):
    """Which recordings there are below a folder. Answer: `Listed`."""

    folder: str


class Listed(Message, frozen=True):
    """Recordings, newest first, as plain values."""

    recordings: list[dict[str, Any]]


class Overview(Message, frozen=True):
    """What one game of a recording went through. Answer: `Seen`."""

    path: str
    game: int


class Seen(Message, frozen=True):
    """length_s; series: columns over time; marks: what happened when; header: of the session."""

    length_s: float
    header: dict[str, Any]
    series: dict[str, list[float | None]]
    marks: list[dict[str, Any]]


class At(Message, frozen=True):
    """What was there `seconds` after the first packet of a game. Answer: `Moment`, whose payload is the JPEG."""

    path: str
    game: int
    seconds: float


class Moment(Message, frozen=True):
    """Scene and decision as in the live state; number: of the packet; episode: counted from 1."""

    at_s: float
    number: int
    values: dict[str, Any]


Call = ListRecordings | Overview | At
