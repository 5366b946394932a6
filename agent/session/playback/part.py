"""Recordings that are played as games, as a part: it shows where they stand, and says when all are over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.core.part import Part
from agent.session.playback.link import PlaybackLink


@dataclass(frozen=True)
class Playback(Part):
    """Ends the session with its recording. over: told so."""

    name = "playback"
    key = "playback"
    links: Sequence[PlaybackLink]
    over: Callable[[], None]

    async def run(self) -> None:
        """Wait for the end of every game's recording."""
        while not all(link.ended.is_set() for link in self.links):
            for link in self.links:
                await link.ended.wait()
        self.over()

    def status(self) -> dict[str, Any]:
        """Where each game's recording stands; actions go nowhere."""
        return {"actions_go": "nowhere: the game is a recording", "games": [link.status() for link in self.links]}
