"""System 1: the pilot's network as a policy of several games at once.

Owns sampling and the carry of each game; the network is `models.actor_critic.Pilot`. Menus are driven through focus and
submit; which card to take is the network's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.control import encode, menus
from agent.core.errors import WeightsError
from agent.core.types import NEUTRAL, Action, Frame, GameState, Menu, Observation
from agent.models.actor_critic import Pilot, PilotOutput, PilotSizes
from agent.models.encoder import EncoderSizes
from agent.models.sealed import load_sealed, read_manifest, save_sealed

KIND: Final = "pilot"
TICKS_PER_S: Final = 60.0
LONGEST_TICKS: Final = 30.0
_CARD_MENUS: Final = (Menu.LEVEL_UP, Menu.ENCOUNTER)


def default_sizes() -> PilotSizes:
    """The shipped pilot's widths."""
    return PilotSizes(
        EncoderSizes(encode.SELF_FEATURES, encode.TOKENS, encode.TOKEN_FEATURES, encode.SECTORS * encode.RING_FEATURES),
        encode.CARDS,
        encode.CARD_FEATURES,
    )


def save_pilot(path: Path, network: Pilot, *, created_by: str, notes: dict[str, Any] | None = None) -> None:
    """Write a pilot as a sealed weight file."""
    save_sealed(
        path, dict(network.state_dict()), kind=KIND, layout=encode.describe(),
        sizes=msgspec.to_builtins(network.sizes), created_by=created_by, notes=notes,
    )  # fmt: skip


def load_pilot(path: Path) -> Pilot:
    """The network of a sealed file; raises WeightsError where it is not a pilot that observes what we encode."""
    manifest = read_manifest(path)
    if manifest.kind != KIND:
        raise WeightsError(f"{path}: holds a {manifest.kind}, a {KIND} is needed")
    if manifest.layout != encode.describe():
        raise WeightsError(f"{path}: observes {manifest.layout}, this program encodes {encode.describe()}")
    try:
        network = Pilot(msgspec.convert(manifest.sizes, PilotSizes))
    except (msgspec.ValidationError, RuntimeError) as error:
        raise WeightsError(f"{path}: sizes that make no network: {error}") from error
    _, tensors = load_sealed(path)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"{path}: {error}") from error
    return network


class _Game(msgspec.Struct):
    """What is remembered of one game; `pictured` is the frame whose embedding is in the batch's row."""

    menu: menus.MenuCarry
    last: Action = NEUTRAL
    pictured: Frame | None = None
    menu_choice: int = 0


class MotorCarry(msgspec.Struct):
    """Hidden state [games, units] and picture embeddings [games, P], and the rest of each game."""

    hidden: Tensor
    pictures: Tensor
    games: list[_Game]


class Motor:
    """A pilot as a policy. `explore` samples actions; without it the most likely one is taken."""

    def __init__(self, network: Pilot, *, seed: int = 0, explore: bool = False, name: str = "pilot") -> None:
        self.name = name
        self.network = network.eval().requires_grad_(False)
        self._explore = explore
        self._random = torch.Generator().manual_seed(seed)
        self._batches: dict[int, encode.Encoded] = {}

    def warm_up(self) -> None:
        """Compile the encoding and run the network on batches of one and a few."""
        torch.set_num_threads(1)
        empty = np.zeros((0, 4), np.float32)
        state = GameState((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0, 1.0, 0.0, True, False, empty, "", ())
        frame = Frame(np.zeros((encode.FRAME_PX, encode.FRAME_PX, 3), np.uint8), 0.0, 0.0)
        for games in (1, 2):
            carry = self.initial(games)
            observation = Observation(0, state, frame, 0, 0.0, 0.0, 0.0, True, False, False)
            for _ in range(3):
                carry, _actions = self.step(carry, [observation] * games)

    def initial(self, games: int) -> MotorCarry:
        """No memory of any game."""
        sizes = self.network.sizes
        return MotorCarry(
            torch.zeros(games, sizes.units),
            torch.zeros(games, sizes.encoder.picture),
            [_Game(menus.MenuCarry()) for _ in range(games)],
        )

    @torch.inference_mode()
    def step(
        self, carry: MotorCarry, observations: Sequence[Observation | None]
    ) -> tuple[MotorCarry, list[Action | None]]:
        """One batched step for the games that have an observation; the others keep their state."""
        ready = [i for i, o in enumerate(observations) if o is not None]
        seen = [o for o in observations if o is not None]
        if not seen:
            return carry, [None] * len(observations)
        batch = self._batches.setdefault(len(seen), encode.Encoded.empty(len(seen)))
        ticks = np.empty((len(seen), 1), np.float32)
        for row, (index, observation) in enumerate(zip(ready, seen, strict=True)):
            game = carry.games[index]
            if observation.is_first:
                game.last = NEUTRAL
                carry.hidden[index] = 0.0
            encode.encode_state(observation.state, observation.elapsed_s, game.last, batch, row)
            ticks[row, 0] = min(observation.elapsed_s * TICKS_PER_S, LONGEST_TICKS)
        self._look(carry, ready, seen)
        whole = len(ready) == len(observations)
        hidden, pictures = (carry.hidden, carry.pictures) if whole else (carry.hidden[ready], carry.pictures[ready])
        output = self.network(
            torch.from_numpy(batch.self_), torch.from_numpy(batch.tokens), torch.from_numpy(batch.mask),
            torch.from_numpy(batch.rings), torch.from_numpy(batch.cards), pictures, hidden, torch.from_numpy(ticks),
        )  # fmt: skip
        if whole:
            carry.hidden = output.hidden
        else:
            carry.hidden[ready] = output.hidden
        axes, buttons, cards = self._sample(output)
        actions: list[Action | None] = [None] * len(observations)
        for row, (index, observation) in enumerate(zip(ready, seen, strict=True)):
            game = carry.games[index]
            game.last = _action(game, observation, axes[row], buttons[row], cards[row])
            actions[index] = game.last
        return carry, actions

    def _look(self, carry: MotorCarry, ready: Sequence[int], seen: Sequence[Observation]) -> None:
        """Embed the pictures that are new."""
        fresh: list[int] = []
        pictures = []
        for index, observation in zip(ready, seen, strict=True):
            frame, game = observation.frame, carry.games[index]
            if frame is not None and frame is not game.pictured:
                game.pictured = frame
                fresh.append(index)
                pictures.append(encode.encode_frame(frame))
            elif frame is None and game.pictured is not None:
                game.pictured = None
                carry.pictures[index] = 0.0
        if fresh:
            carry.pictures[fresh] = self.network.encoder.picture(torch.from_numpy(np.stack(pictures)))

    def _sample(self, output: PilotOutput) -> tuple[list[list[float]], list[list[bool]], list[int]]:
        """Axes within −1 … 1, buttons, and the index of a card, one row for each observation."""
        axes, buttons, cards = output.axes_mean, output.buttons > 0, output.cards
        if self._explore:
            axes = axes + output.axes_log_std.exp() * torch.randn(axes.shape, generator=self._random)
            buttons = torch.rand(output.buttons.shape, generator=self._random) < torch.sigmoid(output.buttons)
            uniform = torch.rand(cards.shape, generator=self._random).clamp_min(1e-9)
            cards = cards - torch.log(-torch.log(uniform))
        return torch.tanh(axes).tolist(), buttons.tolist(), cards.argmax(1).tolist()


def _action(game: _Game, observation: Observation, axes: list[float], buttons: list[bool], card: int) -> Action:
    state = observation.state
    if menus.in_menu(state):
        choice = card if state.current_menu in _CARD_MENUS and state.level_up_options else 0
        game.menu, action = menus.step(game.menu, state, choice)
        return msgspec.structs.replace(action, answers=observation.sequence)
    game.menu = menus.MenuCarry()
    return Action(
        move=(axes[0], axes[1]),
        look=(axes[2], axes[3]),
        fire=buttons[0],
        ability=buttons[1],
        interact=buttons[2],
        answers=observation.sequence,
    )
