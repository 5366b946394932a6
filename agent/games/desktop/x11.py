"""X11: windows by xcffib, pictures by mss, input by XTEST, and what a person does by XInput2's raw events.

Each input that is faked makes one raw event, and neither a key's repetition nor a pointer that a game warps makes one.
So a raw event that was not expected is a person's, or another program's.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from agent.core.clock import Clock
from agent.core.errors import GameError
from agent.core.types import ByteArray
from agent.games.desktop.interface import Rect, Stir, WindowInfo

NEEDS: Final = "desktop games need their packages: pip install 'metabonk-apex[desktop]'"
_KEY_OFFSET: Final = 8
"""From Linux' key codes to those of X servers."""
_SHIFT: Final = 42
_PRESS, _RELEASE, _BUTTON_PRESS, _BUTTON_RELEASE, _MOTION = 2, 3, 4, 5, 6
_RAW: Final = {13: _PRESS, 14: _RELEASE, 15: _BUTTON_PRESS, 16: _BUTTON_RELEASE, 17: _MOTION}
"""XInput2's raw events, and the core events of the same meaning."""
_GENERIC_EVENT: Final = 35
_ALL_DEVICES, _ALL_MASTERS = 0, 1
_EXPECTED_S: Final = 2.0
"""A faked input whose event did not come in this time will not come."""
_WHEEL: Final = range(4, 8)
_FOCUS_NONE, _FOCUS_POINTER_ROOT = 0, 1
_ALREADY_GRABBED: Final = 1
_MIN_SIDE_PX: Final = 64


class X11Desktop:
    """The desktop of an X server. display: such as `:0`, None: of DISPLAY. Raises GameError where there is none."""

    def __init__(self, clock: Clock, display: str | None = None) -> None:
        try:
            import mss
            import xcffib
            import xcffib.xinput
            import xcffib.xproto
            import xcffib.xtest
        except (ImportError, OSError) as error:  # OSError: libxcb itself is missing
            raise GameError(NEEDS) from error
        self._x, self._clock = xcffib, clock
        self._gone = xcffib.ConnectionException
        self._refused: tuple[type[Exception], ...] = (xcffib.Error, xcffib.ProtocolException)
        try:
            self._connection: Any = _connection(xcffib, display)
            self._grabber: Any = mss.MSS(display=display)
        except (xcffib.ConnectionException, mss.ScreenShotError) as error:
            raise GameError(f"no X display {display or 'is named by DISPLAY'} to find windows on") from error
        setup = self._connection.get_setup()
        self._root_window: Any = setup.roots[self._connection.pref_screen]
        self._root = int(self._root_window.root)
        self._core = self._connection.core
        self._test = self._connection(xcffib.xtest.key)
        self._atoms: dict[str, int] = {}
        self._expected: deque[tuple[int, int, float]] = deque(maxlen=512)
        self._test_devices = self._listen()
        self._keys = self._typing_keys(setup)

    # --- windows ---------------------------------------------------------------------------------------------------

    def windows(self) -> Sequence[WindowInfo]:
        """The windows that the window manager lists; without one, what lies on the root and is large enough."""
        with self._said():
            listed = self._property(self._root, "_NET_CLIENT_LIST")
            names = list(listed) if listed else self._on_root()
            found = []
            for name in names:
                pid = self._property(name, "_NET_WM_PID")
                title = self._text(name, "_NET_WM_NAME") or self._text(name, "WM_NAME")
                if title and self.place(name) is not None:
                    found.append(WindowInfo(name, title, int(pid[0]) if pid else 0))
            return found

    @property
    def has_manager(self) -> bool:
        """True where a window manager runs."""
        return bool(self._property(self._root, "_NET_SUPPORTING_WM_CHECK"))

    def _on_root(self) -> list[int]:
        children = [int(w) for w in self._core.QueryTree(self._root).reply().children]
        places = {w: self.place(w) for w in children}
        return [w for w, p in places.items() if p is not None and min(p.size_px) >= _MIN_SIDE_PX]

    def place(self, window: int) -> Rect | None:
        """Where a window's inside is."""
        with self._said():
            try:
                shown = self._core.GetWindowAttributes(window).reply().map_state == 2
                size = self._core.GetGeometry(window).reply()
                at = self._core.TranslateCoordinates(window, self._root, 0, 0).reply()
            except self._refused:
                return None
            return Rect(at.dst_x, at.dst_y, size.width, size.height) if shown else None

    def picture(self, place: Rect) -> ByteArray:
        """What the screen shows there."""
        import cv2
        import mss

        w, h = self._root_window.width_in_pixels, self._root_window.height_in_pixels
        x0, y0 = max(0, place.x), max(0, place.y)
        x1, y1 = min(w, place.x + place.width), min(h, place.y + place.height)
        picture = np.zeros((place.height, place.width, 3), np.uint8)
        if x1 <= x0 or y1 <= y0:
            return picture
        try:
            shot = self._grabber.grab({"left": x0, "top": y0, "width": x1 - x0, "height": y1 - y0})
        except mss.ScreenShotError as error:
            raise GameError(f"the screen cannot be captured: {error}") from error
        seen = np.frombuffer(shot.raw, np.uint8).reshape(y1 - y0, x1 - x0, 4)
        into = picture[y0 - place.y : y1 - place.y, x0 - place.x : x1 - place.x]
        into[:] = cv2.cvtColor(seen, cv2.COLOR_BGRA2RGB)
        return picture

    def has_focus(self, window: int) -> bool:
        """True where the window, one of its frames or one of its insides has the focus; or the pointer decides."""
        with self._said():
            focus = int(self._core.GetInputFocus().reply().focus)
            if focus == _FOCUS_NONE:
                return False
            if focus in (_FOCUS_POINTER_ROOT, self._root):
                at = self._core.QueryPointer(self._root).reply()
                return self.is_at(window, at.root_x, at.root_y)
            return window in self._above(focus) or focus in self._above(window)

    def is_at(self, window: int, x_px: int, y_px: int) -> bool:
        """True where the window is the topmost one there."""
        with self._said():
            at = self._core.TranslateCoordinates(self._root, self._root, x_px, y_px).reply()
            return int(at.child) in self._above(window)

    def _above(self, window: int) -> list[int]:
        """A window and the windows that it lies in, without the root."""
        found: list[int] = []
        while window not in (0, self._root) and len(found) < 32:
            found.append(window)
            try:
                window = int(self._core.QueryTree(window).reply().parent)
            except self._refused:
                break
        return found

    def bring_to_front(self, window: int) -> None:
        """Ask the window manager; where there is none, do it."""
        with self._said():
            xproto = self._x.xproto
            if self.has_manager:
                data = xproto.ClientMessageData.synthetic([2, 0, 0, 0, 0], "5I")
                event = xproto.ClientMessageEvent.synthetic(32, window, self._atom("_NET_ACTIVE_WINDOW"), data)
                mask = xproto.EventMask.SubstructureRedirect | xproto.EventMask.SubstructureNotify
                self._core.SendEvent(0, self._root, mask, event.pack())
            else:
                self._core.ConfigureWindow(window, xproto.ConfigWindow.StackMode, [xproto.StackMode.Above])
                with contextlib.suppress(*self._refused):
                    self._core.SetInputFocusChecked(1, window, 0).check()
            self._connection.flush()

    # --- input -----------------------------------------------------------------------------------------------------

    def move_to(self, x_px: int, y_px: int) -> None:
        """Move the mouse."""
        self._fake(_MOTION, 0, x_px, y_px)

    def move_by(self, dx_px: int, dy_px: int) -> None:
        """Move the mouse by so much."""
        self._fake(_MOTION, 1, dx_px, dy_px)

    def pointer(self) -> tuple[int, int]:
        """Where the mouse is."""
        with self._said():
            at = self._core.QueryPointer(self._root).reply()
            return int(at.root_x), int(at.root_y)

    def is_grabbed(self) -> bool:
        """True where a program has grabbed the mouse: it cannot be grabbed once more."""
        with self._said():
            status = self._core.GrabPointer(False, self._root, 0, 1, 1, 0, 0, 0).reply().status
            if status == 0:
                self._core.UngrabPointer(0)
                self._connection.flush()
            return int(status) == _ALREADY_GRABBED

    def button(self, number: int, *, down: bool) -> None:
        """Press a button, or let go of it."""
        self._fake(_BUTTON_PRESS if down else _BUTTON_RELEASE, number)

    def key(self, code: int, *, down: bool) -> None:
        """Press a key, or let go of it."""
        self._fake(_PRESS if down else _RELEASE, code + _KEY_OFFSET)

    def _fake(self, kind: int, detail: int, x_px: int = 0, y_px: int = 0) -> None:
        with self._said():
            self._test.FakeInput(kind, detail, 0, self._root, x_px, y_px, 0)
            self._connection.flush()
        self._expected.append((kind, 0 if kind == _MOTION else detail, self._clock.now_s()))

    def keys_of(self, text: str) -> list[tuple[int, bool]]:
        """The keys that type a text."""
        found: list[tuple[int, bool]] = []
        for char in text:
            key = self._keys.get(ord(char))
            if key is None:
                continue
            code, shifted = key
            press = [(code, True), (code, False)]
            found += [(_SHIFT, True), *press, (_SHIFT, False)] if shifted else press
        return found

    def _typing_keys(self, setup: Any) -> dict[int, tuple[int, bool]]:
        """Which key types a character, with shift or without."""
        first, last = setup.min_keycode, setup.max_keycode
        reply = self._core.GetKeyboardMapping(first, last - first + 1).reply()
        keys: dict[int, tuple[int, bool]] = {}
        each = reply.keysyms_per_keycode
        for i in range(last - first + 1):
            for shifted in (False, True):
                symbol = reply.keysyms[i * each + shifted] if shifted < each else 0
                char = symbol if 0x20 <= symbol < 0x100 else symbol - 0x1000000 if symbol > 0x1000000 else 0
                char = 10 if symbol == 0xFF0D else char
                if char:
                    keys.setdefault(char, (first + i - _KEY_OFFSET, shifted))
        return keys

    # --- what a person does ----------------------------------------------------------------------------------------

    def _listen(self) -> set[int]:
        """Ask for raw events; the ids of the devices that fake input comes from."""
        xinput = self._x.xinput
        try:
            extension = self._connection(xinput.key)
            extension.XIQueryVersion(2, 2).reply()
            mask = xinput.EventMask.synthetic(_ALL_MASTERS, 1, [sum(1 << kind for kind in _RAW)])
            extension.XISelectEvents(self._root, 1, [mask], is_checked=True).check()
            devices = extension.XIQueryDevice(_ALL_DEVICES).reply().infos
        except self._refused as error:
            raise GameError("the X server has no XInput 2.2, so that a person at the mouse goes unnoticed") from error
        return {int(d.deviceid) for d in devices if "XTEST" in _name(d.name)}

    def stirs(self) -> list[Stir]:
        """What came from others since the last call."""
        found: list[Stir] = []
        with self._said():
            while (event := self._connection.poll_for_event()) is not None:
                if not isinstance(event, tuple):
                    continue
                raw, detail, source = event
                kind = _RAW[raw]
                if source in self._test_devices and self._was_expected(kind, 0 if kind == _MOTION else detail):
                    continue
                found.append(_stir(kind, detail))
        return found

    def _was_expected(self, kind: int, detail: int) -> bool:
        """True where this object faked that input; what was faked before it and never came is forgotten."""
        from_s = self._clock.now_s() - _EXPECTED_S
        while self._expected and self._expected[0][2] < from_s:
            self._expected.popleft()
        at = next((i for i, e in enumerate(self._expected) if e[:2] == (kind, detail)), None)
        if at is None:
            return False
        for _ in range(at + 1):
            self._expected.popleft()
        return True

    # --- requests --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """Errors of the server in this program's words."""
        try:
            yield
        except self._gone as error:
            raise GameError("the X display is gone") from error
        except self._refused as error:
            raise GameError(f"the X server refused a request ({type(error).__name__})") from error

    def _atom(self, name: str) -> int:
        if name not in self._atoms:
            self._atoms[name] = int(self._core.InternAtom(False, len(name), name).reply().atom)
        return self._atoms[name]

    def _property(self, window: int, name: str) -> Sequence[int]:
        """A property of 32-bit values, empty where it is not set."""
        try:
            reply = self._core.GetProperty(False, window, self._atom(name), 0, 0, 1024).reply()
        except self._refused:
            return ()
        return list(reply.value.to_atoms()) if reply.format == 32 else ()

    def _text(self, window: int, name: str) -> str:
        try:
            reply = self._core.GetProperty(False, window, self._atom(name), 0, 0, 256).reply()
        except self._refused:
            return ""
        return bytes(reply.value.buf()).decode(errors="replace").strip("\0 ") if reply.format == 8 else ""

    def close(self) -> None:
        """Close the connections."""
        self._grabber.close()
        with contextlib.suppress(self._gone):
            self._connection.disconnect()


def _connection(xcffib: Any, display: str | None) -> Any:
    """A connection that returns raw events as (which, detail, source), and reads no further in them: xcffib takes the
    sum of a mask for its number of bits, and so reads beyond their end.
    """

    class Connection(xcffib.Connection):  # type: ignore[misc]
        def hoist_event(self, e: Any) -> Any:
            if e.response_type & 0x7F == _GENERIC_EVENT:
                head = xcffib.CffiUnpacker(e).unpack("=BBHIHHIIHHI", increment=False)
                if head[4] in _RAW:
                    return head[4], head[7], head[8]
            return super().hoist_event(e)

    return Connection(display=display)


def _stir(kind: int, detail: int) -> Stir:
    if kind == _MOTION:
        return Stir("motion")
    if kind in (_PRESS, _RELEASE):
        return Stir("key", detail - _KEY_OFFSET, kind == _PRESS)
    return Stir("motion") if detail in _WHEEL else Stir("button", detail, kind == _BUTTON_PRESS)


def _name(text: Any) -> str:
    return str(text.to_string()) if hasattr(text, "to_string") else str(text)
