"""System 1: the pilot's network as a policy of several games at once.

Owns sampling and the carry of each game; the network is `control.reflex`, which computes what
`models.actor_critic.Pilot` is trained to. It decides every `ticks` ticks of the game, as its weights were trained to
(`decision_ticks` in their manifest's notes), and holds the action between; once more when a menu opens, and when it
closes. Menus are driven through focus and submit; which card to take is the network's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from agent.control import encode, menus
from agent.control.arrays import STILL
from agent.control.reflex import Decision, Reflex, Tensors, build_reflex, decide, look, squashed
from agent.core.errors import WeightsError
from agent.core.types import NEUTRAL, Action, FloatArray, Frame, GameState, Menu, Observation
from agent.models.sealed import load_sealed, read_manifest, save_sealed

KIND: Final = "pilot"
TICKS_PER_S: Final = 60.0
LONGEST_TICKS: Final = 30.0
_CARD_MENUS: Final = (Menu.LEVEL_UP, Menu.ENCOUNTER)


def save_pilot(
    path: Path, tensors: Tensors, sizes: dict[str, Any], *, created_by: str, notes: dict[str, Any] | None = None
) -> None:
    """Write a pilot as a sealed weight file."""
    save_sealed(path, tensors, kind=KIND, layout=encode.describe(), sizes=sizes, created_by=created_by, notes=notes)


def load_pilot(path: Path) -> Reflex:
    """The network of a sealed file; raises WeightsError where it is not a pilot that observes what we encode."""
    manifest = read_manifest(path)
    if manifest.kind != KIND:
        raise WeightsError(f"{path}: holds a {manifest.kind}, a {KIND} is needed")
    if manifest.layout != encode.describe():
        raise WeightsError(f"{path}: observes {manifest.layout}, this program encodes {encode.describe()}")
    _, tensors = load_sealed(path)
    return checked_reflex(tensors, str(path))


def decision_ticks(path: Path) -> int:
    """Ticks from one decision to the next that a pilot's weights were trained with; raises WeightsError."""
    ticks = read_manifest(path).notes.get("decision_ticks", 1)
    if not isinstance(ticks, int) or not 1 <= ticks <= LONGEST_TICKS:
        raise WeightsError(f"{path}: its manifest's decision_ticks is {ticks!r}, 1 to {LONGEST_TICKS:.0f} are possible")
    return ticks


def checked_reflex(tensors: Tensors, where: str) -> Reflex:
    """A network that has made one step on zeros; raises WeightsError where the tensors do not fit together."""
    try:
        reflex = build_reflex(tensors)
        _check_widths(reflex)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{where}: not the tensors of a pilot: {error}") from error
    batch = encode.Encoded.empty(1)
    picture = look(reflex, np.zeros((encode.FRAME_PX, encode.FRAME_PX, 3), np.uint8))
    hidden = np.zeros(reflex.gates.b.shape[0] // 4, np.float32)
    decision = _decide(reflex, batch, 0, picture, hidden, 1.0)
    if not np.isfinite(decision.axes).all() or not np.isfinite(decision.hidden).all():
        raise WeightsError(f"{where}: a step on zeros gives values that are not finite")
    return reflex


def _check_widths(r: Reflex) -> None:
    """Compiled code does not check its indices: every width must fit the next; raises ValueError."""
    units, hidden, pooled = r.gates.b.shape[0] // 4, r.flat.b.shape[0], 2 * r.token_b.b.shape[0]
    flat = encode.SELF_FEATURES + encode.SECTORS * encode.RING_FEATURES
    chain = (
        ("normaliser", r.factor.shape, (flat,)), ("flat", r.flat.w.shape, (flat, hidden)),
        ("token.0", r.token_a.w.shape, (encode.TOKEN_FEATURES, r.token_a.b.shape[0])),
        ("token.2", r.token_b.w.shape, (r.token_a.b.shape[0], pooled // 2)),
        ("join", r.join.w.shape, (hidden + pooled + r.picture.b.shape[0], r.join.b.shape[0])),
        ("backbone", r.backbone.w.shape, (r.join.b.shape[0] + units, r.backbone.b.shape[0])),
        ("gates", r.gates.w.shape, (r.backbone.b.shape[0], 4 * units)),
        ("trunk", r.trunk.w.shape, (r.join.b.shape[0] + units, r.trunk.b.shape[0])),
        ("heads", r.heads.w.shape, (r.trunk.b.shape[0], 8)),
        ("card.0", r.card_a.w.shape, (r.trunk.b.shape[0] + encode.CARD_FEATURES, r.card_a.b.shape[0])),
        ("card.2", r.card_b.w.shape, (r.card_a.b.shape[0], 1)),
        ("picture.0", r.conv_a.w.shape, (8 * 8 * 3, r.conv_a.b.shape[0])),
        ("picture.2", r.conv_b.w.shape, (4 * 4 * r.conv_a.b.shape[0], r.conv_b.b.shape[0])),
        ("picture.4", r.conv_c.w.shape, (3 * 3 * r.conv_b.b.shape[0], r.conv_c.b.shape[0])),
        ("picture.7", r.picture.w.shape, (4 * 4 * r.conv_c.b.shape[0], r.picture.b.shape[0])),
        ("flat norm", r.flat_norm.scale.shape, (hidden,)), ("join norm", r.join_norm.scale.shape, r.join.b.shape),
        ("trunk norm", r.trunk_norm.scale.shape, r.trunk.b.shape),
        ("picture norm", r.picture_norm.scale.shape, r.picture.b.shape),
    )  # fmt: skip
    for name, found, expected in chain:
        if tuple(found) != tuple(expected):
            raise ValueError(f"{name} is {tuple(found)}, {tuple(expected)} is needed")


def _decide(
    reflex: Reflex, batch: encode.Encoded, row: int, picture: FloatArray, hidden: FloatArray, ticks: float
) -> Decision:
    decision: Decision = decide(
        reflex, batch.self_[row], batch.tokens[row], batch.mask[row], batch.rings[row], batch.cards[row], picture,
        hidden, ticks,
    )  # fmt: skip
    return decision


class GameCarry(msgspec.Struct):
    """What is remembered of one game; `pictured` is the frame whose embedding is kept.

    last: the action of play decided last, which is held; waited_s: since that decision; choice: of the open menu.
    """

    hidden: FloatArray
    picture: FloatArray
    menu: menus.MenuCarry
    last: Action = NEUTRAL
    pictured: Frame | None = None
    waited_s: float = 0.0
    choice: int = 0


class Motor:
    """A pilot as a policy. `explore` samples choices; without it the most likely ones are taken."""

    def __init__(
        self, reflex: Reflex, *, seed: int = 0, explore: bool = False, name: str = "pilot", ticks: int = 1
    ) -> None:
        self.name = name
        self.reflex = reflex
        self.ticks = ticks
        self._explore = explore
        self._random = np.random.default_rng(seed)
        self._batch = encode.Encoded.empty(1)

    def warm_up(self) -> None:
        """Compile the encoding and the network."""
        frame = Frame(np.zeros((encode.FRAME_PX, encode.FRAME_PX, 3), np.uint8), 0.0, 0.0)
        self.step(self.initial(1), [Observation(0, STILL, frame, 0, 0.0, 0.0, 0.0, True, False, False)])

    def initial(self, games: int) -> list[GameCarry]:
        """No memory of any game."""
        return [self._forgotten() for _ in range(games)]

    def _forgotten(self) -> GameCarry:
        units, picture = self.reflex.gates.b.shape[0] // 4, self.reflex.picture.b.shape[0]
        return GameCarry(np.zeros(units, np.float32), np.zeros(picture, np.float32), menus.MenuCarry())

    def step(
        self, carry: list[GameCarry], observations: Sequence[Observation | None]
    ) -> tuple[list[GameCarry], list[Action | None]]:
        """One step for the games that have an observation; the others keep their state."""
        return carry, [None if o is None else self._act(c, o) for c, o in zip(carry, observations, strict=True)]

    def _act(self, carry: GameCarry, observation: Observation) -> Action:
        state, first = observation.state, observation.is_first
        if first:
            carry.last, carry.waited_s = NEUTRAL, 0.0
            carry.hidden = np.zeros_like(carry.hidden)
            carry.menu = menus.MenuCarry()
        carry.waited_s += observation.elapsed_s
        self._look(carry, observation.frame)
        if menus.in_menu(state):
            if first or carry.menu.menu != state.current_menu or carry.menu.options != state.level_up_options:
                self._choose(carry, state, self._decision(carry, state))
            carry.menu, action = menus.step(carry.menu, state, carry.choice)
            return msgspec.structs.replace(action, answers=observation.sequence)
        closed, carry.menu = carry.menu.menu != "", menus.MenuCarry()
        if first or closed or carry.waited_s * TICKS_PER_S >= self.ticks - 0.5:
            carry.last = self._play(self._decision(carry, state))
        return msgspec.structs.replace(carry.last, answers=observation.sequence)

    def _decision(self, carry: GameCarry, state: GameState) -> Decision:
        """One step of the network, which is told the time since its last."""
        waited_s, carry.waited_s = carry.waited_s, 0.0
        encode.encode_state(state, waited_s, carry.last, self._batch, 0)
        ticks = min(waited_s * TICKS_PER_S, LONGEST_TICKS)
        decision = _decide(self.reflex, self._batch, 0, carry.picture, carry.hidden, ticks)
        carry.hidden = decision.hidden
        return decision

    def _choose(self, carry: GameCarry, state: GameState, decision: Decision) -> None:
        choosing = state.current_menu in _CARD_MENUS and len(state.level_up_options) > 0
        cards = decision.cards + self._random.gumbel(size=len(decision.cards)) if self._explore else decision.cards
        carry.choice = int(np.argmax(cards)) if choosing else 0

    def _play(self, decision: Decision) -> Action:
        buttons = decision.buttons
        if self._explore:
            buttons = np.asarray(buttons + self._random.logistic(size=len(buttons)), np.float32)
        mx, my, lx, ly = squashed(decision.axes)
        fire, ability, interact = (bool(b > 0) for b in buttons)
        return Action((mx, my), (lx, ly), fire, ability, interact)

    def _look(self, carry: GameCarry, frame: Frame | None) -> None:
        """Embed a picture that is new."""
        if frame is carry.pictured:
            return
        carry.pictured = frame
        if frame is None:
            carry.picture = np.zeros_like(carry.picture)
        else:
            carry.picture = look(self.reflex, encode.encode_frame(frame))
