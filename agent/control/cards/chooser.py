"""Choosing cards by expected free energy, for the games of one policy.

Beside the motor: it hears of every decision and reward, keeps a belief over an episode's cards and what came of them,
and proposes the card of least G. Whether its proposal is taken is the arbiter's to say. Owns no weights' file.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec
import numpy as np

from agent.control import encode
from agent.control.arbiter import Arbiter, CardVerdict
from agent.control.cards.expected_free_energy import CardEvaluation, Outcomes, build_outcomes, free_energy, step
from agent.control.cards.explorer import NAME as SCIENTIST
from agent.control.cards.explorer import ChoosesMenus, MenuOffer
from agent.control.cards.planned import PLANNER, Wishes
from agent.control.reward import OUTCOMES, RewardTable
from agent.core.choices import EDGES, WINDOW, Preferences
from agent.core.rollout import BoolArray
from agent.core.types import FloatArray, Observation

NAME: Final = "active_inference"
MOTOR: Final = "motor"
KIND: Final = "outcome-model"
MAX_CHOICES: Final = 256
LEFT_TO_MOTOR: Final = 0.1
"""Share of the cards that stay the motor's where it learns: its head goes on learning, and other cards are seen."""


class Taken(msgspec.Struct, frozen=True, eq=False):
    """A card that was taken: its features, the situation, the decision and the rewards when it was."""

    option: FloatArray
    context: FloatArray
    at: int
    total: float


class Memory(msgspec.Struct):
    """One game's episode. `settled` are cards whose outcome is known; belief is theirs, by the model of `version`."""

    belief: FloatArray
    waiting: deque[Taken]
    settled: deque[tuple[Taken, int]]
    version: int = -1
    decisions: int = 0
    total: float = 0.0


def layout() -> dict[str, Any]:
    """What a model of outcomes foretells, and from what, for manifests."""
    return {**encode.describe(), "window": WINDOW, "edges": list(EDGES)}


class CardChooser:
    """Proposes cards. `model` None: it has none yet; `why` says why it does not choose, "" where it does.

    menus: decides by chances instead, with these proposals as one voice of several; see `cards.explorer`.
    """

    def __init__(
        self, wanted: Preferences, *, shuffle: np.random.Generator | None = None, wishes: Wishes | None = None,
        menus: ChoosesMenus | None = None,
    ) -> None:  # fmt: skip
        if len(wanted.liking) != len(EDGES) + 1:
            raise ValueError(f"{len(wanted.liking)} preferences for {len(EDGES) + 1} outcomes")
        self.wanted, self.wishes, self.menus = wanted, wishes, menus
        self.model: Outcomes | None = None
        self.version = 0
        self.why = "there is no model of outcomes yet"
        self.last: dict[str, Any] = {}
        self._shuffle = shuffle

    def prepare(self, tensors: dict[str, Any], where: str) -> Outcomes:
        """The model of these tensors; raises WeightsError."""
        return build_outcomes(
            tensors, where, option=encode.CARD_FEATURES, context=encode.SELF_FEATURES, outcomes=len(EDGES) + 1
        )

    def load(self, model: Outcomes, version: int, why: str) -> None:
        """Foretell by this model from the next choice on; `why` not "": but do not choose by it."""
        self.model, self.version, self.why = model, version, why

    def fresh(self) -> Memory:
        """The beginning of an episode."""
        return Memory(np.zeros(0, np.float32), deque(), deque(maxlen=MAX_CHOICES))

    def begin(self, memory: Memory) -> None:
        """A decision of the motor begins, all rewards before it are in `total`: outcomes that are due become known."""
        memory.decisions += 1
        while memory.waiting and memory.decisions - memory.waiting[0].at >= WINDOW:
            self._settle(memory, memory.waiting.popleft())

    def _settle(self, memory: Memory, taken: Taken) -> None:
        outcome = int(np.searchsorted(EDGES, memory.total - taken.total, side="right"))
        memory.settled.append((taken, outcome))
        if self.model is not None and memory.version == self.version:
            memory.belief = step(self.model, memory.belief, taken.option, outcome, taken.context)

    def weigh(
        self, memory: Memory, options: FloatArray, allowed: BoolArray, context: FloatArray
    ) -> CardEvaluation | None:
        """G of each option; None without a model."""
        model = self.model
        if model is None:
            return None
        if memory.version != self.version:
            memory.version, memory.belief = self.version, np.zeros(model.hidden, np.float32)
            for taken, outcome in memory.settled:
                memory.belief = step(model, memory.belief, taken.option, outcome, taken.context)
        return free_energy(model, memory.belief, options, allowed, context, self.wanted, self._shuffle)

    def took(self, memory: Memory, option: FloatArray, context: FloatArray) -> None:
        """A card was taken, by whoever; its outcome is due after `WINDOW` decisions."""
        memory.waiting.append(Taken(option.copy(), context.copy(), memory.decisions, memory.total))

    @property
    def _name(self) -> str:
        if self.menus is not None and self.menus.decides:
            return SCIENTIST
        return NAME if self.why == "" else MOTOR

    def status(self, arbiter: Arbiter) -> dict[str, Any]:
        """Who chose the cards, why this does not where it does not, and the last choice in numbers."""
        wanted = {k: getattr(self.wanted, k) for k in ("liking", "weight", "tau", "gain_weight", "novelty_weight")}
        return {
            "chooser": self._name, "why": self.why, "version": self.version,
            "cards_by": dict(arbiter.cards_by), "last": self.last, "preferences": wanted,
        }  # fmt: skip


class CardSeat:
    """One game of a chooser: its episode, and who chose the card that is being picked."""

    def __init__(self, chooser: CardChooser, arbiter: Arbiter) -> None:
        self.chooser = chooser
        self.owner = MOTOR
        self.memory = chooser.fresh()
        self._arbiter = arbiter
        self._rewards = RewardTable(OUTCOMES)
        self._open: CardVerdict | None = None
        self._is_awaited = False
        self._game, self._caption = 0, ""

    def heard(self, observation: Observation) -> None:
        """Take the reward that an observation brings; the first of an episode forgets the one before."""
        reward = self._rewards.of(observation)
        if observation.is_first:
            self.memory, self.owner, self._open = self.chooser.fresh(), MOTOR, None
            if self.chooser.menus is not None:
                self.chooser.menus.began(observation.game)
        else:
            self.memory.total += reward

    def card(
        self, motor: int, options: FloatArray, context: FloatArray, *, leave: bool, game: int = 0,
        captions: tuple[str, ...] = (), offer: MenuOffer | None = None,
    ) -> int:  # fmt: skip
        """The card to take in a menu that has just opened. leave: it is the motor's to choose, unless a planner wishes
        for one of the captions, whose card goes before all others. offer: the menu for who chooses by chances.
        """
        chooser, there, wishes = self.chooser, (options != 0).any(1), self.chooser.wishes
        plan = chooser.weigh(self.memory, options, there, context) if there.sum() > 1 else None
        proposed = int(plan.energy.argmin()) if plan is not None and chooser.why == "" and not leave else None
        wished = wishes.wish(game, captions) if wishes is not None else None
        name = NAME if wished is None else PLANNER
        if wished is None and chooser.menus is not None and chooser.menus.decides and offer is not None:
            voice = -plan.energy if plan is not None and chooser.why == "" else None
            verdict = self._by_chance(chooser.menus, msgspec.structs.replace(offer, voice=voice))
        else:
            verdict = self._arbiter.card(motor, proposed if wished is None else wished, name, there)
        self.owner, self._caption = verdict.owner, captions[verdict.card] if verdict.card < len(captions) else ""
        self._open, self._game = verdict, game
        self._is_awaited = verdict.card < len(there) and bool(there[verdict.card] and there.sum() > 1)
        if self._is_awaited:
            chooser.took(self.memory, options[verdict.card], context)
        chooser.last = {"by": verdict.owner, "card": verdict.card, "motor_card": motor, **_numbers(plan)}
        return verdict.card

    def chest(self, offer: MenuOffer) -> int:
        """Take what a chest holds, 0, or leave it."""
        if self.chooser.menus is None or not self.chooser.menus.decides:
            return 0
        self._open, self._game, self._is_awaited = self._by_chance(self.chooser.menus, offer), offer.game, False
        self.owner, self._caption = self._open.owner, ""
        return self._open.card

    def _by_chance(self, menus: ChoosesMenus, offer: MenuOffer) -> CardVerdict:
        chosen = menus.choose(offer)
        return self._arbiter.decided(chosen.action, MOTOR if chosen.is_motors else SCIENTIST)

    def closed(self, *, by_human: bool) -> None:
        """No card is being picked now; by_human: the last one was a person's to pick, so nothing is to come of ours."""
        verdict, self._open, self.owner = self._open, None, MOTOR
        if verdict is None:
            return
        menus = self.chooser.menus
        if menus is not None:
            menus.closed(self._game, by_human=by_human)
            if verdict.owner == PLANNER and not by_human and self._caption:
                menus.took(self._game, self._caption)
        if by_human:
            self._arbiter.taken_by_human(verdict.owner)
            if self._is_awaited:
                self.memory.waiting.pop()
        elif verdict.owner == PLANNER and self.chooser.wishes is not None:
            self.chooser.wishes.picked(self._game)


def _numbers(plan: CardEvaluation | None) -> dict[str, Any]:
    """G and its parts of each option, None where it was not on offer."""
    if plan is None:
        return {}
    there = np.isfinite(plan.energy)
    names = ("G", "utility", "information_gain", "novelty", "risk", "ambiguity")
    return {
        name: [round(float(v), 4) if here else None for v, here in zip(part, there, strict=True)]
        for name, part in zip(names, plan, strict=True)
    }
