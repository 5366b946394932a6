"""The graph of a game's screens: where each action led and how often, kept on disk, and the way to a goal in it.

A node is a set of texts and how they lie; an edge is an action with counts of what was reached. Play is a node too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from agent.core.files import write_atomically
from agent.planning.screen.elements import Element, Screen
from agent.planning.screen.text import skeleton, without_numbers

PLAY: Final = "play"
BACK: Final = "(back)"
SAME_SCREEN: Final = 0.8
"""Of Jaccard's index of two sets of texts."""
MAX_NODES: Final = 200
DISCOUNT: Final = 0.85
DEAD_AFTER: Final = 2
"""An action that changed nothing so often is a dead end."""
SHOWN: Final = 8
"""So many screens, and ways of each, are shown."""
SHOWN_TEXT: Final = 40
_SCHEMA: Final = "metabonk-screens/1"
_CELLS: Final = 6
log = structlog.get_logger(__name__)


class Edge(msgspec.Struct):
    """One action on one screen: how often it was tried, and which nodes it led to."""

    tries: int = 0
    led_to: dict[str, int] = msgspec.field(default_factory=dict)


class Node(msgspec.Struct):
    """One screen. texts: without numbers. actions: what could be pressed, as it was written, by its key."""

    id: str
    texts: set[str]
    layout: int
    actions: dict[str, str] = msgspec.field(default_factory=dict)
    edges: dict[str, Edge] = msgspec.field(default_factory=dict)
    seen: int = 0
    last: int = 0


class _File(msgspec.Struct):
    """What is kept on disk."""

    schema: str
    game: str
    visits: int
    nodes: list[Node]


def _name(node: Node) -> str:
    """What people may know a screen by: what can be pressed there."""
    texts = [text for text in node.actions.values() if text.strip()] or sorted(node.texts)
    return ", ".join(texts[:3])[:SHOWN_TEXT] or "a screen without texts"


def action_key(element: Element, size_px: tuple[int, int]) -> str:
    """What an element is called in the graph: its text and about where it is."""
    x, y = element.centre
    column, row = x * _CELLS // max(1, size_px[0]), y * _CELLS // max(1, size_px[1])
    return f"{skeleton(element.text) or 'icon'}@{column},{row}"


def _layout(elements: Iterable[Element], size_px: tuple[int, int]) -> int:
    """Where texts lie, as bits of a grid."""
    bits = 0
    for element in elements:
        x, y = element.centre
        bits |= 1 << ((y * 8 // max(1, size_px[1])) * 8 + x * 8 // max(1, size_px[0]))
    return bits


def _shape(screen: Screen) -> tuple[set[str], int]:
    """The texts of a screen without numbers, and how they lie."""
    labels = [e for e in screen.elements if e.kind != "chat"]
    return {without_numbers(e.text) for e in labels} - {""}, _layout(labels, screen.size_px)


def alike(a: set[str], b: set[str]) -> float:
    """Jaccard's index of two sets of texts, where texts that are read almost the same are the same."""
    from rapidfuzz.fuzz import ratio

    if not a and not b:
        return 1.0
    both = a & b
    rest_a, rest_b = sorted(a - both), sorted(b - both)
    common = len(both)
    for text in rest_a:
        near = next((other for other in rest_b if min(len(text), len(other)) > 3 and ratio(text, other) >= 85), None)
        if near is not None:
            rest_b.remove(near)
            common += 1
    return common / (len(a) + len(b) - common)


class ScreenGraph:
    """The screens of one game. path: where it is kept, None: nowhere."""

    def __init__(self, game: str, path: Path | None) -> None:
        self.game, self.path = game, path
        self.nodes: dict[str, Node] = {}
        self.visits = 0
        self.refused = ""
        self._unsaved = False

    def load(self) -> ScreenGraph:
        """Take in what was kept; a file that cannot be read is learned anew, which is said. May block."""
        path = self.path
        if path is None:
            return self
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=_File)
            if kept.schema != _SCHEMA:
                raise ValueError(f"schema {kept.schema[:40]}")
        except FileNotFoundError:
            return self
        except (OSError, ValueError, RecursionError) as error:
            self.refused = f"{path}: {error}; it is learned anew"
            log.warning("screens_not_read", path=str(path), error=str(error), note="they are learned anew")
            return self
        self.visits = kept.visits
        self.nodes = {node.id: node for node in kept.nodes}
        return self

    def save(self) -> None:
        """Write what was learned since the last time; may block. Raises OSError."""
        if self.path is None or not self._unsaved:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(
            self.path, msgspec.json.encode(_File(_SCHEMA, self.game, self.visits, list(self.nodes.values())))
        )
        self._unsaved = False

    def locate(self, screen: Screen) -> Node:
        """The node of a screen, made where it is new."""
        best = self.known(screen)
        if best is None:
            best = self._new(*_shape(screen))
        self.visits += 1
        best.seen, best.last = best.seen + 1, self.visits
        self.add_actions(best, screen)
        return best

    def known(self, screen: Screen) -> Node | None:
        """The node of a screen, None where it is new."""
        texts, layout = _shape(screen)
        best = max(self.nodes.values(), key=lambda n: self._likeness(n, texts, layout), default=None)
        return best if best is not None and self._likeness(best, texts, layout) >= SAME_SCREEN else None

    def add_actions(self, node: Node, screen: Screen) -> None:
        """What can be pressed on a screen belongs to its node."""
        found = [e for e in screen.elements if e.kind in ("label", "icon")]
        node.actions |= {action_key(e, screen.size_px): e.text for e in found}
        self._unsaved = True

    def _likeness(self, node: Node, texts: set[str], layout: int) -> float:
        found = alike(node.texts, texts)
        if found < SAME_SCREEN or not texts:
            return found
        same, either = (node.layout & layout).bit_count(), (node.layout | layout).bit_count()
        return found if not either or same / either >= 0.5 else 0.0

    def _new(self, texts: set[str], layout: int) -> Node:
        while len(self.nodes) >= MAX_NODES:
            oldest = min(self.nodes.values(), key=lambda n: n.last)
            del self.nodes[oldest.id]
        name = hashlib.sha256(f"{sorted(texts)}{layout}".encode()).hexdigest()[:12]
        node = Node(name, texts, layout)
        self.nodes[name] = node
        return node

    def note(self, node: Node, action: str, reached: str) -> None:
        """An action on a screen led to a node, which may be the same one or `PLAY`."""
        edge = node.edges.setdefault(action, Edge())
        edge.tries += 1
        edge.led_to[reached] = edge.led_to.get(reached, 0) + 1
        self._unsaved = True

    def is_dead(self, node: Node, action: str) -> bool:
        """True where an action changed nothing twice and never did anything else."""
        edge = node.edges.get(action)
        return edge is not None and edge.led_to.get(node.id, 0) >= DEAD_AFTER and set(edge.led_to) == {node.id}

    def luck(self, action: str) -> float:
        """What became of this action on all screens: −1 where it never changed anything, 1 where it always did."""
        worked = inert = 0
        for node in self.nodes.values():
            edge = node.edges.get(action)
            if edge is not None:
                same = edge.led_to.get(node.id, 0)
                inert, worked = inert + same, worked + sum(edge.led_to.values()) - same
        tries = worked + inert
        return (worked - inert) / (tries if tries >= DEAD_AFTER else tries + 1)

    def values(self, worth: Callable[[str, str], float], hope: Callable[[str, str], float]) -> dict[str, float]:
        """How good each node is, 0 … 1, by value iteration.

        worth: of an action by node and key, where it reaches what is wanted at once, else 0. hope: of an action that
        was never tried here, by its key and its text.
        """
        values = dict.fromkeys(self.nodes, 0.0)
        values[PLAY] = 1.0 if worth(PLAY, "") > 0 else 0.0
        for _ in range(60):
            away = 0.0
            for node in self.nodes.values():
                best = max((self.action_value(node, a, values, worth, hope) for a in node.actions), default=0.0)
                away = max(away, abs(best - values[node.id]))
                values[node.id] = best
            if away < 1e-3:
                break
        return values

    def action_value(
        self, node: Node, action: str, values: dict[str, float], worth: Callable[[str, str], float],
        hope: Callable[[str, str], float],
    ) -> float:  # fmt: skip
        """How good an action is: what it is worth at once, else what it led to, else what it may be hoped to."""
        at_once = worth(node.id, action)
        if at_once > 0:
            return at_once
        edge = node.edges.get(action)
        if edge is None or not edge.tries:
            return DISCOUNT * hope(action, node.actions.get(action, action))
        if self.is_dead(node, action):
            return 0.0
        total = sum(edge.led_to.values())
        reached = sum(n * values.get(to, 0.0) * (DISCOUNT if to == node.id else 1.0) for to, n in edge.led_to.items())
        return DISCOUNT * reached / total

    def status(self) -> dict[str, Any]:
        """How many screens and ways are known, where they are kept, and the newest of them for people to see."""
        ways = sum(len(node.edges) for node in self.nodes.values())
        return {
            "screens": len(self.nodes), "ways": ways, "file": str(self.path or ""), "refused": self.refused,
            "shown": self._shown(),
        }  # fmt: skip

    def _shown(self) -> list[dict[str, Any]]:
        """The screens that were seen last, newest first, with the ways that lead to another one."""
        newest = sorted(self.nodes.values(), key=lambda n: -n.last)[:SHOWN]
        names = {node.id: _name(node) for node in newest} | {PLAY: PLAY}
        return [
            {
                "name": names[node.id], "seen": node.seen, "is_here": node.last == self.visits,
                "ways": [
                    {"by": node.actions.get(key, key)[:SHOWN_TEXT], "to": names.get(to, "a screen seen long ago")}
                    for key, edge in list(node.edges.items())[:SHOWN]
                    for to in sorted(edge.led_to, key=lambda to: -edge.led_to[to])[:1] if to != node.id
                ],
            }
            for node in newest
        ]  # fmt: skip


def graph_path(folder: Path, game: str) -> Path:
    """Where the screens of a game are kept."""
    name = re.sub(r"[^a-z0-9]+", "-", game.lower()).strip("-")[:40] or "game"
    return folder / f"{name}-{hashlib.sha256(game.encode()).hexdigest()[:8]}.json"
