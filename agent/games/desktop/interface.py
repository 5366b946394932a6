"""What a desktop must offer so that a window on it can be played; X11 and Windows each have one.

Coordinates are pixels of the whole desktop, all monitors together, origin top-left; on Windows they may be negative.
Keys are codes of Linux' input-event-codes, buttons 1 left, 2 middle, 3 right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

from agent.core.types import ByteArray

LEFT_BUTTON: Final = 1


class Rect(NamedTuple):
    """A rectangle of the desktop."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


class Spot(NamedTuple):
    """A point of a window: on the desktop, and from the window's own top-left; and the window's size."""

    x_px: int
    y_px: int
    in_x_px: int
    in_y_px: int
    size_px: tuple[int, int]


class WindowInfo(NamedTuple):
    """A window that a person could see. pid: of its process, 0 where nobody says."""

    id: int
    title: str
    pid: int


class Stir(NamedTuple):
    """Something that did not come from this program: a person's, or another program's. code: of a key or a button."""

    kind: Literal["motion", "button", "key"]
    code: int = 0
    is_down: bool = False


class Desktop(Protocol):
    """A desktop. Every method raises GameError where the desktop is gone."""

    def windows(self) -> Sequence[WindowInfo]:
        """The windows that can be seen."""
        ...

    def place(self, window: int) -> Rect | None:
        """Where a window's inside is, without its frame; None where it is gone or not shown."""
        ...

    def picture(self, place: Rect) -> ByteArray:
        """What the desktop shows there, u8 [h, w, 3] RGB; black where it is outside of all monitors."""
        ...

    def has_focus(self, window: int) -> bool:
        """True where keys go to the window."""
        ...

    def is_at(self, window: int, x_px: int, y_px: int) -> bool:
        """True where the window is the topmost one at this point."""
        ...

    def bring_to_front(self, window: int) -> None:
        """Ask for the window to be raised and to have the focus."""
        ...

    def move_to(self, x_px: int, y_px: int) -> None:
        """Move the mouse."""
        ...

    def move_by(self, dx_px: int, dy_px: int) -> None:
        """Move the mouse by so much."""
        ...

    def pointer(self) -> tuple[int, int]:
        """Where the mouse is."""
        ...

    def is_grabbed(self) -> bool:
        """True where a program keeps the mouse to itself, as games do that take its moves and not its place."""
        ...

    def button(self, number: int, *, down: bool) -> None:
        """Press a button of the mouse, or let go of it."""
        ...

    def key(self, code: int, *, down: bool) -> None:
        """Press a key, or let go of it."""
        ...

    def keys_of(self, text: str) -> list[tuple[int, bool]]:
        """The keys that type a text, down and up in their order; characters that no key types are left out."""
        ...

    def stirs(self) -> list[Stir]:
        """What was pressed and moved since the last call, and not by this object."""
        ...

    def close(self) -> None:
        """Let go of the desktop."""
        ...
