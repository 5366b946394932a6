"""Chooses in menus by chances, and tells what must be known of each menu to learn from it what cards do.

An action of a menu is a number: a card's place, or `menus.OTHER` and what the arena's rules call it: 3 reroll, 4 skip
or leave, 5 to 7 banish card 0 to 2. Owns random numbers, and what each run has taken and spent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from agent.control.cards.mixture import Array, Beliefs, drawn, epsilon_after, mixed, softmax
from agent.control.menus import OTHER
from agent.core.cards.menu import BANISH, LEAVE, REROLL, SKIP, CardMenu, card_name, covariates
from agent.core.types import FloatArray, Menu

NAME: Final = "scientist"
MIN_MENUS: Final = 1000
"""Without exploring, beliefs choose when they are from so many menus."""
REROLL_ACTION, SKIP_ACTION, BANISH_ACTION = OTHER + 3, OTHER + 4, OTHER + 5
LIMITS: Final = {REROLL: 2, SKIP: 2, BANISH: 2}
"""How often a run of the arena can do each; see `games/arena/data/player.toml`."""


class MenuOffer(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An open menu.

    captions: of its cards, in order. logits [cards]: the policy's. voice [cards]: in nats, what a chooser says beside
    it; None: nothing. motor: the policy's own card, and leave: it is to be taken unless chance says otherwise.
    learns: how often `leave` is so. self_, rings: the encoded state.
    """

    game: int
    kind: str
    captions: tuple[str, ...]
    logits: FloatArray
    voice: FloatArray | None
    motor: int
    leave: bool
    learns: float
    self_: FloatArray
    rings: FloatArray
    at_s: float


class Chosen(msgspec.Struct, frozen=True):
    """The action that was chosen and by whom: the motor's name where it was its own, else `NAME`."""

    action: int
    is_motors: bool


class ChoosesMenus(Protocol):
    """Whoever chooses in menus by chances."""

    @property
    def decides(self) -> bool:
        """True where menus are decided here, and not as if this were not there."""
        ...

    def choose(self, offer: MenuOffer) -> Chosen:
        """The action to take in a menu that has just opened."""
        ...

    def closed(self, game: int, *, by_human: bool) -> None:
        """The menu of a game is no longer open; by_human: a person took a card in it."""
        ...

    def began(self, game: int) -> None:
        """A run of a game begins."""
        ...

    def took(self, game: int, caption: str) -> None:
        """Another than chance decided in a game's menu, and took this card."""
        ...


class _Run(msgspec.Struct):
    """One game's run: names of the cards taken, actions spent, and the menu that is open."""

    build: list[str]
    spent: dict[str, int]
    open: CardMenu | None = None


class Explorer:
    """Chooses by `cards.mixture`. `emit` gets each menu once it was decided, with its game.

    is_arena: the game's other actions are known. explores: leave something to chance; without, the likeliest card by
    the means of what is believed is taken, and menus say nothing of effects. menu and last: the last menu, and it in
    words, for `/status`.
    """

    def __init__(
        self, emit: Callable[[int, CardMenu], None], rng: np.random.Generator, *, is_arena: bool, explores: bool = True,
        policy: str = "", versions: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:  # fmt: skip
        self.beliefs = Beliefs()
        self.explores = explores
        self.last: dict[str, Any] = {}
        self.menu: CardMenu | None = None
        self._emit, self._rng, self._is_arena = emit, rng, is_arena
        self._policy, self._versions = policy, versions
        self._runs: dict[int, _Run] = {}
        self._since = 0

    @property
    def decides(self) -> bool:
        """True while it explores, and where enough is believed to choose by."""
        return self.explores or (self.beliefs.menus >= MIN_MENUS and self.beliefs.spread > 0.0)

    @property
    def epsilon(self) -> float:
        """How much is left to chance in the next menu."""
        return epsilon_after(self.beliefs.menus + self._since) if self.explores else 0.0

    def load(self, beliefs: Beliefs) -> None:
        """Draw from these beliefs from the next menu on."""
        self.beliefs, self._since = beliefs, 0

    def began(self, game: int) -> None:
        """Forget the run before."""
        self._runs[game] = _Run([], {})

    def choose(self, offer: MenuOffer) -> Chosen:
        """An action by chance, and the chances as they were."""
        run = self._runs.setdefault(offer.game, _Run([], {}))
        cards = len(offer.captions)
        names = [card_name(caption) for caption in offer.captions]
        others = self._others(offer.kind, names, run)
        voices = np.zeros(cards)
        if cards > 1:
            voices = np.log(softmax(offer.logits[:cards].astype(np.float64)))
            voices += offer.voice[:cards] if offer.voice is not None else 0.0
        actions = [*names, *(name for name, _ in others)]
        draws = drawn(self.beliefs, actions, self._rng if self.explores else None)
        chances = mixed(voices, draws, cards, self.epsilon)
        motors = softmax(offer.logits[:cards].astype(np.float64)) if cards > 1 else np.ones(cards)
        picked, is_motors = self._pick(chances, offer, cards)
        chances = self._told(chances, motors, offer, cards)
        situation = covariates(offer.self_, offer.rings, len(run.build))
        self.menu = run.open = CardMenu(
            kind=offer.kind, cards=offer.captions, actions=tuple(actions), propensities=tuple(chances.tolist()),
            picked=picked, covariates=situation, build=tuple(run.build), at_s=offer.at_s, policy=self._policy,
            versions=self._versions(),
        )  # fmt: skip
        self._since += 1
        self.last = {"actions": actions, "chances": [round(p, 4) for p in chances.tolist()], "picked": actions[picked]}
        return Chosen(picked if picked < cards else others[picked - cards][1], is_motors)

    def _pick(self, chances: Array, offer: MenuOffer, cards: int) -> tuple[int, bool]:
        """An action, and whether it is the motor's own: where it is left to it, and chance says nothing else."""
        if offer.leave and cards > 1:
            epsilon = self.epsilon
            others = float(chances[cards:].sum())
            u = self._rng.random()
            if u < others:
                return cards + int(self._rng.choice(len(chances) - cards, p=chances[cards:] / others)), False
            if u < others + epsilon:
                return int(self._rng.integers(cards)), False
            return offer.motor, True
        if not self.explores:
            return int(chances[:cards].argmax()), False
        return int(self._rng.choice(len(chances), p=chances)), False

    def _told(self, chances: Array, motors: Array, offer: MenuOffer, cards: int) -> Array:
        """The chance of each action before it was drawn who chooses: in a share of the menus that is the motor."""
        if not self.explores:
            return np.zeros(len(chances))
        if not offer.learns or cards < 2:
            return chances
        epsilon, others = self.epsilon, float(chances[cards:].sum())
        of_motor = chances.copy()
        of_motor[:cards] = epsilon / cards + (1.0 - others - epsilon) * motors
        found: Array = (1.0 - offer.learns) * chances + offer.learns * of_motor
        return found

    def _others(self, kind: str, names: list[str], run: _Run) -> list[tuple[str, int]]:
        """What else can be done in a menu, each with its number."""
        if not self._is_arena:
            return []
        if kind != Menu.LEVEL_UP:
            return [(LEAVE if kind == Menu.CHEST else SKIP, SKIP_ACTION)]
        left = {name: limit - run.spent.get(name, 0) for name, limit in LIMITS.items()}
        found = [(name, code) for name, code in ((REROLL, REROLL_ACTION), (SKIP, SKIP_ACTION)) if left[name] > 0]
        if left[BANISH] > 0:
            found += [(f"{BANISH} {name}", BANISH_ACTION + k) for k, name in enumerate(names)]
        return found

    def took(self, game: int, caption: str) -> None:
        """A card that a planner took is a part of the build; its menu says nothing of effects."""
        self._runs.setdefault(game, _Run([], {})).build.append(card_name(caption))

    def closed(self, game: int, *, by_human: bool) -> None:
        """Tell of the menu, unless a person decided it."""
        run = self._runs.get(game)
        if run is None or run.open is None:
            return
        menu, run.open = run.open, None
        if by_human:
            return
        name = menu.actions[menu.picked]
        if menu.picked < len(menu.cards):
            run.build.append(name)
        else:
            word = name.partition(" ")[0]
            run.spent[word] = run.spent.get(word, 0) + 1
        self._emit(game, menu)
