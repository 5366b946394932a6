"""The dreaming policy in play: an actor on the recurrent posterior of the world model, for several games at once.

Each game has its carry: the model's state, the action before, and where its menus stand; the model's state is
forgotten where is_first. It decides every `DECISION_TICKS` of the game's time, once more when a menu opens and when it
closes, and holds its action between: what was done is then exactly what the world model reads. Menus are driven
through focus and submit; which card to take is the actor's choice. The networks are `models.dreamer`, in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import msgspec
import numpy as np
import torch

from agent.control import encode, menus
from agent.control.arrays import STILL
from agent.control.experience import ACTIONS, RolloutRecorder, Sampled, allowed_choices
from agent.control.policy import Capabilities, Tensors
from agent.core.clock import TICK_HZ, TICK_S
from agent.core.errors import WeightsError
from agent.core.rollout import BoolArray, Rollout
from agent.core.types import NEUTRAL, Action, FloatArray, Frame, GameState, Menu, Observation
from agent.models.dreamer import DreamCarry, Dreamer, decide, initial_carry, log_prob, why_unfit, world_sizes
from agent.models.rssm import Latent
from agent.models.sealed import load_kind

KIND: Final = "dreamer"
LAYOUT: Final = "dreamer-1"
DECISION_TICKS: Final = 4
PICTURE_PX: Final = 20
SPEC: Final = ACTIONS
RINGS: Final = encode.SECTORS * encode.RING_FEATURES
PICTURE: Final = PICTURE_PX * PICTURE_PX * 3
FEATURES: Final = encode.SELF_FEATURES + RINGS + PICTURE + encode.CARDS * encode.CARD_FEATURES
ROLLOUT_STEPS: Final = 128
_NO_MEMORY: Final = np.zeros(0, np.float32)
_CARD_MENUS: Final = (Menu.LEVEL_UP, Menu.ENCOUNTER)


def describe() -> dict[str, Any]:
    """The layout as plain values, for manifests."""
    return {
        "layout": LAYOUT, "self": encode.SELF_FEATURES, "rings": RINGS, "picture": [PICTURE_PX, PICTURE_PX, 3],
        "cards": [encode.CARDS, encode.CARD_FEATURES], "decision_ticks": DECISION_TICKS,
    }  # fmt: skip


def untrained_tensors(seed: int) -> Tensors:
    """Fresh weights, the same for the same seed; torch's own random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Dreamer(world_sizes(FEATURES, SPEC), SPEC)
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def dreamer_tensors(path: Path) -> Tensors:
    """The tensors of a sealed file; raises WeightsError where it is not a dreamer that observes what we encode."""
    return load_kind(path, KIND, describe())


def checked_dreamer(tensors: Tensors, where: str) -> Dreamer:
    """The networks of these tensors, tried on canned observations; raises WeightsError where they do not fit."""
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        network = Dreamer(world_sizes(FEATURES, SPEC), SPEC).requires_grad_(False)
    try:
        network.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in tensors.items()})
    except RuntimeError as error:
        raise WeightsError(f"{where}: not the tensors of a dreamer: {' '.join(str(error).split())[:300]}") from error
    why = why_unfit(network.model, network.policy.actor)
    if why:
        raise WeightsError(f"{where}: {why}")
    return network


class DreamerCarry(msgspec.Struct):
    """What is remembered of one game beside the model's state.

    last: the action of play decided last; waited_s: since that decision; choice: of the open menu; picture: the
    frame `pictured` at its small size.
    """

    menu: menus.MenuCarry = menus.MenuCarry()
    last: Action = NEUTRAL
    waited_s: float = 0.0
    choice: int = 0
    pictured: Frame | None = None
    picture: FloatArray | None = None


class Carry(msgspec.Struct):
    """Memory of all games: a `DreamerCarry` each, and the rows of `dream`."""

    games: list[DreamerCarry]
    dream: DreamCarry


class DreamPilot:
    """The dreamer as a policy. `explore` samples actions; without it the likeliest ones are taken."""

    kind = KIND
    spec = SPEC
    sizes = None

    def __init__(self, tensors: Tensors, *, seed: int = 0, explore: bool = False, name: str = KIND) -> None:
        self.name, self.tensors, self.version = name, tensors, 0
        self.recorder: RolloutRecorder | None = None
        self.network = checked_dreamer(tensors, name)
        self._explore = explore
        self._rng = torch.Generator().manual_seed(seed)

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beside playing."""
        return Capabilities(reloadable=self, learnable=self, serving=self, never_waits=True)

    @property
    def layout(self) -> dict[str, Any]:
        """What it observes."""
        return describe()

    @property
    def rng(self) -> torch.Generator:
        """What draws the latents and, exploring, the actions."""
        return self._rng

    def served(self) -> dict[str, Any]:
        """Who acts, for `/status`."""
        dreamt = int(self.network.policy.dreamt)
        acts = "the dreaming actor" if dreamt else "the dreaming actor, which has learned nothing yet"
        return {"policy": KIND, "acts": acts, "dream_steps": dreamt, "samples": self._explore}

    def learn(
        self,
        names: tuple[str, ...],
        emit: Callable[[Rollout], None],
        *,
        steps: int = ROLLOUT_STEPS,
        off_policy: bool = True,
    ) -> RolloutRecorder:
        """From now on sample every action, write down what is done in the games of these names, and `emit` it.

        Its learner is off policy whatever is asked for.
        """
        self._explore = True
        self.recorder = RolloutRecorder(
            self.name, names, 0, emit, steps=steps, features=FEATURES, valued=False, off_policy=True
        )
        return self.recorder

    def prepare(self, tensors: Tensors, where: str) -> tuple[Dreamer, Tensors]:
        """The networks of these tensors, tried; raises WeightsError."""
        return checked_dreamer(tensors, where), tensors

    def load(self, prepared: tuple[Dreamer, Tensors], version: int) -> None:
        """Act with these networks from the next step on; carries live on."""
        self.network, self.tensors = prepared
        self.version = version

    def warm_up(self) -> None:
        """Compile the encoding, and make torch's first steps, on the thread of the steps."""
        torch.set_num_threads(1)
        state, recorder = self._rng.get_state(), self.recorder
        self.recorder = None
        frame = Frame(np.zeros((64, 64, 3), np.uint8), 0.0, 0.0)
        carry = self.initial(1)
        for tick in range(8 * DECISION_TICKS):
            self.step(carry, [Observation(0, STILL, frame, 0, TICK_S, 0.0, 0.0, tick == 0, False, False)])
        self._rng.set_state(state)
        self.recorder = recorder

    def initial(self, games: int) -> Carry:
        """No memory of any game."""
        return Carry([DreamerCarry() for _ in range(games)], initial_carry(self.network.model, games))

    def step(self, carry: Carry, observations: Sequence[Observation | None]) -> tuple[Carry, list[Action | None]]:
        """One step for the games that have an observation; those that are due decide together."""
        due = [o for c, o in zip(carry.games, observations, strict=True) if o is not None and self._due(c, o)]
        if due:
            self._decide(carry, due)
        return carry, [None if o is None else _answer(c, o) for c, o in zip(carry.games, observations, strict=True)]

    def _due(self, c: DreamerCarry, observation: Observation) -> bool:
        """Take the observation's time and picture in; whether it is one to decide on."""
        state, first = observation.state, observation.is_first
        if self.recorder is not None:
            self.recorder.observe(observation, lambda: seen_by(c, observation, observation.elapsed_s))
        if first:
            c.last, c.waited_s, c.menu = NEUTRAL, 0.0, menus.MenuCarry()
        c.waited_s += observation.elapsed_s
        if menus.in_menu(state):
            return first or c.menu.menu != state.current_menu or c.menu.options != state.level_up_options
        closed, c.menu = c.menu.menu != "", menus.MenuCarry()
        return first or closed or c.waited_s * TICK_HZ >= DECISION_TICKS - 0.5

    def _decide(self, carry: Carry, due: list[Observation]) -> None:
        """One step of the networks for the games of `due`; their carries hold what was decided."""
        games = [carry.games[o.game] for o in due]
        seen = np.stack([seen_by(c, o) for c, o in zip(games, due, strict=True)])
        allowed = np.stack([allowed_choices(not menus.in_menu(o.state), _cards(row, o.state))
                            for row, o in zip(seen, due, strict=True)])  # fmt: skip
        index = torch.tensor([o.game for o in due])
        latent, before = carry.dream
        at = DreamCarry(Latent(latent.deter[index], latent.stoch[index]), before[index])
        first = torch.tensor([o.is_first for o in due])
        after, choice, out = decide(
            self.network.model, self.network.policy.actor, at, torch.from_numpy(seen), first,
            torch.from_numpy(allowed), explore=self._explore, rng=self._rng,
        )  # fmt: skip
        latent.deter[index], latent.stoch[index], before[index] = after.latent.deter, after.latent.stoch, after.action
        chances = log_prob(out, choice).tolist() if self.recorder is not None else []
        axes, picks = torch.tanh(choice.u).numpy(), choice.picks.numpy()
        for k, (c, observation) in enumerate(zip(games, due, strict=True)):
            waited_s, c.waited_s = c.waited_s, 0.0
            if menus.in_menu(observation.state):
                c.choice = int(picks[k, 3])
            else:
                (mx, my, lx, ly), (fire, ability, interact, _) = axes[k].tolist(), picks[k].tolist()
                c.last = Action((mx, my), (lx, ly), fire == 1, ability == 1, interact == 1)
            if self.recorder is not None:
                sampled = Sampled(axes[k], tuple(picks[k].tolist()), chances[k], allowed[k])
                self.recorder.write(observation, seen[k], _NO_MEMORY, waited_s, 0.0, sampled, self.version)


def _answer(c: DreamerCarry, observation: Observation) -> Action:
    """What a game's carry says: on through a menu, or the action of the last decision."""
    if menus.in_menu(observation.state):
        c.menu, action = menus.step(c.menu, observation.state, c.choice)
    else:
        action = c.last
    return msgspec.structs.replace(action, answers=observation.sequence)


def _cards(seen: FloatArray, state: GameState) -> BoolArray | None:
    """Which cards there are, where one is asked for."""
    if state.current_menu not in _CARD_MENUS or not state.level_up_options:
        return None
    there: BoolArray = (seen[-encode.CARDS * encode.CARD_FEATURES :].reshape(encode.CARDS, -1) != 0).any(1)
    return there


def seen_by(c: DreamerCarry, observation: Observation, more_s: float = 0.0) -> FloatArray:
    """What the world model sees: player and run, things in sectors, the picture, cards; f32 [FEATURES].

    more_s: time since the last decision that the carry does not count yet.

    The picture is looked at only where the state tells of no scene; it is 0 elsewhere.
    """
    batch = encode.Encoded.empty(1)
    encode.encode_state(observation.state, c.waited_s + more_s, c.last, batch, 0)
    seen = np.zeros(FEATURES, np.float32)
    start = encode.SELF_FEATURES + RINGS
    seen[: encode.SELF_FEATURES], seen[encode.SELF_FEATURES : start] = batch.self_[0], batch.rings[0]
    seen[start + PICTURE :] = batch.cards[0].ravel()
    if observation.state.scene is None and observation.frame is not None:
        if c.pictured is not observation.frame or c.picture is None:
            small = cv2.resize(observation.frame.pixels, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_AREA)
            c.pictured, c.picture = observation.frame, small.astype(np.float32).ravel() * np.float32(1 / 255)
        seen[start : start + PICTURE] = c.picture
    return seen
