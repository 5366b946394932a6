"""What a game must offer to be hosted: ticks in, state and picture out.

Owns no socket, no clock and no pacing; `games.server` does those.
"""

from __future__ import annotations

from typing import Protocol

from agent.core.types import Action, ByteArray, GameState


class HostedGame(Protocol):
    """A game that advances one tick at a time, deterministic from its seed and its actions."""

    @property
    def name(self) -> str:
        """Short name shown to people, such as `arena`."""
        ...

    @property
    def rules(self) -> str:
        """What decides how the game plays: a hash of its rules, or its name and version."""
        ...

    @property
    def tick_s(self) -> float:
        """Simulated seconds that one tick lasts."""
        ...

    @property
    def capture_size_px(self) -> tuple[int, int]:
        """Width and height of the picture that `render` returns."""
        ...

    def reset(self, seed: int, *, start: str = "menu") -> None:
        """Begin anew; `start` is `menu` (the first screen) or `run` (the first tick of a run)."""
        ...

    def tick(self, action: Action) -> None:
        """Advance one tick; `action.click` is in capture pixels, origin bottom-left."""
        ...

    def state(self) -> GameState:
        """The state after the last tick; `run.sequence` and `run.capture_time_us` are left 0 for the server."""
        ...

    def render(self) -> ByteArray:
        """The picture after the last tick, u8 [h, w, 3] RGB, upright; may be called at most once a tick."""
        ...

    def close(self) -> None:
        """Release what the game holds."""
        ...
