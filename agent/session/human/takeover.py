"""A person plays one game: what they press goes out instead of the policy's action, until a second after they let go.

Input comes from the game (the trailer HINP of its packets) or from a page. A game takes its own keyboard and mouse by
itself in menus, and its mouse in play as well; what it takes from the agent alone is sent there: walking, and the
buttons of play. What a page sends is sent whole. Owns no task and no socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from agent.core.types import NEUTRAL, TAKEOVER_S, Action, GameState, HumanInput, Vector2

GAME: Final = "game"
PAGE: Final = "page"
RENEW_S: Final = 0.5
"""What a page sent is held this long without a successor, where it does not say."""
_NEVER: Final = float("-inf")


class _Buttons(msgspec.Struct):
    """What was pressed since an action was sent; a press that was shorter than that is not lost."""

    fire: bool = False
    ability: bool = False
    interact: bool = False
    click: tuple[int, int] | None = None

    def add(self, action: Action) -> None:
        self.fire |= action.fire
        self.ability |= action.ability
        self.interact |= action.interact
        self.click = action.click or self.click

    def into(self, action: Action) -> Action:
        """The action with all that was pressed; nothing is pressed after that."""
        whole = msgspec.structs.replace(
            action, fire=action.fire or self.fire, ability=action.ability or self.ability,
            interact=action.interact or self.interact, click=action.click or self.click,
        )  # fmt: skip
        self.fire = self.ability = self.interact = False
        self.click = None
        return whole


class Takeover:
    """Whether a person plays one game. tell: told of every beginning (True, and by what) and end (False).

    count: takeovers that began. by: `game` or `page`, where the newest input came from.
    """

    def __init__(self, tell: Callable[[bool, str], None] = lambda is_on, by: None) -> None:
        self.count = 0
        self.by = ""
        self.tell = tell
        self._pressed_s = self._paged_s = _NEVER
        self._hold_s = RENEW_S
        self._newest = NEUTRAL
        self._buttons = _Buttons()
        self._is_on = False

    def on_state(self, state: GameState, received_at_s: float) -> None:
        """Take what a packet says of the person at the game."""
        human = state.human
        if human is None:
            return
        if human.is_pressed:
            self._begin(GAME, received_at_s)
            self._take(relayed(state, human))
        elif self.by == GAME:
            self._newest = NEUTRAL

    def press(self, action: Action, now_s: float, hold_s: float = RENEW_S) -> None:
        """Take what a page sent; it is held for `hold_s`. An action without any press holds the game still."""
        self._begin(PAGE, now_s)
        self._paged_s, self._hold_s = now_s, hold_s
        self._take(action)

    def let_go(self) -> None:
        """A page holds nothing any more; the policy plays again after TAKEOVER_S."""
        if self.by == PAGE:
            self._newest, self._buttons = NEUTRAL, _Buttons()

    def _begin(self, by: str, now_s: float) -> None:
        self._pressed_s, self.by = now_s, by

    def _take(self, action: Action) -> None:
        self._newest = msgspec.structs.replace(action, click=None)
        self._buttons.add(action)

    def is_on(self, now_s: float) -> bool:
        """True from the first press until TAKEOVER_S after the last."""
        if self._pressed_s == _NEVER:
            return False
        on = now_s - self._pressed_s <= TAKEOVER_S
        if on != self._is_on:
            self._is_on = on
            self.count += on
            self.tell(on, self.by)
        if not on:
            self._forget()
        return on

    def action(self, sequence: int | None) -> Action:
        """What goes out for the person in answer to an observation of this sequence."""
        return msgspec.structs.replace(self._buttons.into(self._newest), answers=sequence)

    def hold(self, now_s: float) -> None:
        """Let go of what a page has not renewed in time."""
        if self.by == PAGE and now_s - self._paged_s > self._hold_s:
            self._newest = NEUTRAL

    def end(self) -> None:
        """The connection is gone, and whoever pressed something with it."""
        was_on, self._is_on = self._is_on, False
        self._forget()
        if was_on:
            self.tell(False, self.by)

    def _forget(self) -> None:
        self._pressed_s, self._newest, self._buttons = _NEVER, NEUTRAL, _Buttons()

    def status(self) -> dict[str, Any]:
        """Whether a person plays, from where, and how often one took over."""
        return {"active": self._is_on, "by": self.by if self._is_on else "", "takeovers": self.count}


def relayed(state: GameState, human: HumanInput) -> Action:
    """What of a person's input at the game must be sent: it does nothing there while an agent plays."""
    if state.current_menu or not state.is_playing:
        return NEUTRAL
    return Action(_within(human.move), (0.0, 0.0), human.fire, human.ability, human.interact)


def click_of(state: GameState, at: Vector2) -> tuple[int, int] | None:
    """A click at 0…1, origin top-left, in capture pixels, origin bottom-left; None where the capture is unknown."""
    if state.run is None or not min(state.run.capture_size_px):
        return None
    width, height = state.run.capture_size_px
    x, y = (min(max(v, 0.0), 1.0) for v in at)
    return min(int(x * width), width - 1), height - 1 - min(int(y * height), height - 1)


def _within(axes: Vector2) -> Vector2:
    x, y = (min(1.0, max(-1.0, v)) for v in axes)
    return x, y
