"""Loops: the same few states again and again, without anything gained. Pure: no clock, no file, no thread.

A state is a node: the menu, the level, and the cell of 2 m that the player is in; in a menu, and in a game that tells
no position, the picture's difference hash as well. A loop is a strongly connected part of the graph of nodes that was
passed `min_repeats` times within a stretch of at least `min_s` without a new node and without a reward. A single node
counts where the player acted most of the time: somebody who waits in a menu is in no loop. A cell is not new where the
player was beside it a while ago: nobody walks the same way to the metre.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from operator import itemgetter
from typing import Final

import msgspec
import numpy as np

from agent.core.types import ByteArray, GameState
from agent.link.imaging import resize

CELL_M: Final = 2.0
MIN_S: Final = 20.0
MIN_REPEATS: Final = 3
LOOK_HZ: Final = 5.0
"""Looks per second that are enough."""
NEAR_BITS: Final = 10
"""Difference hashes that differ in fewer bits are of one picture."""
MAX_HASHES: Final = 512
"""Pictures of one menu that are told apart; more are taken for the last."""
NEAR_S: Final = 10.0
"""A cell is known where one beside it was seen so long ago."""
_ACTING: Final = 0.5
_BESIDE: Final = [(x, z) for x in (-1, 0, 1) for z in (-1, 0, 1)]

Node = tuple[str, int, tuple[int, int, int] | None, int | None]
"""Menu, level, cell, difference hash."""


class Look(msgspec.Struct, frozen=True):
    """One look at a game: its state as a node, whether something was gained since the look before, and done in it."""

    time_s: float
    node: Node
    gained: bool
    acted: bool


class Loop(msgspec.Struct, frozen=True):
    """One loop: from when to when, the nodes it consists of, the one that was entered most, and how often that was."""

    began_s: float
    ended_s: float
    nodes: tuple[Node, ...]
    node: Node
    repeats: int

    @property
    def lost_s(self) -> float:
        """The time that it cost, which is its score."""
        return self.ended_s - self.began_s

    @property
    def hash(self) -> str:
        """What its nodes are called together, 16 hexadecimal digits."""
        return hashlib.blake2b(repr(sorted(map(repr, self.nodes))).encode(), digest_size=8).hexdigest()


def difference_hash(pixels: ByteArray) -> int:
    """64 bits of a picture u8 [h, w, 3]: of 9 × 8 grey fields, whether each is brighter than the one to its left."""
    grey = resize(pixels, 9, 8).astype(np.int32).sum(2)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


class Nodes:
    """Makes nodes of states, and remembers pictures, so that one that differs by a little is the same node."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[str, int], list[int]] = {}
        self._first: tuple[float, float, float] | None = None
        self._has_position = False

    def needs_picture(self, menu: str, position: tuple[float, float, float]) -> bool:
        """Whether a picture decides which node a state is: in a menu, and until a position was seen to change."""
        self._first = self._first or position
        self._has_position = self._has_position or position != self._first
        return bool(menu) or not self._has_position

    def of(
        self, menu: str, level: int, position: tuple[float, float, float], pixels: ByteArray | None, *, plays: bool
    ) -> Node:
        """The node of a state; `pixels` are used where they are needed."""
        if plays and not menu and not self.needs_picture(menu, position):
            x, y, z = (int(np.floor(axis / CELL_M)) for axis in position)
            return ("", level, (x, y, z), None)
        return (menu, level, None, None if pixels is None else self._known((menu, level), difference_hash(pixels)))

    def _known(self, scene: tuple[str, int], found: int) -> int:
        known = self._hashes.setdefault(scene, [])
        nearest = min(known, key=lambda other: (other ^ found).bit_count(), default=None)
        if nearest is not None and ((nearest ^ found).bit_count() < NEAR_BITS or len(known) >= MAX_HASHES):
            return nearest
        known.append(found)
        return found


class _Stay(msgspec.Struct):
    """Looks at one node after the other; `acted` of `looks`."""

    node: Node
    began_s: float
    ended_s: float
    looks: int
    acted: int


class FinderState(msgspec.Struct, frozen=True):
    """All that a finder remembers of its episode."""

    seen: list[Node]
    first_s: list[tuple[tuple[int, int], float]]
    trail: list[_Stay]
    entries: list[tuple[Node, int]]
    is_looping: bool


class LoopFinder:
    """Finds the loops of one episode, look by look. begun: what `state` gave, to go on from."""

    def __init__(
        self, *, min_repeats: int = MIN_REPEATS, min_s: float = MIN_S, begun: FinderState | None = None
    ) -> None:
        self._min_repeats, self._min_s = min_repeats, min_s
        self._seen: set[Node] = set()
        self._first_s: dict[tuple[int, int], float] = {}
        """When each column of cells was seen first."""
        self._trail: list[_Stay] = []
        self._entries: Counter[Node] = Counter()
        self.is_looping = False
        """A loop goes on, which ends with the next new node or reward."""
        if begun is not None:
            self._seen, self._trail, self._entries = set(begun.seen), list(begun.trail), Counter(dict(begun.entries))
            self._first_s = dict(begun.first_s)
            self.is_looping = begun.is_looping

    def state(self) -> FinderState:
        """What it remembers."""
        first_s, entries = list(self._first_s.items()), list(self._entries.items())
        return FinderState(sorted(self._seen, key=repr), first_s, self._trail, entries, self.is_looping)

    @property
    def stalled_s(self) -> float:
        """How long nothing new and no reward has come."""
        return self._trail[-1].ended_s - self._trail[0].began_s if self._trail else 0.0

    def add(self, look: Look) -> Loop | None:
        """Take a look; the loop that it ends, if it ends one."""
        is_new = self._is_new(look)
        ended = None
        if is_new or look.gained:
            ended = self.end()
        last = self._trail[-1] if self._trail else None
        if last is None or last.node != look.node:
            if last is not None:
                last.ended_s = look.time_s
            self._trail.append(_Stay(look.node, look.time_s, look.time_s, 0, 0))
            self._entries[look.node] += 1
        stay = self._trail[-1]
        stay.ended_s = look.time_s
        stay.looks += 1
        stay.acted += look.acted
        if not self.is_looping and look.time_s - self._trail[0].began_s >= self._min_s:
            self.is_looping = self._is_loop()
        return ended

    def _is_new(self, look: Look) -> bool:
        """Whether nothing like this was seen before; from now on it was."""
        is_new, cell = look.node not in self._seen, look.node[2]
        self._seen.add(look.node)
        if cell is not None:
            x, _, z = cell
            self._first_s.setdefault((x, z), look.time_s)
            if is_new:
                beside = (self._first_s.get((x + i, z + j), look.time_s) for i, j in _BESIDE)
                is_new = look.time_s - min(beside) <= NEAR_S
        return is_new

    @property
    def nodes(self) -> int:
        """How many nodes the episode has had."""
        return len(self._seen)

    def now(self) -> Loop | None:
        """The loop that goes on, as far as it has come."""
        return self._loop() if self.is_looping else None

    def end(self) -> Loop | None:
        """Something new began, or the episode ended; the loop that went on until now."""
        found = self.now()
        self._trail, self.is_looping = [], False
        self._entries.clear()
        return found

    def _is_loop(self) -> bool:
        found = self._loop()
        return found is not None and found.lost_s >= self._min_s

    def _loop(self) -> Loop | None:
        """What of the trail is a loop, None where it is none."""
        node, repeats = max(self._entries.items(), key=itemgetter(1))
        if len(self._entries) > 1 and repeats >= self._min_repeats:
            nodes = self._connected(node)
            inside = [stay for stay in self._trail if stay.node in nodes]
            return Loop(inside[0].began_s, inside[-1].ended_s, tuple(sorted(nodes, key=repr)), node, repeats)
        longest = max(self._trail, key=lambda stay: stay.ended_s - stay.began_s)
        if longest.acted > _ACTING * longest.looks:
            return Loop(longest.began_s, longest.ended_s, (longest.node,), longest.node, longest.looks)
        return None

    def _connected(self, node: Node) -> set[Node]:
        """The strongly connected part that a node belongs to: what it leads to, and what leads to it."""
        steps = {(a.node, b.node) for a, b in zip(self._trail, self._trail[1:], strict=False)}
        return _reached(node, steps) & _reached(node, {(b, a) for a, b in steps})


def _reached(node: Node, steps: set[tuple[Node, Node]]) -> set[Node]:
    leads: dict[Node, list[Node]] = {}
    for first, second in steps:
        leads.setdefault(first, []).append(second)
    found, rest = {node}, [node]
    while rest:
        for other in leads.get(rest.pop(), ()):
            if other not in found:
                found.add(other)
                rest.append(other)
    return found


class Gains:
    """Whether a state tells of something gained since the one before: a reward, a kill, gold, experience, a level."""

    def __init__(self) -> None:
        self._before: tuple[float, ...] | None = None
        self._reward = False

    def note(self, state: GameState) -> None:
        """Remember what a state that is not looked at gives."""
        run = state.run
        if run is None:
            return
        now = (float(run.kills), float(run.gold), run.level + run.xp_fraction)
        if self._before is not None:
            self._reward |= any(new > old for new, old in zip(now, self._before, strict=True))
        self._reward |= run.reward > 0.0
        self._before = now

    def add(self) -> None:
        """A reward came that no state tells of."""
        self._reward = True

    def take(self) -> bool:
        """Whether something was gained since this was asked before."""
        found, self._reward = self._reward, False
        return found
