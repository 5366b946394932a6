"""Makes clips of the session that runs: ends the journal's segment, and names its files a second time.

Works on a thread of its own for the moment that it takes; play does not wait for it. Owns no file but the clips.
"""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.control.policy import Policy, capabilities_of
from agent.core.clock import Clock
from agent.core.errors import RecordingError
from agent.core.types import Observation
from agent.journal.clip import Clip, make_clip
from agent.journal.journal import Journal

DEFAULT_S: Final = 30.0
MAX_S: Final = 600.0


class MadeClip(msgspec.Struct, frozen=True):
    """A clip that is on the disk. ready_s: how long it took; is_whole: a replay finds the beginning that it needs.

    from_s, to_s: what it is of, on the session's clock.
    """

    folder: Path
    ready_s: float
    is_whole: bool
    from_s: float
    to_s: float


class ClipMaker:
    """Clips of one session go into `folder`; it remembers when each game's episode began."""

    def __init__(self, journal: Journal, policy: Policy, clock: Clock, folder: Path) -> None:
        self.folder = folder
        self.made = 0
        self.last: MadeClip | None = None
        self._journal, self._policy, self._clock = journal, policy, clock
        self._begun: dict[int, list[float]] = {}
        self._making = asyncio.Lock()

    def on_decision(self, observation: Observation) -> None:
        """Hear of every decision: episodes begin with one."""
        if observation.is_first:
            begun = self._begun.setdefault(observation.game, [])
            begun.append(observation.received_at_s)
            while len(begun) > 1 and begun[1] < observation.received_at_s - MAX_S:
                begun.pop(0)

    async def make(self, seconds: float = DEFAULT_S, *, after_last: bool = False) -> MadeClip:
        """Save the last seconds; raises RecordingError where nothing is recorded, or the disk refuses.

        after_last: nothing of the clip before, which it would overlap.
        """
        if not 1.0 <= seconds <= MAX_S:
            raise RecordingError(f"a clip of {seconds:g} s: between 1 and {MAX_S:g}")
        async with self._making:
            began_s = self._clock.now_s()
            if not self._journal.is_writing:
                raise RecordingError("nothing is recorded, so there is nothing to save")
            from_s = max(self._journal.header.began_s, began_s - seconds)
            if after_last and self.last is not None:
                from_s = max(from_s, self.last.to_s)
            folder, is_whole = await asyncio.to_thread(self._make, began_s, from_s)
            self.made += 1
            self.last = MadeClip(folder, self._clock.now_s() - began_s, is_whole, from_s, began_s)
            return self.last

    def _make(self, now_s: float, from_s: float) -> tuple[Path, bool]:
        journal, header = self._journal, self._journal.header
        apart = capabilities_of(self._policy).apart
        since_s = min([from_s, *(self._began(game, from_s) for game in self._begun)]) if apart else None
        try:
            if not journal.turn():
                raise RecordingError(f"{journal.folder}: the disk takes nothing: {journal.error or 'it is too slow'}")
            self.folder.mkdir(parents=True, exist_ok=True)
            target = self._name()
            made = make_clip(journal.folder, target, Clip(header.session, from_s, now_s, True), since_s)
            return target, made.is_whole
        except OSError as error:
            raise RecordingError(f"{error.filename or self.folder}: {error.strerror or error}") from error

    def _began(self, game: int, from_s: float) -> float:
        """When the episode began that a game was in at an instant."""
        return max((begun for begun in self._begun[game] if begun <= from_s), default=from_s)

    def _name(self) -> Path:
        stamp = datetime.datetime.fromtimestamp(self._clock.wall_utc_ns() * 1e-9, datetime.UTC)
        path, n = self.folder / stamp.strftime("%Y%m%d-%H%M%S"), 1
        while path.exists():
            n += 1
            path = path.with_name(f"{stamp:%Y%m%d-%H%M%S}-{n}")
        return path

    def status(self) -> dict[str, Any]:
        """How many clips were made, and the newest."""
        newest = self.last
        return {"made": self.made, "newest": newest.folder.name if newest is not None else ""}
