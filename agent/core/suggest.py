"""The known name that a mistyped one is nearest to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?`, or nothing where no known name is near."""
    match = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {match[0]}?" if match else ""
