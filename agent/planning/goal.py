"""The user's goal: a sentence, and what the builtin planner understands of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from agent.core.errors import SettingsError
from agent.core.goals.vocabulary import CARD_KINDS, SubgoalKind, is_card_name

MAX_TEXT: Final = 200
_MINUTE_S: Final = 60
_Match = re.Match[str]


class Wish(msgspec.Struct, frozen=True):
    """One thing that a goal asks for. amount: how much of it, 0 where it does not say."""

    kind: SubgoalKind
    what: str = ""
    amount: float = 0.0


class Goal(msgspec.Struct, frozen=True):
    """A goal. wishes: what was understood, () where nothing was: then the plan is to survive and to gain levels."""

    text: str
    wishes: tuple[Wish, ...]

    @property
    def understood(self) -> bool:
        """False where the builtin planner only knows the sentence."""
        return bool(self.wishes)

    def wish(self, kind: SubgoalKind, what: str = "") -> Wish | None:
        """What it asks for of this kind, None where it does not."""
        return next((w for w in self.wishes if w.kind is kind and (not what or w.what == what)), None)

    def status(self) -> dict[str, Any]:
        """The sentence, and what was understood."""
        found = [{"kind": w.kind.value, "what": w.what, "amount": w.amount} for w in self.wishes]
        return {"text": self.text, "understood": self.understood, "wishes": found}


def _number(match: re.Match[str]) -> float:
    found = match.groupdict().get("n")
    return float(found) if found else 0.0


def _seconds(match: re.Match[str]) -> float:
    return float(match["n"]) * (1 if match["unit"].startswith("s") else _MINUTE_S)


def _singular(match: re.Match[str]) -> str:
    return match["what"].removesuffix("s")


def _card(match: re.Match[str]) -> str:
    name = match["what"].strip()
    words = {"weapons": "weapon", "tomes": "tome", "armour": "defence", "defense": "defence", "health": "defence"}
    return words.get(name.removesuffix(" cards").removesuffix(" card"), name.removesuffix(" cards").strip())


_K: Final = SubgoalKind
_N: Final = r"(?:(?P<n>\d+(?:\.\d+)?)\s+)?"
_PATTERNS: Final[tuple[tuple[str, SubgoalKind, Callable[[_Match], str], Callable[[_Match], float]], ...]] = (
    (r"surviv\w*(?: for)? (?P<n>\d+(?:\.\d+)?)\s*(?P<unit>m\w*|s\w*)", _K.SURVIVE_UNTIL, lambda m: "", _seconds),
    (r"surviv\w*|stay alive", _K.SURVIVE_UNTIL, lambda m: "", _number),
    (r"(?:reach|get to|gain|at|from) level (?P<n>\d+)", _K.REACH_LEVEL, lambda m: "", _number),
    (r"boss(?:es)?\b", _K.BOSS, lambda m: "", _number),
    (rf"kill {_N}(?:enem\w+|foes|monsters|goblins|skeletons)", _K.KILL, lambda m: "", _number),
    (rf"(?:open|use|charge) {_N}(?P<what>chests?|shrines?)", _K.OPEN, _singular, _number),
    (rf"(?:collect|gather|earn) {_N}(?P<what>gold|xp|health)", _K.COLLECT, lambda m: m["what"], _number),
    (
        r"(?:take|pick|with|use|prefer) (?:the |a |an )?(?P<what>[a-z][a-z' -]*?)"
        r"(?= (?:at|and|until|by|for|whenever|when|to)\b|[,.;!]|$)",
        _K.PICK_CARD, _card, lambda m: 0.0,
    ),
)  # fmt: skip


def parse_goal(text: str) -> Goal:
    """A goal of this sentence; raises SettingsError where it is empty, too long, or cannot be printed."""
    plain = " ".join(text.split())
    if not plain or len(plain) > MAX_TEXT or not plain.isprintable():
        raise SettingsError(f"the goal {plain[:40]!r}: 1 to {MAX_TEXT} printable characters are needed")
    lower, wishes, read = plain.lower(), list[Wish](), set[int]()
    for pattern, kind, what, amount in _PATTERNS:
        for match in re.finditer(pattern, lower):
            wish, at = Wish(kind, what(match), amount(match)), set(range(*match.span()))
            is_card = kind is SubgoalKind.PICK_CARD
            if is_card and (at & read or not (wish.what in CARD_KINDS or is_card_name(wish.what))):
                continue  # `use shrines` asks for no card of that name
            read |= at
            if not any(w.kind is kind and w.what == wish.what for w in wishes):
                wishes.append(wish)
    return Goal(plain, tuple(wishes))
