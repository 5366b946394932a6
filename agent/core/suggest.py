"""The known name that a mistyped one is nearest to."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

_CLOSE: Final = 0.6


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that has every word of this one, or is spelled most like it; "" where none is near."""
    names, typed = list(known), _words(name)
    whole = [other for other in names if typed and typed <= _words(other)]
    spelled = {other.lower(): other for other in whole or names}
    match = difflib.get_close_matches(name.lower(), spelled, 1, 0.0 if whole else _CLOSE)
    return spelled[match[0]] if match else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?`, or nothing where no known name is near."""
    match = nearest(name, known)
    return f"; did you mean {match}?" if match else ""


def _words(name: str) -> set[str]:
    """`--http-port` and `METABONK_HTTP_PORT` have the words http and port."""
    return set(filter(None, re.split(r"[^a-z0-9]+", name.lower())))
