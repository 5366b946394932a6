"""What to do on a screen: the builtin chooser, by the goal's words, embeddings, and the graph of screens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Final, Literal

import msgspec

from agent.planning.menus.goal import CLEAR, MenuGoal, fit, leads_elsewhere, leads_on
from agent.planning.menus.graph import BACK, DISCOUNT, PLAY, Node, ScreenGraph, action_key
from agent.planning.menus.words import Refused, concepts
from agent.planning.screen.elements import Element, Screen
from agent.planning.screen.text import tokens

Do = Literal["click", "click_xy", "back", "key", "wait", "give_up"]
MIN_CONFIDENCE: Final = 0.5
_MENU_WORDS: Final = frozenset(
    {"play", "new game", "continue", "settings", "credits", "load", "multiplayer", "single player"}
)
_HOPE_BACK: Final = 0.12
_DISABLED: Final = 0.3
_TITLE: Final = 2.0
"""Letters so many times as high as the usual ones are a title's."""
_AGAIN: Final = 0.9
_WORTH: Final = 0.05
"""An action that is worth less is not tried."""


class Choice(msgspec.Struct, frozen=True, eq=False):
    """What to do, and why in one sentence. element: of a click. names: the goal's words that it settles.

    worth: 0 … 1, how much is to be hoped of it.
    """

    do: Do
    why: str
    element: Element | None = None
    key: str = ""
    names: frozenset[int] = frozenset()
    at: tuple[float, float] | None = None
    worth: float = 1.0


class Journey(msgspec.Struct):
    """How far a goal is reached in one way through menus. done: places of the goal's words that are settled."""

    goal: MenuGoal
    done: frozenset[int] = frozenset()
    fulfilled: bool = False
    """The goal was reached before, so that what it selects stays selected."""

    @property
    def open(self) -> frozenset[int]:
        """The places of the goal's words that nothing settled yet."""
        return frozenset() if self.fulfilled else self.goal.wants() - self.done


def pressable(screen: Screen, refused: Refused) -> list[Element]:
    """The elements that may be pressed: labels that are read well and not refused: the first gate."""
    return [
        e
        for e in screen.elements
        if e.kind in ("label", "icon") and e.confidence >= MIN_CONFIDENCE
        if not refused.why(e.text)
    ]


def is_main_menu(texts: Iterable[str]) -> bool:
    """True where a screen has two or more of the words that main menus have, and none that leads to one."""
    named: set[str] = set()
    for text in texts:
        named |= concepts().get(" ".join(tokens(text)), frozenset())
    return len(named & _MENU_WORDS) >= 2 and not named & {"main menu", "back"}


def choose(
    screen: Screen, node: Node, graph: ScreenGraph, journey: Journey, refused: Refused, meant: Mapping[str, float],
    *, changed: bool = False,
) -> Choice:  # fmt: skip
    """The best action on a screen.

    meant: how well texts serve the goal by their embeddings, where there are any. changed: a text is there that was not
    before, so that what led nowhere may lead on now.
    """
    goal, wanted = journey.goal, journey.open
    if goal.title and is_main_menu(e.text for e in screen.elements):
        return Choice("wait", "the main menu is there")
    elements = pressable(screen, refused)
    direct = _direct(elements, journey, screen)
    if direct is not None:
        return direct
    worth = _worth(graph, journey)
    hope = _hope(goal, wanted, meant, graph)
    values = graph.values(worth, hope)
    rated: list[tuple[float, Element | None, str]] = []
    usual_px = median(e.box[3] - e.box[1] for e in elements) if elements else 0
    for e in elements:
        key = action_key(e, screen.size_px)
        value = graph.action_value(node, key, values, worth, hope)
        is_faint = e.state == "disabled" or e.box[3] - e.box[1] > _TITLE * usual_px
        if changed and key in node.edges and not graph.is_dead(node, key):
            value = max(value, _AGAIN * DISCOUNT * hope(key, e.text))
        rated.append((value * (_DISABLED if is_faint and key not in node.edges else 1.0), e, key))
    rated.append((graph.action_value(node, BACK, values, worth, lambda key, text: _HOPE_BACK), None, BACK))
    best = max(rated, key=lambda item: item[0])
    if best[0] < _WORTH:
        return Choice("give_up", _stuck(screen, refused, wanted, goal), worth=0.0)
    if best[1] is None:
        return Choice("back", f"nothing else leads on (worth {best[0]:.2f})", key=BACK, worth=best[0])
    return _click(best[1], goal, best[2], best[0])


def _click(element: Element, goal: MenuGoal, key: str, worth: float) -> Choice:
    found = fit(goal, element.text)
    names = found.names if found.score >= CLEAR else frozenset()
    return Choice("click", f"{element.text[:32]!r}: worth {worth:.2f}", element, key, names, worth=worth)


def _direct(elements: Sequence[Element], journey: Journey, screen: Screen) -> Choice | None:
    """The element that names an open part of the goal best, None where none does.

    It is pressed once: what is chosen already does not change when it is pressed, so that nothing says it failed.
    """
    best: tuple[float, Choice] | None = None
    for element in elements:
        found = fit(journey.goal, element.text)
        names = found.names & journey.open
        key = action_key(element, screen.size_px)
        if found.score < CLEAR or not names:
            continue
        score = found.score + 0.01 * len(names)
        if best is None or score > best[0]:
            why = f"the goal names it ({found.score:.2f})"
            best = score, Choice("click", f"{element.text[:32]!r}: {why}", element, key, found.names)
    return best[1] if best is not None else None


def _worth(graph: ScreenGraph, journey: Journey) -> Callable[[str, str], float]:
    """What an action is worth at once: it names an open part of the goal; or play, where all of it is settled."""
    goal, wanted = journey.goal, journey.open
    known: dict[str, bool] = {}

    def settles(text: str) -> bool:
        if text not in known:
            found = fit(goal, text)
            known[text] = found.score >= CLEAR and bool(found.names & wanted)
        return known[text]

    def worth(node: str, action: str) -> float:
        if node == PLAY:
            return 1.0 if goal.starts_run and not wanted else 0.0
        here = graph.nodes[node]
        if goal.title and is_main_menu(here.actions.values()):
            return 1.0
        return float(bool(wanted) and action in here.actions and settles(here.actions[action]))

    return worth


def _hope(
    goal: MenuGoal, wanted: frozenset[int], meant: Mapping[str, float], graph: ScreenGraph
) -> Callable[[str, str], float]:
    """What an action that was never tried on a screen may be hoped to lead to, by its key and its text."""

    def hope(key: str, text: str) -> float:
        found = fit(goal, text)
        if goal.title:
            named = concepts().get(" ".join(tokens(text)), frozenset())
            prior = 0.7 if named & {"main menu", "back"} else 0.15
        else:
            prior = leads_on(text, out=bool(wanted)) if goal.starts_run else leads_elsewhere(text)
        luck = graph.luck(key)
        prior *= 1.0 + (0.9 if luck < 0 else 0.3) * luck
        return max(prior, found.score * 0.9 if found.names & wanted else 0.0, meant.get(text, 0.0))

    return hope


def _stuck(screen: Screen, refused: Refused, wanted: frozenset[int], goal: MenuGoal) -> str:
    """Why nothing is left to try."""
    blocked = [f"{e.text[:24]!r} ({refused.why(e.text)})" for e in screen.elements if refused.why(e.text)]
    still = " ".join(goal.words[i] for i in sorted(wanted))
    parts = [f"nothing on this screen leads on{f' to {still!r}' if still else ''}"]
    parts += [f"refused: {', '.join(blocked[:4])}"] if blocked else []
    return "; ".join(parts)
