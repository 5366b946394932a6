"""A part of a session: what works beside the path of a frame, and can never hold it up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec


class Route(msgspec.Struct, frozen=True):
    """One HTTP route of a part; GET routes have no side effects. `handler` takes aiohttp's request."""

    method: str
    path: str
    handler: Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True)
class Part:
    """A frozen dataclass of what a part needs; what it does not override does nothing.

    All is called on the event loop. A session calls `begin` of one part after the other, then every `run` at once;
    play's end cancels them; then `finish` and, last part first, `close`.

    name: of its task; its failures are counted under it. key: where `/status` shows it, "" where it shows nothing.
    is_essential: what `run` raises ends the session; otherwise `run` is called again, until it failed too often.
    role: what the plan for memory knows it by, "" where it has nothing to give up.
    """

    name: ClassVar[str]
    key: ClassVar[str] = ""
    is_essential: ClassVar[bool] = False
    role: ClassVar[str] = ""

    async def begin(self) -> None:
        """Do what must be done before play; what this raises ends the session."""

    async def run(self) -> None:
        """Work until cancelled, or until there is nothing left to do."""

    async def finish(self) -> None:
        """Do what must be done after play, while the loop still runs."""

    async def give_up(self, why: str) -> str:
        """Use less memory until the session ends; what is off from here on, in words, "" where nothing was given up."""
        return ""

    def close(self) -> None:
        """Let go of threads and processes; safe where nothing was begun."""

    def status(self) -> dict[str, Any]:
        """What `/status` shows, as plain values."""
        return {}

    def routes(self) -> Sequence[Route]:
        """Its HTTP routes."""
        return ()
