"""The address of a recording that is played as a game: `replay:FOLDER`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

SCHEME: Final = "replay:"


class RecordedAddress(msgspec.Struct, frozen=True):
    """One game of a recording. fast: each packet as soon as the one before is answered, instead of at its time."""

    path: Path
    game: int = 0
    fast: bool = False

    @property
    def is_loopback(self) -> bool:
        """Always: it is a file."""
        return True

    def numbered(self, index: int) -> RecordedAddress:
        """The address of another game of the recording."""
        return msgspec.structs.replace(self, game=self.game + index)

    def __str__(self) -> str:
        return f"{SCHEME}{self.path.name}"
