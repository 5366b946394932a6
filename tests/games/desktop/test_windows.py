"""What can be said of the Windows side without Windows: its tables, and that it is there for Windows alone."""

from __future__ import annotations

import sys

from agent.games.desktop import windows
from agent.games.desktop_host import STOP_KEYS


def test_keys_behind_the_prefix_have_their_scan_codes_and_the_rest_are_scan_codes_themselves() -> None:
    arrows = {103: 0x48, 105: 0x4B, 106: 0x4D, 108: 0x50}
    assert arrows.items() <= windows._EXTENDED_KEYS.items()
    assert all(code > 88 for code in windows._EXTENDED_KEYS), "codes up to 88 need no prefix"
    plain = {name: code for name, code in STOP_KEYS.items() if code <= 88}
    assert set(STOP_KEYS) - set(plain) == {"Pause", "Insert"}
    assert STOP_KEYS["Pause"] == windows._PAUSE_CODE and STOP_KEYS["Insert"] in windows._EXTENDED_KEYS


def test_the_desktop_of_windows_is_there_on_windows_alone() -> None:
    assert hasattr(windows, "WindowsDesktop") == (sys.platform == "win32")
