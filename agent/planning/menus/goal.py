"""A menu goal in words, and how well a text on a screen serves it: by the same words, similar ones, or the meaning."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from agent.core.errors import SettingsError
from agent.core.types import FloatArray
from agent.planning.menus.words import Refused, concepts, small_words
from agent.planning.screen.text import skeleton, tokens

MAX_CHARS: Final = 200
EXACT: Final = 1.0
NEAR: Final = 0.9
MEANT: Final = 0.8
CLEAR: Final = 0.75
"""A text of this much is what a goal names."""
_NEAR_RATIO: Final = 84.0
_COSINE: Final = (0.80, 0.92)
"""Cosines of embeddings that count as nothing and as meant; those of unrelated texts are about 0.8."""
_RUNS: Final = frozenset({"play", "new game", "retry"})
_LEAVES: Final = frozenset({"quit", "exit", "beenden", "quitter", "salir", "sair", "esci", "uscire"})


class MenuGoal(msgspec.Struct, frozen=True):
    """A goal. words: its plain words. starts_run: it is reached in play, else on a screen. title: at the main menu."""

    text: str
    words: tuple[str, ...]
    starts_run: bool
    title: bool = False
    is_asked: bool = False

    def wants(self) -> frozenset[int]:
        """The places of the words that name something on a screen."""
        small = small_words()
        return frozenset(i for i, word in enumerate(self.words) if word not in small and not self._is_verb(i))

    def _is_verb(self, i: int) -> bool:
        return self.starts_run and bool(concepts().get(self.words[i], frozenset()) & _RUNS)


class Fit(msgspec.Struct, frozen=True):
    """How well a text serves a goal, 0 … 1, and the places of the goal's words that it names."""

    score: float
    names: frozenset[int] = frozenset()


NO_FIT: Final = Fit(0.0)


def menu_goal(text: str) -> MenuGoal:
    """The goal of a sentence; "" is to get into play. Raises SettingsError where it is none, or asks to quit."""
    text = " ".join(text.split())
    if not text:
        return MenuGoal("get into play", (), True)
    if len(text) > MAX_CHARS or not text.isprintable():
        raise SettingsError(f"METABONK_MENU_GOAL={text[:60]!r}: at most {MAX_CHARS} characters that can be printed")
    words = tokens(text)
    if not words:
        raise SettingsError(f"METABONK_MENU_GOAL={text[:60]!r}: there is no word in it")
    named = [_concepts_of(words, i) for i in range(len(words))]
    runs = any("run" in (word, word.rstrip("s")) or found & _RUNS for word, found in zip(words, named, strict=True))
    title = any("main menu" in found for found in named)
    return MenuGoal(text, words, runs and not title, title, True)


def asks_to_leave(goal: MenuGoal, refused: Refused) -> str:
    """The group that refuses what a goal asks for, "" where it asks for nothing that is refused."""
    return refused.why(goal.text) if goal.is_asked else ""


def _concepts_of(words: Sequence[str], at: int) -> frozenset[str]:
    """The concepts that the words from here on name, by one, two or three of them."""
    found: frozenset[str] = frozenset()
    for n in (1, 2, 3):
        if at + n <= len(words):
            found |= concepts().get(" ".join(words[at : at + n]), frozenset())
    return found


def fit(goal: MenuGoal, text: str) -> Fit:
    """How well a text on a screen serves the goal, by its words and their meaning."""
    return max((_same_words(goal, text), _near_words(goal, text), _same_meaning(goal, text)), key=lambda f: f.score)


def _same_words(goal: MenuGoal, text: str) -> Fit:
    words = tokens(text)
    small = small_words()
    if not words or all(word in small for word in words):
        return NO_FIT
    for at in range(len(goal.words) - len(words) + 1):
        if goal.words[at : at + len(words)] == words:
            return Fit(EXACT, frozenset(range(at, at + len(words))))
    return NO_FIT


def _near_words(goal: MenuGoal, text: str) -> Fit:
    """As many words of the goal one after the other that are read almost the same; numbers must be the same."""
    from rapidfuzz.fuzz import ratio

    line = skeleton(text)
    n = len(line.split())
    best = NO_FIT
    for length in {n, n - 1, n + 1} - {0}:
        for at in range(len(goal.words) - length + 1):
            part = goal.words[at : at + length]
            if all(word in small_words() for word in part) or len(line) < 4 or _numbers(part) != _numbers(tokens(text)):
                continue
            score = ratio(line, skeleton(" ".join(part)))
            if score >= _NEAR_RATIO and score / 100 * NEAR > best.score:
                best = Fit(score / 100 * NEAR, frozenset(range(at, at + length)))
    return best


def _numbers(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.isdigit()]


def _same_meaning(goal: MenuGoal, text: str) -> Fit:
    """The text is a word for something that the goal names in another word or language."""
    meant = concepts().get(" ".join(tokens(text)), frozenset())
    if not meant:
        return NO_FIT
    for at in range(len(goal.words)):
        for n in (3, 2, 1):
            if at + n <= len(goal.words) and meant & concepts().get(" ".join(goal.words[at : at + n]), frozenset()):
                return Fit(MEANT, frozenset(range(at, at + n)))
    return NO_FIT


def embedded_fits(goal: FloatArray, texts: FloatArray) -> list[float]:
    """Scores 0 … `MEANT` of texts f32 [n, size] for a goal f32 [size]: how near the meaning lies, by cosine."""
    low, high = _COSINE
    cosines = np.clip((texts @ goal - low) / (high - low), 0.0, 1.0)
    return [float(c) * MEANT for c in cosines]


def leads_on(text: str, *, out: bool = False) -> float:
    """How likely a button with this text leads on towards play, 0 … 1, where nothing else is known of it.

    out: something must be chosen first, so that beginning again at once misses it, and the way out is as good.
    """
    named = named_by(text)
    if out and "retry" in named:
        return 0.1
    if out and "main menu" in named:
        return 0.4
    if out and "single player" in named:
        return 0.35
    if out and (choosing := _CHOOSES & (named | _concepts_within(text))):
        return max(_CHOICE if choosing == named else 0.9 * _CHOICE, *(_LEADS_ON[name] for name in choosing))
    return max((_LEADS_ON.get(name, _UNKNOWN) for name in named), default=_caption(text))


def leads_elsewhere(text: str) -> float:
    """How likely a button with this text leads to another screen of the menus, 0 … 1, where nothing is known of it."""
    named = named_by(text)
    return max((_ELSEWHERE.get(name, _UNKNOWN) for name in named), default=_caption(text))


@lru_cache(4096)
def named_by(text: str) -> frozenset[str]:
    """The concepts that a text names; one that names none is taken for the one that it is nearest to, if it is near.

    Ornate letters are read wrong (`Stort Gone`).
    """
    from rapidfuzz.fuzz import ratio

    line = " ".join(tokens(text))
    exact = concepts().get(line)
    if exact is not None or len(line) < _NEAR_CHARS:
        return exact or frozenset()
    alike = (p for p in concepts() if p[0] == line[0] and len(p) >= _NEAR_CHARS and p.count(" ") == line.count(" "))
    near = max(((ratio(line, phrase), phrase) for phrase in alike), default=(0.0, ""))
    return concepts()[near[1]] if near[0] >= _NEAR_CONCEPT else frozenset()


def _caption(text: str) -> float:
    """Of a text that names nothing known; one that ends in a colon names what stands beside it."""
    return 0.3 * _UNKNOWN if text.rstrip().endswith(":") else _UNKNOWN


def _concepts_within(text: str) -> frozenset[str]:
    """The concepts that single words of a short text name."""
    words = tokens(text)
    return frozenset().union(*(concepts().get(word, frozenset()) for word in words)) if len(words) <= 3 else frozenset()


_NEAR_CHARS: Final = 6
_NEAR_CONCEPT: Final = 70.0
_UNKNOWN: Final = 0.25
_CHOOSES: Final = frozenset({"levels", "characters"})
_CHOICE: Final = 0.5
"""Of a button to a choice, where something is still to be chosen."""
_ELSEWHERE: Final = {
    "confirm": 0.5, "continue": 0.48, "skip": 0.48, "back": 0.4, "main menu": 0.42, "no": 0.3, "yes": 0.3,
    "play": 0.12, "new game": 0.12, "retry": 0.1, "single player": 0.15, "multiplayer": 0.12, "load": 0.12,
    "easy": 0.1, "normal": 0.1, "hard": 0.1, "language": 0.15,
}  # fmt: skip
_LEADS_ON: Final = {
    "play": 0.60, "new game": 0.55, "confirm": 0.55, "continue": 0.52, "single player": 0.50, "retry": 0.50,
    "skip": 0.45, "yes": 0.40, "levels": 0.35, "characters": 0.30, "normal": 0.35, "easy": 0.32, "hard": 0.28,
    "load": 0.30, "tutorial": 0.2,
    "main menu": 0.20, "back": 0.10, "no": 0.12, "settings": 0.06, "audio": 0.04, "video": 0.04, "controls": 0.04,
    "language": 0.06, "credits": 0.03, "multiplayer": 0.15, "shop": 0.05, "achievements": 0.03, "leaderboard": 0.03,
    "quests": 0.06, "unlocks": 0.05, "save": 0.05,
}  # fmt: skip
