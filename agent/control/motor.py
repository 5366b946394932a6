"""System 1: the pilot's network as a policy of several games at once.

Owns sampling and the carry of each game; the network is `control.reflex`, which computes what
`models.actor_critic.Pilot` is trained to. It decides every few ticks of the game (`decision_ticks`, which its weights
carry), once more when a menu opens and when it closes: then its memory goes on, and buttons and noise are drawn.
Between decisions the axes follow what is seen, so that every action is computed from the observation that it claims.
Menus are driven through focus and submit; which card to take is the network's choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.control import encode, menus
from agent.control.arbiter import Arbiter
from agent.control.arrays import STILL
from agent.control.cards.chooser import LEFT_TO_MOTOR, MOTOR, CardChooser, CardSeat
from agent.control.cards.explorer import MenuOffer
from agent.control.experience import (
    ACTIONS,
    RolloutRecorder,
    Sampled,
    allowed_choices,
    button_log_prob,
    choice_log_prob,
    flat,
    sampled_axes,
)
from agent.control.policy import Capabilities, Offer, Thought
from agent.control.reflex.linears import shape_of
from agent.control.reflex.network import Decision, Reflex, Tensors, decide, look, squashed
from agent.control.reflex.paths import FOUR_BIT, Chosen, choose, ways_of
from agent.core.clock import TICK_HZ, SystemClock
from agent.core.errors import WeightsError
from agent.core.rollout import OFF_POLICY_SPREAD, Rollout
from agent.core.types import NEUTRAL, Action, FloatArray, Frame, GameState, Menu, Observation
from agent.models.sealed import load_kind, save_sealed
from agent.models.sizes import CpqeSizes

KIND: Final = "pilot"
MAX_TICKS: Final = 30.0
KEPT_NOISE: Final = 0.9
"""Off policy: share of a decision's noise that the next one has too."""
PLAY_FLAG: Final = 16
_NO_AXES: Final = np.zeros(4, np.float32)
Network = Callable[[encode.Encoded, FloatArray, FloatArray, float], Decision]
"""One decision for the first row of encoded observations, the picture's embedding, the hidden state, and ticks."""
Place = Callable[[Tensors, Chosen], tuple[Chosen, Callable[[], Network] | None]]
"""Where weights are computed if not on the processor: a name for it, and what takes them up between two steps."""
Prepared = tuple[Chosen, Tensors, Callable[[], Network] | None]
_ONE_AXIS: Final = (".bias", "encoder.norm.mean", "encoder.norm.var")
_CARD_MENUS: Final = (Menu.LEVEL_UP, Menu.ENCOUNTER)


def save_pilot(
    path: Path, tensors: Tensors, sizes: dict[str, Any], *, created_by: str, notes: dict[str, Any] | None = None
) -> None:
    """Write a pilot as a sealed weight file."""
    save_sealed(path, tensors, kind=KIND, layout=encode.describe(), sizes=sizes, created_by=created_by, notes=notes)


def load_pilot(path: Path) -> Reflex:
    """The network of a sealed file; raises WeightsError where it is not a pilot that observes what we encode."""
    return checked_reflex(pilot_tensors(path), str(path))


def pilot_tensors(path: Path) -> Tensors:
    """The tensors of a sealed file; raises WeightsError where it is not a pilot that observes what we encode."""
    return load_kind(path, KIND, encode.describe())


def checked_reflex(tensors: Tensors, where: str) -> Reflex:
    """The network of these tensors; raises WeightsError where they do not fit."""
    return checked_path(tensors, where).reflex


def checked_path(tensors: Tensors, where: str, way: str | None = None) -> Chosen:
    """The fastest way to compute these tensors, or the one that is named, tried on canned observations.

    Raises WeightsError where the tensors do not fit.
    """
    try:
        _check_axes(tensors)
        ways = ways_of(tensors)
        for reflex in ways.values():
            _check_widths(reflex)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{where}: not the tensors of a pilot: {error}") from error
    for reflex in ways.values():
        _try(reflex, where)
    hidden, picture = np.zeros(reflex.gates.b.shape[0] // 4, np.float32), np.zeros_like(reflex.picture.b)
    batch = _canned()[1]
    return choose(tensors, ways, lambda r: _decide(r, batch, 1, picture, hidden, 4.0), SystemClock().now_s, way)


def _try(reflex: Reflex, where: str) -> None:
    hidden = np.zeros(reflex.gates.b.shape[0] // 4, np.float32)
    pictures, batch = _canned()
    for row, pixels in enumerate(pictures):
        picture = look(reflex, pixels)
        decision = _decide(reflex, batch, row, picture, hidden, 1.0 + row)
        hidden = decision.hidden
        parts = (picture, decision.axes, decision.buttons, decision.cards, hidden, decision.value)
        if not all(np.isfinite(part).all() for part in parts):
            raise WeightsError(f"{where}: canned observation {row} gives values that are not finite")


@lru_cache(maxsize=1)
def _canned() -> tuple[NDArray[np.uint8], encode.Encoded]:
    """Pictures u8 [4, 64, 64, 3] and encoded observations to try weights on; the first are all zeros."""
    rng = np.random.default_rng(0)
    batch, pictures = encode.Encoded.empty(4), np.zeros((4, encode.FRAME_PX, encode.FRAME_PX, 3), np.uint8)
    for row in range(1, 4):
        pictures[row] = rng.integers(0, 256, pictures[row].shape, np.uint8)
        batch.mask[row, : 20 * row] = 1.0
        batch.tokens[row, : 20 * row] = rng.normal(0.0, 1.0, (20 * row, encode.TOKEN_FEATURES))
        for part in (batch.self_, batch.rings, batch.cards):
            part[row] = rng.normal(0.0, 1.0, part[row].shape)
    return pictures, batch


def _check_axes(tensors: Tensors) -> None:
    """What has one axis or none must have it before anything is compiled for it; raises ValueError."""
    for name, tensor in tensors.items():
        axes = 0 if name == "decision_ticks" else 1 if name.endswith(_ONE_AXIS) else tensor.ndim
        if tensor.ndim != axes:
            raise ValueError(f"{name} has {tensor.ndim} axes, {axes} are needed")


def _check_widths(r: Reflex) -> None:
    """Compiled code does not check its indices: every width must fit the next; raises ValueError."""
    units, hidden, pooled = r.gates.b.shape[0] // 4, r.flat.b.shape[0], 2 * r.token_b.b.shape[0]
    flat = encode.SELF_FEATURES + encode.SECTORS * encode.RING_FEATURES
    if not 1.0 <= r.ticks <= MAX_TICKS:
        raise ValueError(f"decision_ticks is {r.ticks}, 1 to {MAX_TICKS:.0f} are possible")
    chain = (
        ("normaliser", r.factor.shape, (flat,)), ("flat", shape_of(r.flat), (flat, hidden)),
        ("token.0", shape_of(r.token_a), (encode.TOKEN_FEATURES, r.token_a.b.shape[0])),
        ("token.2", shape_of(r.token_b), (r.token_a.b.shape[0], pooled // 2)),
        ("join", shape_of(r.join), (hidden + pooled + r.picture.b.shape[0], r.join.b.shape[0])),
        ("backbone", shape_of(r.backbone), (r.join.b.shape[0] + units, r.backbone.b.shape[0])),
        ("gates", shape_of(r.gates), (r.backbone.b.shape[0], 4 * units)),
        ("trunk", shape_of(r.trunk), (r.join.b.shape[0] + units, r.trunk.b.shape[0])),
        ("heads", r.heads.w.shape, (r.trunk.b.shape[0], 8)),
        ("card.0", shape_of(r.card_a), (r.trunk.b.shape[0] + encode.CARD_FEATURES, r.card_a.b.shape[0])),
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
    return decide(
        reflex, batch.self_[row], batch.tokens[row], batch.mask[row], batch.rings[row], batch.cards[row], picture,
        hidden, ticks,
    )  # fmt: skip


def decide_on(reflex: Reflex, batch: encode.Encoded, picture: FloatArray, hidden: FloatArray, ticks: float) -> Decision:
    """One decision of a network for the first row of encoded observations."""
    return _decide(reflex, batch, 0, picture, hidden, ticks)


class PilotCarry(msgspec.Struct):
    """What is remembered of one game; `pictured` is the frame whose embedding is kept.

    last: the action of play decided last; noise [4]: what its axes were sampled with; waited_s: since that decision;
    choice: of the open menu; cards: its place at a chooser of cards, where there is one. random: begun anew with each
    episode, so that one episode can be computed again without those before and beside it. For people to see, decided:
    the newest step of the network; offered: captions, logits and choice of the newest menu of cards.
    """

    hidden: FloatArray
    picture: FloatArray
    menu: menus.MenuCarry
    last: Action = NEUTRAL
    pictured: Frame | None = None
    waited_s: float = 0.0
    choice: int = 0
    noise: FloatArray = _NO_AXES
    cards: CardSeat | None = None
    decided: Decision | None = None
    offered: tuple[tuple[str, ...], FloatArray, int] | None = None
    random: np.random.Generator = msgspec.field(default_factory=np.random.default_rng)


def _offer(carry: PilotCarry) -> Offer | None:
    """The newest menu of cards, with the softmax of what the network says of each."""
    if carry.offered is None:
        return None
    captions, logits, taken = carry.offered
    shown = captions[: len(logits)]
    mass = np.exp(logits[: len(shown)] - logits[: len(shown)].max())
    return Offer(shown, tuple(float(m) for m in mass / mass.sum()), taken)


class Motor:
    """A pilot as a policy. `explore` samples choices; without it the most likely ones are taken.

    `hold` keeps the axes between decisions, as training in a batch does.
    """

    kind = KIND
    spec = ACTIONS
    records_cards = True
    """Whether a choice of a card is a decision that is learned from."""

    def __init__(
        self, tensors: Tensors, *, seed: int = 0, explore: bool = False, name: str = "pilot", way: str | None = None,
        hold: bool = False,
    ) -> None:  # fmt: skip
        self.name = name
        self.recorder: RolloutRecorder | None = None
        self.chosen, self.tensors, self.version = checked_path(tensors, name, way), tensors, 0
        self._network: Network | None = None
        self._place: Place | None = None
        self._cards: tuple[CardChooser, Arbiter] | None = None
        self._explore, self._hold, self._kept_noise = explore, hold, 0.0
        self._seed = seed
        self._batch = encode.Encoded.empty(1)

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beside playing."""
        return Capabilities(
            reloadable=self, learnable=self, chooses_cards=self, measured=self, placeable=self,
            rehearsing=self, thinking=self, never_waits=self._network is None, looks=self._looks, apart=True,
        )  # fmt: skip

    @property
    def _looks(self) -> bool:
        return self.recorder is None and self.chosen.looks

    @property
    def layout(self) -> dict[str, Any]:
        """What it observes."""
        return encode.describe()

    @property
    def sizes(self) -> CpqeSizes | None:
        """None: this program knows the widths of a pilot."""
        return None

    def learn(
        self, names: tuple[str, ...], emit: Callable[[Rollout], None], *, steps: int = 256, off_policy: bool = False
    ) -> RolloutRecorder:
        """From now on sample every action, write down what is done in the games of these names, and `emit` it.

        What is learned from has no pictures in it, so pictures are not looked at either. Off policy the noise of the
        axes goes on from decision to decision, each one's spread as before: drawn anew 15 times a second it walks
        nowhere (Eberhard et al. 2023).
        """
        self._explore, self._kept_noise = True, KEPT_NOISE if off_policy else 0.0
        units = self.reflex.gates.b.shape[0] // 4
        self.recorder = RolloutRecorder(self.name, names, units, emit, steps=steps, off_policy=off_policy)
        return self.recorder

    def choose_by(self, chooser: CardChooser, arbiter: Arbiter) -> None:
        """From now on ask this chooser for cards, in games that begin after this."""
        self._cards = chooser, arbiter

    def owner(self, carry: list[PilotCarry], game: int) -> str:
        """Who chose what is being done: the chooser of cards while its card is picked."""
        seat = carry[game].cards
        return MOTOR if seat is None else seat.owner

    def card(self, carry: list[PilotCarry], game: int) -> int:
        """The card that is being picked in a game, or another action from `menus.OTHER` on; −1 for none."""
        is_asked = carry[game].menu.menu in _CARD_MENUS or carry[game].choice >= menus.OTHER
        return carry[game].choice if carry[game].menu.menu and is_asked else -1

    def thought(self, carry: list[PilotCarry], game: int) -> Thought | None:
        """The value that the network expects, and the newest cards with their chances."""
        one = carry[game]
        if one.decided is None:
            return None
        return Thought(value=float(one.decided.value), offer=_offer(one))

    @property
    def reflex(self) -> Reflex:
        """The network that acts."""
        return self.chosen.reflex

    def prepare(self, tensors: Tensors, where: str) -> Prepared:
        """The network of these tensors, tried; raises WeightsError."""
        return self._placed(tensors, checked_path(tensors, where))

    def prepare_by(self, tensors: Tensors, where: str, way: str) -> Prepared:
        """As `prepare`, computed by the processor in the way that is named; WeightsError where there is none of it."""
        if way not in ways_of(tensors):
            raise WeightsError(f"{where}: this processor does not compute by {way}")
        return checked_path(tensors, where, way), tensors, None

    def _placed(self, tensors: Tensors, chosen: Chosen) -> Prepared:
        if self._place is None or chosen.weights not in FOUR_BIT:
            return chosen, tensors, None
        named, take_up = self._place(tensors, chosen)
        return named, tensors, take_up

    def load(self, prepared: Prepared, version: int) -> None:
        """Act with this network from the next step on."""
        self.chosen, self.tensors, take_up = prepared
        self.version, self._network = version, take_up() if take_up is not None else None

    def place_by(self, place: Place) -> None:
        """From now on let `place` say where weights of four bits are computed, and ask it about those that act."""
        self._place = place
        self.load(self._placed(self.tensors, self.chosen), self.version)

    def warm_up(self) -> None:
        """Compile the encoding and the network."""
        frame = Frame(np.zeros((encode.FRAME_PX, encode.FRAME_PX, 3), np.uint8), 0.0, 0.0)
        self.step(self.initial(1), [Observation(0, STILL, frame, 0, 0.0, 0.0, 0.0, True, False, False)])

    def initial(self, games: int) -> list[PilotCarry]:
        """No memory of any game."""
        return [self._forgotten() for _ in range(games)]

    def _forgotten(self) -> PilotCarry:
        units, picture = self.reflex.gates.b.shape[0] // 4, self.reflex.picture.b.shape[0]
        seat = CardSeat(*self._cards) if self._cards is not None else None
        return PilotCarry(np.zeros(units, np.float32), np.zeros(picture, np.float32), menus.MenuCarry(), cards=seat)

    def step(
        self, carry: list[PilotCarry], observations: Sequence[Observation | None]
    ) -> tuple[list[PilotCarry], list[Action | None]]:
        """One step for the games that have an observation; the others keep their state."""
        return carry, [None if o is None else self._act(c, o) for c, o in zip(carry, observations, strict=True)]

    def rehearse(self, carry: list[PilotCarry], observation: Observation) -> Action | None:
        """Compute again what lies between two decisions; nothing is drawn, recorded or remembered. None in a menu."""
        if menus.in_menu(observation.state):
            return None
        action = self._between(carry[observation.game], observation.state)
        return msgspec.structs.replace(action, answers=observation.sequence)

    def _act(self, carry: PilotCarry, observation: Observation) -> Action:
        state, first = observation.state, observation.is_first
        if self.recorder is not None:
            self.recorder.observe(observation, lambda: self._seen(carry, observation))
        if carry.cards is not None:
            carry.cards.heard(observation)
        if first:
            carry.last, carry.waited_s = NEUTRAL, 0.0
            carry.hidden = np.zeros_like(carry.hidden)
            carry.menu = menus.MenuCarry()
            carry.random = np.random.default_rng((self._seed, observation.game, observation.sequence or 0))
            carry.noise = carry.random.standard_normal(4).astype(np.float32)
        carry.waited_s += observation.elapsed_s
        self._look(carry, observation.frame)
        if menus.in_menu(state):
            if first or carry.menu.menu != state.current_menu or carry.menu.options != state.level_up_options:
                self._choose(carry, observation)
            carry.menu, action = menus.step(carry.menu, state, carry.choice)
            return msgspec.structs.replace(action, answers=observation.sequence)
        closed, carry.menu = carry.menu.menu != "", menus.MenuCarry()
        if carry.cards is not None:
            carry.cards.closed(by_human=observation.by_human)
        due = first or closed or carry.waited_s * TICK_HZ >= self.reflex.ticks - 0.5
        if due:
            carry.last = action = self._play(carry, observation)
        else:
            action = self._between(carry, state)
        return msgspec.structs.replace(action, answers=observation.sequence)

    def _seen(self, carry: PilotCarry, observation: Observation) -> FloatArray:
        """What a decision on this observation would read, as it is recorded; the memory stays as it was."""
        encode.encode_state(observation.state, carry.waited_s + observation.elapsed_s, carry.last, self._batch, 0)
        return flat(self._batch)

    def _decision(self, carry: PilotCarry, state: GameState) -> tuple[Decision, FloatArray, float]:
        """One step of the network, which is told the time since its last; with the memory before, and that time."""
        before, waited_s = carry.hidden, carry.waited_s
        decision = self._thought(carry, state, waited_s)
        carry.hidden, carry.waited_s, carry.decided = decision.hidden, 0.0, decision
        if carry.cards is not None:
            carry.cards.chooser.begin(carry.cards.memory)
        return decision, before, waited_s

    def _thought(self, carry: PilotCarry, state: GameState, waited_s: float) -> Decision:
        """What the network says of this state, `waited_s` after its last decision; its memory stays as it was."""
        encode.encode_state(state, waited_s, carry.last, self._batch, 0)
        ticks = min(waited_s * TICK_HZ, MAX_TICKS)
        if self._network is not None:
            return self._network(self._batch, carry.picture, carry.hidden, ticks)
        return decide_on(self.reflex, self._batch, carry.picture, carry.hidden, ticks)

    def _between(self, carry: PilotCarry, state: GameState) -> Action:
        """Between two decisions: the axes anew from what is seen now, as if the next one were due; or as they were.

        The noise and the buttons are the last decision's.
        """
        if self._hold:
            return carry.last
        decision, last = self._thought(carry, state, self.reflex.ticks / TICK_HZ), carry.last
        if self._explore:
            axes, _ = sampled_axes(decision.axes, self.tensors["axes_log_std"], carry.noise)
            mx, my, lx, ly = (float(a) for a in axes)
        else:
            mx, my, lx, ly = squashed(decision.axes)
        return Action((mx, my), (lx, ly), last.fire, last.ability, last.interact)

    def _choose(self, carry: PilotCarry, observation: Observation) -> None:
        """The card of a menu that has just opened, 0 where there is nothing to choose.

        For what learns, a card that another chose is a part of the game: the branch's only choice, with chance one.
        """
        state = observation.state
        decision, before, waited_s = self._decision(carry, state)
        choosing = state.current_menu in _CARD_MENUS and len(state.level_up_options) > 0
        cards = decision.cards + carry.random.gumbel(size=len(decision.cards)) if self._explore else decision.cards
        carry.choice = int(np.argmax(cards)) if choosing else 0
        there = (self._batch.cards[0] != 0).any(1) if choosing else None
        mine = True
        if carry.cards is not None:
            carry.cards.closed(by_human=observation.by_human)
            if choosing:
                leave = self._explore and carry.random.random() < LEFT_TO_MOTOR
                options, context = self._batch.cards[0], self._batch.self_[0]
                carry.choice = carry.cards.card(
                    carry.choice, options, context, leave=leave, game=observation.game,
                    captions=state.level_up_options, offer=self._offer(carry, observation, decision, leave),
                )  # fmt: skip
                mine = carry.cards.owner == MOTOR
            elif state.current_menu == Menu.CHEST and state.level_up_options:
                carry.choice = carry.cards.chest(self._offer(carry, observation, decision, False))
        card = carry.choice if carry.choice < encode.CARDS else 0  # what takes no card is a part of the game as well
        if choosing:
            carry.offered = state.level_up_options, decision.cards, carry.choice
        if self.recorder is not None and self.records_cards and self._batch.self_[0, PLAY_FLAG] == 0.0:
            chance = choice_log_prob(decision.cards, card) if choosing and mine else 0.0
            if not mine:
                there = np.arange(encode.CARDS) == card
            sampled = Sampled(_NO_AXES, (0, 0, 0, card), chance, allowed_choices(False, there))
            self.recorder.row(observation, self._batch, before, waited_s, decision, sampled, self.version)

    def _offer(self, carry: PilotCarry, observation: Observation, decision: Decision, leave: bool) -> MenuOffer:
        """The menu that was encoded last, for who chooses in it by chances."""
        state = observation.state
        return MenuOffer(
            game=observation.game, kind=state.current_menu, captions=state.level_up_options[: encode.CARDS],
            logits=decision.cards, voice=None, motor=carry.choice, leave=leave,
            learns=LEFT_TO_MOTOR if self._explore else 0.0, self_=self._batch.self_[0], rings=self._batch.rings[0],
            at_s=state.game_time_s,
        )  # fmt: skip

    def _play(self, carry: PilotCarry, observation: Observation) -> Action:
        """The action of a decision in play."""
        decision, before, waited_s = self._decision(carry, observation.state)
        if not self._explore:
            mx, my, lx, ly = squashed(decision.axes)
            fire, ability, interact = (bool(b > 0) for b in decision.buttons)
            return Action((mx, my), (lx, ly), fire, ability, interact)
        noise, kept = carry.noise, self._kept_noise
        carry.noise = carry.random.standard_normal(4).astype(np.float32)
        if kept:
            fresh = OFF_POLICY_SPREAD * math.sqrt(1.0 - kept * kept)
            carry.noise = np.float32(kept) * noise + np.float32(fresh) * carry.noise
        axes, chance = sampled_axes(decision.axes, self.tensors["axes_log_std"], carry.noise)
        pressed = [bool(b > 0) for b in decision.buttons + carry.random.logistic(size=len(decision.buttons))]
        if self.recorder is not None:
            chance += sum(button_log_prob(float(b), p) for b, p in zip(decision.buttons, pressed, strict=True))
            choices = int(pressed[0]), int(pressed[1]), int(pressed[2]), 0
            sampled = Sampled(axes, choices, chance, allowed_choices(True, None))
            self.recorder.row(observation, self._batch, before, waited_s, decision, sampled, self.version)
        fire, ability, interact = pressed
        move, turn = (float(axes[0]), float(axes[1])), (float(axes[2]), float(axes[3]))
        return Action(move, turn, fire, ability, interact)

    def _look(self, carry: PilotCarry, frame: Frame | None) -> None:
        """Embed a picture that is new."""
        if frame is carry.pictured or not self._looks:
            return
        carry.pictured = frame
        if frame is None:
            carry.picture = np.zeros_like(carry.picture)
        else:
            carry.picture = look(self.reflex, encode.encode_frame(frame))
