"""Words of menus in several languages: what is refused, and which words mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from agent.core.errors import SettingsError
from agent.core.suggest import did_you_mean
from agent.planning.screen.text import plain, skeleton

LANGUAGES: Final = ("en", "de", "fr", "es", "pt", "it")
_BEGINS: Final = 4
"""A refused word of so many letters also counts as the beginning of a longer one."""
_NO_SPACES: Final = 0x2E80
"""From here on lie the scripts that are written without spaces."""


class Words(msgspec.Struct, frozen=True):
    """The table `words.toml`."""

    refused: dict[str, tuple[str, ...]]
    concepts: dict[str, tuple[str, ...]]
    small: dict[str, tuple[str, ...]]
    waits: dict[str, tuple[str, ...]]


@cache
def table() -> Words:
    """The table that is shipped."""
    text = files("agent.planning.menus").joinpath("words.toml").read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=Words)


@cache
def concepts() -> dict[str, frozenset[str]]:
    """Which concepts a text names, by the plain text."""
    found: dict[str, set[str]] = {}
    for name, texts in table().concepts.items():
        for text in texts:
            found.setdefault(plain(text), set()).add(name)
    return {text: frozenset(names) for text, names in found.items()}


@cache
def small_words() -> frozenset[str]:
    """Words of goals that name nothing on a screen."""
    return frozenset(plain(word) for word in table().small["words"])


@cache
def _waiting_words() -> frozenset[str]:
    return frozenset(plain(word) for word in table().waits["words"])


def is_waiting(texts: Sequence[str]) -> bool:
    """True where the texts of a screen say that something is being loaded, and little else."""
    plains = [plain(text) for text in texts]
    return 0 < len(plains) <= 3 and any(text in _waiting_words() for text in plains)


def check_allowed(text: str) -> frozenset[str]:
    """The names and texts of METABONK_MENU_ALLOW; raises SettingsError where one of them is refused by nothing."""
    names = frozenset(" ".join(name.split()).lower() for name in text.split(",") if name.strip())
    everything = Refused()
    for name in sorted(names):
        if name not in table().refused and not everything.why(name):
            near = did_you_mean(name, table().refused)
            raise SettingsError(
                f"METABONK_MENU_ALLOW={name[:40]!r}: nothing refuses it{near}; groups: {', '.join(table().refused)}"
            )
    return names


class Refused:
    """What may not be pressed. allowed: names of groups of `words.toml`, or texts, that may be all the same."""

    def __init__(self, allowed: frozenset[str] = frozenset()) -> None:
        self.allowed = allowed
        self._texts = {skeleton(text) for text in allowed if text not in table().refused}
        self._phrases: list[tuple[str, tuple[str, ...]]] = []
        self._anywhere: list[tuple[str, str]] = []
        for group, texts in table().refused.items():
            if group in allowed:
                continue
            for text in texts:
                if any(ord(c) >= _NO_SPACES for c in text):
                    self._anywhere.append((group, skeleton(text)))
                else:
                    self._phrases.append((group, tuple(skeleton(text).split())))

    def why(self, text: str) -> str:
        """The group that refuses a text, "" where it may be pressed."""
        bare = skeleton(text)
        if not bare or bare in self._texts:
            return ""
        for group, part in self._anywhere:
            if part in bare.replace(" ", ""):
                return group
        words = tuple(bare.split())
        for near in (False, True):
            for group, phrase in self._phrases:
                if _stands_in(phrase, words, near=near):
                    return group
        return ""


def _stands_in(phrase: tuple[str, ...], words: tuple[str, ...], *, near: bool) -> bool:
    """True where the words of a phrase stand in a text one after the other. near: one letter of a word may differ."""
    n = len(phrase)
    if n > len(words):
        return n > 1 and "".join(phrase) in words
    for at in range(len(words) - n + 1):
        if all(_is_word(p, w, near=near) for p, w in zip(phrase, words[at : at + n], strict=True)):
            return True
    return False


def _is_word(wanted: str, word: str, *, near: bool) -> bool:
    if word == wanted:
        return True
    if len(wanted) < _BEGINS:
        return False
    if word.startswith(wanted) or (len(wanted) > _BEGINS and word.endswith(wanted)):
        return True
    return (
        near
        and len(wanted) > 5
        and len(word) == len(wanted)
        and sum(a != b for a, b in zip(wanted, word, strict=True)) == 1
    )
