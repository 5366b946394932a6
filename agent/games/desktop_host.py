"""Any window of a desktop as a game: its picture out, mouse, keys and text in.

Such a game tells nothing of itself, so its state is empty. Input goes out only while the window has the focus; with the
loss of it, or at a person's first mouse or key event, every key and button is let go of at once. The agent goes on
`HANDS_OFF_S` after the person's last event, and never takes the focus back. The stop key ends the host.
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec
import numpy as np
import structlog

from agent.core.clock import TICK_S, Clock, SystemClock
from agent.core.errors import GameError, SettingsError
from agent.core.suggest import did_you_mean
from agent.core.types import (
    NEUTRAL,
    STICK_RESTS_BELOW,
    Action,
    ByteArray,
    DeskInput,
    GameState,
    HumanInput,
    Keys,
    Pointer,
    Typed,
)
from agent.games.desktop.finding import Program, find, window_of
from agent.games.desktop.hand import At, Hand
from agent.games.desktop.interface import Desktop, Rect, Spot, Stir
from agent.games.options import DESKTOP, HostOptions

HANDS_OFF_S: Final = 3.0
MAX_PICTURE_PX: Final = (1280, 720)
"""A larger window's picture is made smaller, in proportion."""
LOST_S: Final = 5.0
"""A window that is gone may come back so long: games make it anew for another size."""
LOOK_PX_S: Final = 900.0
STOP_KEYS: Final = {
    "Pause": 119, "ScrollLock": 70, "F8": 66, "F9": 67, "F10": 68, "F11": 87, "F12": 88, "Insert": 110,
}  # fmt: skip
_WALK: Final = ((17, 1, 1), (31, 1, -1), (32, 0, 1), (30, 0, -1))
"""W, S, D, A: a key, the axis of `move`, and its sign."""
_BUTTONS: Final = (("fire", 57), ("ability", 42), ("interact", 18))
"""Space, left shift, E."""
_EMPTY: Final = GameState(
    (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, False, False, np.zeros((0, 4), np.float32), "", ()
)
_BUSY: Final = msgspec.structs.replace(_EMPTY, is_paused=True)
log = structlog.get_logger(__name__)


def stop_key(name: str) -> int:
    """The code of a stop key; raises SettingsError for a key that cannot be one."""
    code = {k.casefold(): v for k, v in STOP_KEYS.items()}.get(name.casefold())
    if code is None:
        raise SettingsError(f"--stop-key {name}: {', '.join(STOP_KEYS)}{did_you_mean(name, STOP_KEYS)}")
    return code


def desktop_game(options: HostOptions) -> DesktopGame:
    """A window of this desktop as a game; raises SettingsError or GameError where there is none."""
    stop_key(options.stop_key)
    if options.mode != "real-time":
        raise SettingsError(f"--mode {options.mode}: a game on the desktop runs in real time")
    clock = SystemClock()
    return DesktopGame(options.game.removeprefix(DESKTOP), open_desktop(clock), clock, options.stop_key)


def open_desktop(clock: Clock) -> Desktop:
    """The desktop of this machine; raises GameError where there is none."""
    if sys.platform == "win32":
        from agent.games.desktop.windows import WindowsDesktop

        return WindowsDesktop()
    from agent.games.desktop.x11 import X11Desktop

    return X11Desktop(clock)


class DesktopGame:
    """One window, played. spec: what follows `desktop:`. stop: name of the stop key."""

    name = "desktop"
    tick_s = TICK_S

    def __init__(self, spec: str, desktop: Desktop, clock: Clock, stop: str = "Pause") -> None:
        if not spec.strip():
            raise SettingsError('desktop: name a window or a command, such as desktop:"My game" or desktop:supertux2')
        self.rules, self.stopped = f"desktop {spec}", False
        self._desktop, self._clock, self._stop, self._stop_code = desktop, clock, stop, stop_key(stop)
        self._program: Program | None = None
        window, self._program = find(desktop, spec, clock)
        self._window, self._pid, self._title = window.id, window.pid, window.title
        self._hand = Hand(desktop)
        self._place = desktop.place(self._window)
        self._shown: Rect | None = self._place
        self._last_seen_s = clock.now_s()
        self._hands_off_until_s = float("-inf")
        self._had_focus, self._stirred = False, False
        self._turned_px = 0.0
        self.counts = {"clicks": 0, "dropped": 0, "person": 0, "focus_lost": 0}
        desktop.bring_to_front(self._window)
        desktop.stirs()  # what was pressed before is not meant for this game

    @property
    def lost(self) -> int:
        """Clicks that were not made, as the game's own pointer did not come to their points."""
        return self._hand.lost

    # --- what a hosted game offers ---------------------------------------------------------------------------------

    @property
    def capture_size_px(self) -> tuple[int, int]:
        """Of the last picture."""
        return _scaled(self._shown) if self._shown is not None else MAX_PICTURE_PX

    def notes(self) -> list[str]:
        """What a person should know."""
        return [
            f"the window {self._title!r} is played; any key or move of your mouse stops the agent for "
            f"{HANDS_OFF_S:.0f} s, {self._stop} ends it"
        ]

    def reset(self, seed: int, *, start: str = "menu") -> None:
        """The game begins where it is; it takes no seed."""

    def state(self) -> GameState:
        """Nothing is told but `is_paused`: an input is still being made, so that pictures show it later."""
        return _BUSY if self._hand.is_busy else _EMPTY

    def render(self) -> ByteArray:
        """The picture of the window; black while another program has the focus, whose windows may lie over it."""
        import cv2

        self._shown = place = self._place
        if place is None or not self._had_focus:
            w, h = self.capture_size_px
            return np.zeros((h, w, 3), np.uint8)
        picture = self._desktop.picture(place)
        size = _scaled(place)
        return picture if size == place.size_px else np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))

    def tick(self, action: Action) -> None:
        """Look after window, focus and person, and then do what the agent wants; raises GameError where it is gone."""
        now_s = self._clock.now_s()
        self._look_after(now_s)
        if self._may_act(now_s):
            self._do(action)
            self._hand.work(now_s)

    def human(self) -> tuple[Action, HumanInput] | None:
        """That a person is at mouse and keys, and the agent's hands are off; None where nobody is."""
        if self._clock.now_s() >= self._hands_off_until_s:
            return None
        look = (1.0 if self._stirred else 2 * STICK_RESTS_BELOW, 0.0)
        self._stirred = False
        return NEUTRAL, HumanInput(1, (0.0, 0.0), look, False, False, False, False, (0.0, 0.0))

    def close(self) -> None:
        """Let go of everything, and end the program where it was started here."""
        try:
            self._hand.release()
        except GameError:
            log.info("nothing_to_let_go", why="the desktop is gone")
        self._desktop.close()
        if self._program is not None:
            self._program.close()

    # --- window, focus, person -------------------------------------------------------------------------------------

    def _look_after(self, now_s: float) -> None:
        for stir in self._desktop.stirs():
            self._stir(stir, now_s)
        self._place = self._desktop.place(self._window)
        if self._place is None:
            self._find_again(now_s)
        else:
            self._last_seen_s = now_s
        focused = self._place is not None and self._desktop.has_focus(self._window)
        if self._had_focus and not focused:
            self._hand.release()
            self.counts["focus_lost"] += 1
            log.info("focus_lost", window=self._title, do="click into the window; the agent goes on then")
        self._had_focus = focused

    def _stir(self, stir: Stir, now_s: float) -> None:
        self._hand.release()
        if stir.kind == "key" and stir.code == self._stop_code:
            self.stopped = True
            log.info("stopped", by=self._stop)
        if now_s >= self._hands_off_until_s:
            self.counts["person"] += 1
            log.info("person_at_the_desktop", what=stir.kind, agent=f"goes on {HANDS_OFF_S:.0f} s after the last one")
        self._stirred = True
        self._hands_off_until_s = now_s + HANDS_OFF_S

    def _may_act(self, now_s: float) -> bool:
        return not self.stopped and self._had_focus and now_s >= self._hands_off_until_s

    def _find_again(self, now_s: float) -> None:
        """The window is gone: its program may have made another one."""
        pids = self._program.pids() if self._program is not None else {self._pid} - {0}
        found = window_of(self._desktop, pids, set()) if pids else None
        if found is not None:
            self._window, self._title = found.id, found.title
            self._place = self._desktop.place(found.id)
        elif now_s - self._last_seen_s > LOST_S or (self._program is not None and not self._program.is_up):
            why = f"; the program {self._program.why()}" if self._program is not None else ""
            raise GameError(f"the window {self._title!r} is gone{why}")

    # --- input -----------------------------------------------------------------------------------------------------

    def _do(self, action: Action) -> None:
        for one in action.desk:
            self._desk(one)
        if action.click is not None:
            self.counts["clicks"] += 1
            self._hand.click(self._point(*action.click))
        for code, axis, sign in _WALK:
            self._hand.hold(code, down=action.move[axis] * sign > 0.5)
        for name, code in _BUTTONS:
            self._hand.hold(code, down=bool(getattr(action, name)))
        self._turned_px += action.look[0] * LOOK_PX_S * TICK_S
        dy_px = round(-action.look[1] * LOOK_PX_S * TICK_S)
        dx_px = int(self._turned_px)
        if dx_px or dy_px:
            self._turned_px -= dx_px
            self._desktop.move_by(dx_px, dy_px)

    def _desk(self, one: DeskInput) -> None:
        match one:
            case Pointer(x_px, y_px):
                self._hand.point(self._point(x_px, y_px))
            case Keys(keys):
                self._hand.keys(list(keys))
            case Typed(text):
                self._hand.keys(self._desktop.keys_of(text))

    def _point(self, x_px: int, y_px: int) -> At:
        """Where a point of the last picture is on the desktop, asked when it is needed.

        The window may have moved until then; None where it has another size, or something else lies there.
        """
        shown, (w, h) = self._shown, self.capture_size_px

        def at() -> Spot | None:
            place = self._desktop.place(self._window)
            if place is None or shown is None or place.size_px != shown.size_px:
                self.counts["dropped"] += 1
                return None
            x = min(place.width - 1, max(0, (2 * x_px + 1) * place.width // (2 * w)))
            y = min(place.height - 1, max(0, (2 * (h - 1 - y_px) + 1) * place.height // (2 * h)))
            if not self._desktop.is_at(self._window, place.x + x, place.y + y):
                self.counts["dropped"] += 1
                return None
            return Spot(place.x + x, place.y + y, x, y, place.size_px)

        return at


def _scaled(place: Rect) -> tuple[int, int]:
    """The size of the picture of a window, pixels."""
    share = min(1.0, MAX_PICTURE_PX[0] / max(1, place.width), MAX_PICTURE_PX[1] / max(1, place.height))
    return max(1, round(place.width * share)), max(1, round(place.height * share))
