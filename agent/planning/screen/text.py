"""Texts of screens made comparable: without accents and case, and with what OCR mixes up made one."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_MIXED_UP: Final = str.maketrans({
    **dict.fromkeys("iıl1|íì", "l"), **dict.fromkeys("o0°", "o"), **dict.fromkeys("s5$§", "s"),
    "@": "a", "4": "a", "3": "e", "€": "e", "ß": "s", "ø": "o", "æ": "e", "œ": "e",
    # letters of other alphabets that look like these
    "а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "у": "y", "х": "x", "і": "l", "ѕ": "s", "ԛ": "q", "ԁ": "d",
    "м": "m", "т": "t", "к": "k", "в": "b", "н": "h", "ӏ": "l", "ո": "n", "ս": "u",
    "α": "a", "ο": "o", "ι": "l", "ε": "e", "υ": "u", "τ": "t", "ν": "v", "κ": "k", "ρ": "p",
})  # fmt: skip
_TOKEN: Final = re.compile(r"[^\W_]+", re.UNICODE)
_INNER_MARK: Final = re.compile(r"(?<=\w)!(?=\w)")
_NUMBER: Final = re.compile(r"\d+")


@lru_cache(4096)
def plain(text: str) -> str:
    """Lower case without accents and signs, single spaces between words: what people would call the same text."""
    return " ".join(_TOKEN.findall(_bare(text)))


def tokens(text: str) -> tuple[str, ...]:
    """The words of a text, as `plain` has them."""
    return tuple(plain(text).split())


@lru_cache(4096)
def skeleton(text: str) -> str:
    """As `plain`, and letters and digits that look alike are one, also those of other alphabets.

    Letters that are set apart (`Q U I T`) make a word.
    """
    bare = _INNER_MARK.sub("l", _bare(text))
    words = _TOKEN.findall(bare.translate(_MIXED_UP).replace("rn", "m").replace("vv", "w"))
    found: list[str] = []
    run = ""
    for word in [*words, ""]:
        if len(word) == 1:
            run += word
            continue
        found += [run] if len(run) > 2 else list(run)
        run = ""
        found += [word] if word else []
    return " ".join(found)


@lru_cache(4096)
def without_numbers(text: str) -> str:
    """As `skeleton`, with every number the same: counters do not make another screen."""
    return skeleton(_NUMBER.sub(" # ", text).replace("#", "ℕ"))


def _bare(text: str) -> str:
    """Without accents, case, and marks that cannot be seen."""
    spread = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in spread if not unicodedata.combining(c) and unicodedata.category(c) not in ("Cf", "Cc"))
