"""Windows: windows and input by user32, pictures by mss, and what a person does by low-level hooks.

What this program sends carries a mark in `dwExtraInfo`; all else that the hooks see is a person's or another program's.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from agent.core.errors import GameError
from agent.core.types import ByteArray
from agent.games.desktop.interface import Rect, Stir, WindowInfo

_MARK: Final = 0x4D42_4F4E
_INPUT_MOUSE, _INPUT_KEYBOARD = 0, 1
_MOVE, _ABSOLUTE, _VIRTUAL_DESK = 0x0001, 0x8000, 0x4000
_BUTTONS: Final = {1: (0x0002, 0x0004), 2: (0x0020, 0x0040), 3: (0x0008, 0x0010)}
_KEY_UP, _SCAN_CODE, _EXTENDED = 0x0002, 0x0008, 0x0001
_EXTENDED_KEYS: Final = {
    96: 0x1C, 97: 0x1D, 98: 0x35, 100: 0x38, 102: 0x47, 103: 0x48, 104: 0x49, 105: 0x4B, 106: 0x4D, 107: 0x4F,
    108: 0x50, 109: 0x51, 110: 0x52, 111: 0x53,
}  # fmt: skip
"""Linux' codes of keys whose scan code comes after 0xE0; the other codes up to 88 are the scan codes themselves."""
_PAUSE_CODE, _PAUSE_VK = 119, 0x13
_KEYBOARD_LL, _MOUSE_LL = 13, 14
_KEY_DOWN: Final = (0x0100, 0x0104)
_MOUSE_DOWN: Final = {0x0201: 1, 0x0204: 3, 0x0207: 2}
_MOUSE_UP: Final = {0x0202: 1, 0x0205: 3, 0x0208: 2}
_GET_ROOT: Final = 2
_SHIFT: Final = 42
_PER_MONITOR_AWARE: Final = -4


class _Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_long), ("y", ctypes.c_long))


class _Edges(ctypes.Structure):
    _fields_ = (
        ("left", ctypes.c_long), ("top", ctypes.c_long), ("right", ctypes.c_long), ("bottom", ctypes.c_long),
    )  # fmt: skip


class _Mouse(ctypes.Structure):
    _fields_ = (
        ("dx", ctypes.c_long), ("dy", ctypes.c_long), ("data", ctypes.c_ulong), ("flags", ctypes.c_ulong),
        ("time", ctypes.c_ulong), ("extra", ctypes.c_size_t),
    )  # fmt: skip


class _Keyboard(ctypes.Structure):
    _fields_ = (
        ("vk", ctypes.c_ushort), ("scan", ctypes.c_ushort), ("flags", ctypes.c_ulong), ("time", ctypes.c_ulong),
        ("extra", ctypes.c_size_t),
    )  # fmt: skip


class _Either(ctypes.Union):
    _fields_ = (("mouse", _Mouse), ("keyboard", _Keyboard))


class _Input(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_ulong), ("one", _Either))


class _KeyHook(ctypes.Structure):
    _fields_ = (
        ("vk", ctypes.c_ulong), ("scan", ctypes.c_ulong), ("flags", ctypes.c_ulong), ("time", ctypes.c_ulong),
        ("extra", ctypes.c_size_t),
    )  # fmt: skip


class _MouseHook(ctypes.Structure):
    _fields_ = (
        ("at", _Point), ("data", ctypes.c_ulong), ("flags", ctypes.c_ulong), ("time", ctypes.c_ulong),
        ("extra", ctypes.c_size_t),
    )  # fmt: skip


if sys.platform == "win32":
    _Hook = ctypes.WINFUNCTYPE(ctypes.c_ssize_t, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p)
    _Each = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    class WindowsDesktop:
        """The desktop of this Windows session. Raises GameError where its packages are missing."""

        def __init__(self) -> None:
            try:
                import mss
            except ImportError as error:
                raise GameError("desktop games need their packages: pip install 'metabonk-apex[desktop]'") from error
            self._user: Any = ctypes.WinDLL("user32", use_last_error=True)
            self._user.GetAncestor.restype = self._user.WindowFromPoint.restype = ctypes.c_void_p
            self._user.GetForegroundWindow.restype = self._user.SetWindowsHookExW.restype = ctypes.c_void_p
            self._user.WindowFromPoint.argtypes = (_Point,)
            self._user.CallNextHookEx.argtypes = (
                ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p,
            )  # fmt: skip
            self._user.CallNextHookEx.restype = ctypes.c_ssize_t
            self._user.SetProcessDpiAwarenessContext(ctypes.c_void_p(_PER_MONITOR_AWARE))  # pixels as they are
            self._grabber: Any = mss.MSS()
            self._stirs: deque[Stir] = deque(maxlen=256)
            self._thread_id = 0
            ready = threading.Event()
            threading.Thread(target=self._listen, args=(ready,), name="person", daemon=True).start()
            ready.wait(5.0)
            if not self._thread_id:
                raise GameError("a person at mouse and keyboard goes unnoticed here: the hooks were refused")

        # --- windows -----------------------------------------------------------------------------------------------

        def windows(self) -> Sequence[WindowInfo]:
            """The windows with a title that can be seen."""
            found: list[WindowInfo] = []

            def take(window: int, _: int) -> int:
                length = self._user.GetWindowTextLengthW(ctypes.c_void_p(window))
                if length and self._user.IsWindowVisible(ctypes.c_void_p(window)):
                    text = ctypes.create_unicode_buffer(length + 1)
                    self._user.GetWindowTextW(ctypes.c_void_p(window), text, length + 1)
                    pid = ctypes.c_ulong()
                    self._user.GetWindowThreadProcessId(ctypes.c_void_p(window), ctypes.byref(pid))
                    found.append(WindowInfo(window, text.value, pid.value))
                return 1

            self._user.EnumWindows(_Each(take), None)
            return found

        def place(self, window: int) -> Rect | None:
            """Where a window's inside is."""
            handle, edges, at = ctypes.c_void_p(window), _Edges(), _Point(0, 0)
            shown = self._user.IsWindowVisible(handle) and not self._user.IsIconic(handle)
            if not shown or not self._user.GetClientRect(handle, ctypes.byref(edges)):
                return None
            self._user.ClientToScreen(handle, ctypes.byref(at))
            size = edges.right - edges.left, edges.bottom - edges.top
            return Rect(at.x, at.y, *size) if min(size) > 0 else None

        def picture(self, place: Rect) -> ByteArray:
            """What the desktop shows there; outside of all monitors it is black."""
            import cv2
            import mss

            area = {"left": place.x, "top": place.y, "width": place.width, "height": place.height}
            try:
                shot = self._grabber.grab(area)
            except mss.ScreenShotError as error:
                raise GameError(f"the screen cannot be captured: {error}") from error
            seen = np.frombuffer(shot.raw, np.uint8).reshape(place.height, place.width, 4)
            return np.asarray(cv2.cvtColor(seen, cv2.COLOR_BGRA2RGB))

        def has_focus(self, window: int) -> bool:
            """True where the window is in the foreground."""
            return bool(self._user.GetForegroundWindow() == window)

        def is_at(self, window: int, x_px: int, y_px: int) -> bool:
            """True where the window is the topmost one there."""
            under = self._user.WindowFromPoint(_Point(x_px, y_px))
            return bool(under) and self._user.GetAncestor(ctypes.c_void_p(under), _GET_ROOT) == window

        def bring_to_front(self, window: int) -> None:
            """Ask for the foreground."""
            self._user.SetForegroundWindow(ctypes.c_void_p(window))

        # --- input -------------------------------------------------------------------------------------------------

        def move_to(self, x_px: int, y_px: int) -> None:
            """Move the mouse, in 65,536ths of the whole desktop."""
            left, top, w, h = (self._user.GetSystemMetrics(i) for i in (76, 77, 78, 79))
            x = ((x_px - left) * 2 + 1) * 32768 // max(1, w)
            y = ((y_px - top) * 2 + 1) * 32768 // max(1, h)
            self._send_mouse(x, y, _MOVE | _ABSOLUTE | _VIRTUAL_DESK)

        def move_by(self, dx_px: int, dy_px: int) -> None:
            """Move the mouse by so much."""
            self._send_mouse(dx_px, dy_px, _MOVE)

        def pointer(self) -> tuple[int, int]:
            """Where the mouse is."""
            at = _Point()
            self._user.GetCursorPos(ctypes.byref(at))
            return at.x, at.y

        def is_grabbed(self) -> bool:
            """True where a program keeps the mouse within less than the whole desktop."""
            edges = _Edges()
            self._user.GetClipCursor(ctypes.byref(edges))
            w, h = self._user.GetSystemMetrics(78), self._user.GetSystemMetrics(79)
            return bool(edges.right - edges.left < w or edges.bottom - edges.top < h)

        def button(self, number: int, *, down: bool) -> None:
            """Press a button, or let go of it."""
            self._send_mouse(0, 0, _BUTTONS[number][0 if down else 1])

        def key(self, code: int, *, down: bool) -> None:
            """Press a key by its scan code, or let go of it."""
            flags = _SCAN_CODE | (0 if down else _KEY_UP) | (_EXTENDED if code in _EXTENDED_KEYS else 0)
            scan = _EXTENDED_KEYS.get(code, code)
            self._send(_Input(_INPUT_KEYBOARD, _Either(keyboard=_Keyboard(0, scan, flags, 0, _MARK))))

        def _send_mouse(self, x: int, y: int, flags: int) -> None:
            self._send(_Input(_INPUT_MOUSE, _Either(mouse=_Mouse(x, y, 0, flags, 0, _MARK))))

        def _send(self, one: _Input) -> None:
            if self._user.SendInput(1, ctypes.byref(one), ctypes.sizeof(_Input)) != 1:
                raise GameError("Windows refused the input: a program with more rights has the focus")

        def keys_of(self, text: str) -> list[tuple[int, bool]]:
            """The keys that type a text."""
            found: list[tuple[int, bool]] = []
            for char in text:
                both = self._user.VkKeyScanW(ctypes.c_wchar(char))
                if both & 0xFFFF == 0xFFFF:
                    continue
                code = self._user.MapVirtualKeyW(both & 0xFF, 0)
                press = [(code, True), (code, False)]
                found += [(_SHIFT, True), *press, (_SHIFT, False)] if both & 0x100 else press
            return found

        # --- what a person does ------------------------------------------------------------------------------------

        def _listen(self, ready: threading.Event) -> None:
            """The thread that has the hooks, and turns their messages."""
            keyboard, mouse = _Hook(self._on_key), _Hook(self._on_mouse)
            hooks = [
                self._user.SetWindowsHookExW(kind, hook, None, 0)
                for kind, hook in ((_KEYBOARD_LL, keyboard), (_MOUSE_LL, mouse))
            ]
            if all(hooks):
                self._thread_id = int(ctypes.WinDLL("kernel32").GetCurrentThreadId())
            ready.set()
            message = ctypes.create_string_buffer(64)
            while all(hooks) and self._user.GetMessageW(message, None, 0, 0) > 0:
                pass
            for hook in filter(None, hooks):
                self._user.UnhookWindowsHookEx(ctypes.c_void_p(hook))

        def _on_key(self, code: int, what: int, at: int) -> int:
            if code >= 0:
                key = ctypes.cast(at, ctypes.POINTER(_KeyHook)).contents
                if key.extra != _MARK:
                    linux = {scan: c for c, scan in _EXTENDED_KEYS.items()} if key.flags & 1 else {}
                    name = _PAUSE_CODE if key.vk == _PAUSE_VK else linux.get(key.scan, key.scan)
                    self._stirs.append(Stir("key", int(name), what in _KEY_DOWN))
            return int(self._user.CallNextHookEx(None, code, what, at))

        def _on_mouse(self, code: int, what: int, at: int) -> int:
            if code >= 0 and ctypes.cast(at, ctypes.POINTER(_MouseHook)).contents.extra != _MARK:
                number = _MOUSE_DOWN.get(what) or _MOUSE_UP.get(what)
                self._stirs.append(Stir("button", number, what in _MOUSE_DOWN) if number else Stir("motion"))
            return int(self._user.CallNextHookEx(None, code, what, at))

        def stirs(self) -> list[Stir]:
            """What came from others since the last call."""
            found: list[Stir] = []
            with contextlib.suppress(IndexError):
                while True:
                    found.append(self._stirs.popleft())
            return found

        def close(self) -> None:
            """End the thread with the hooks."""
            self._grabber.close()
            self._user.PostThreadMessageW(self._thread_id, 0x0012, 0, 0)
