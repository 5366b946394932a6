"""Weights trained on a Gymnasium environment as a policy in play: the same observations, and the same exact actions.

Its games show their observation in `GameState.env`, and do what `Action.env` says. It decides at every observation,
on all games together. The networks are `models.policies`, in torch.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.control.experience import RolloutRecorder, Sampled
from agent.control.policy import Capabilities, Tensors
from agent.core.errors import GameError, WeightsError
from agent.core.rollout import ActionSpec, Rollout
from agent.core.types import Action, EnvAction, EnvObservation, Observation, Shown
from agent.link.env_wire import too_large
from agent.models.frame_stack import FrameStack
from agent.models.heads import likeliest, log_prob, sample
from agent.models.policies import FlatPolicy, FramePolicy, TrainablePolicy
from agent.models.sealed import load_sealed
from agent.models.sizes import FLAT_KIND, FRAME_KIND, FlatSizes, FrameSizes

KINDS: Final = (FLAT_KIND, FRAME_KIND)
ROLLOUT_NUMBERS: Final = 1 << 21
_SIZES: Final[dict[str, Any]] = {FLAT_KIND: FlatSizes, FRAME_KIND: FrameSizes}
_MAX_NAME: Final = 49
"""With `frame-` before it and a checksum behind it, a name has the 64 characters that the store takes."""


class EnvWeights(msgspec.Struct, frozen=True, eq=False):
    """A weight file's content: kind, sizes of the network, layout (with the game that it was trained on), tensors."""

    kind: str
    sizes: FlatSizes | FrameSizes
    layout: dict[str, Any]
    tensors: Tensors

    @property
    def game(self) -> str:
        """What it was trained on."""
        return str(self.layout.get("game", ""))


def env_weights(path: Path) -> EnvWeights:
    """The content of a sealed file; raises WeightsError where it is not of these kinds."""
    manifest, tensors = load_sealed(path)
    if manifest.kind not in KINDS:
        raise WeightsError(f"{path}: holds a {manifest.kind}, a {' or '.join(KINDS)} is needed")
    try:
        sizes = msgspec.convert(manifest.sizes or manifest.layout.get("sizes", {}), _SIZES[manifest.kind])
    except msgspec.ValidationError as error:
        raise WeightsError(f"{path}: its sizes are not those of a {manifest.kind}: {error}") from error
    return EnvWeights(manifest.kind, sizes, manifest.layout, tensors)


def policy_name(kind: str, game: str) -> str:
    """A name for the weights of a game, which the store can make a folder of; different for different games."""
    short = re.sub(r"[^A-Za-z0-9_.-]+", "-", game.removeprefix("gym:"))
    if short != game.removeprefix("gym:") or len(short) > _MAX_NAME:
        short = f"{short[-_MAX_NAME:].lstrip('-.')}-{zlib.crc32(game.encode()):08x}"
    return f"{kind.removesuffix('-policy')}-{short}"


def _network(kind: str, sizes: Any) -> TrainablePolicy:
    with torch.random.fork_rng(devices=[]):
        built = FlatPolicy(sizes) if kind == FLAT_KIND else FramePolicy(sizes)
    return built.requires_grad_(False)


class EnvCarry(NamedTuple):
    """What is kept of N games: the network's memory [N, U], and the last observations of each."""

    memory: Tensor
    stacks: tuple[FrameStack, ...]


class EnvPolicy:
    """A policy of one environment. `explore` samples actions; without it the likeliest ones are taken."""

    def __init__(self, weights: EnvWeights, *, seed: int = 0, explore: bool = False, name: str = "") -> None:
        self.kind, self.sizes, self.tensors, self.version = weights.kind, weights.sizes, weights.tensors, 0
        self.name = name or policy_name(weights.kind, weights.game)
        self.game = weights.game
        self.layout = weights.layout
        self.recorder: RolloutRecorder | None = None
        self.network = self._checked(weights.tensors, self.name)
        excess = too_large(self._wanted)
        if excess:
            raise WeightsError(f"{self.name}: trained on {self.game}, it cannot be played: {excess}")
        self._explore, self._seed = explore, seed

    @property
    def capabilities(self) -> Capabilities:
        """What it can do beside playing."""
        return Capabilities(reloadable=self, learnable=self, never_waits=True, looks=False)

    @property
    def spec(self) -> ActionSpec:
        """What an action is."""
        return self.network.spec

    def check(self, shown: Shown | None, game: str) -> None:
        """Raise WeightsError where a game does not show what the weights observe."""
        wanted = self._wanted
        if shown is None or shown != wanted:
            there = "more than the link carries, or actions without bounds" if shown is None else shown.describe()
            raise WeightsError(
                f"{self.name}: trained on {self.game}, it observes and does {wanted.describe()}; {game} has {there}; "
                "train on this game, with the same --profile"
            )

    @property
    def _wanted(self) -> Shown:
        told = self.layout.get("frame_skip", 1)
        frame_skip = told if isinstance(told, int) else 1
        return Shown(self._shape, self._numbers, self.spec.continuous, self.spec.branches, frame_skip)

    def is_of(self, game: str) -> bool:
        """Whether a game is the one that it was trained on, with whatever arguments."""
        return not self.game or self.game.partition("?")[0] == game.partition("?")[0]

    @property
    def _shape(self) -> tuple[int, ...]:
        s = self.sizes
        return (s.height, s.width, s.channels // s.frames) if isinstance(s, FrameSizes) else ()

    @property
    def _numbers(self) -> int:
        s = self.sizes
        return (s.numbers if isinstance(s, FrameSizes) else s.features) // s.frames

    def learn(
        self,
        names: tuple[str, ...],
        emit: Callable[[Rollout], None],
        *,
        steps: int | None = None,
        off_policy: bool = False,
    ) -> RolloutRecorder:
        """From now on sample every action, write down what is done in the games of these names, and `emit` it."""
        self._explore = True
        torch.manual_seed(self._seed)
        if steps is None:
            steps = max(32, min(256, ROLLOUT_NUMBERS // max(1, self.network.features)))
        self.recorder = RolloutRecorder(
            self.name, names, self.network.units, emit, steps=steps, features=self.network.features, spec=self.spec,
            off_policy=off_policy,
        )  # fmt: skip
        return self.recorder

    def _checked(self, tensors: Tensors, where: str) -> TrainablePolicy:
        """The network of these tensors, tried on canned observations; raises WeightsError."""
        torch.set_num_threads(1)
        network = _network(self.kind, self.sizes)
        try:
            network.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in tensors.items()})
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise WeightsError(f"{where}: not the tensors of a {self.kind}: {reason}") from error
        rng = np.random.default_rng(0)
        rows = rng.uniform(0.0, 255.0, (3, 1, network.features)).astype(np.float32)
        rows[0] = 0.0
        heads, carry = network(
            torch.from_numpy(rows), network.initial(3), torch.tensor([[True]] * 3), torch.zeros(3, 1)
        )
        if not all(bool(torch.isfinite(x).all()) for x in (heads.mean, heads.value, carry, *heads.logits)):
            raise WeightsError(f"{where}: canned observations give values that are not finite")
        return network

    def prepare(self, tensors: Tensors, where: str) -> tuple[TrainablePolicy, Tensors]:
        """The network of these tensors, tried; raises WeightsError."""
        return self._checked(tensors, where), tensors

    def load(self, prepared: tuple[TrainablePolicy, Tensors], version: int) -> None:
        """Act with this network from the next step on; carries live on."""
        self.network, self.tensors = prepared
        self.version = version

    def warm_up(self) -> None:
        """Make torch's first step, on the thread of the steps."""
        torch.set_num_threads(1)
        row = torch.zeros(1, 1, self.network.features)
        for _ in range(8):
            likeliest(self.network(row, self.network.initial(1), torch.tensor([[True]]), torch.zeros(1, 1))[0])

    def initial(self, games: int) -> EnvCarry:
        """No memory of any game."""
        return EnvCarry(self.network.initial(games), tuple(FrameStack(self.sizes.frames) for _ in range(games)))

    @torch.no_grad()
    def step(self, carry: EnvCarry, observations: Sequence[Observation | None]) -> tuple[EnvCarry, list[Action | None]]:
        """One action for each game that has an observation; the others keep their memory."""
        due = [o for o in observations if o is not None]
        actions: list[Action | None] = [None] * len(observations)
        if not due:
            return carry, actions
        rows = np.stack([carry.stacks[o.game].push(self._seen(o), is_first=o.is_first) for o in due])
        index = torch.tensor([o.game for o in due])
        before = carry.memory[index]
        first = torch.tensor([[o.is_first] for o in due])
        elapsed_s = torch.tensor([[o.elapsed_s] for o in due], dtype=torch.float32)
        heads, after = self.network(torch.from_numpy(rows)[:, None], before, first, elapsed_s)
        carry.memory[index] = after
        axes, choices = sample(heads) if self._explore else likeliest(heads)
        for k, o in enumerate(due):
            done = EnvAction(tuple(axes[k, 0].tolist()), tuple(choices[k, 0].tolist()))
            actions[o.game] = Action(answers=o.sequence, env=done)
        if self.recorder is not None:
            said = log_prob(heads, axes, choices)
            for k, (o, row) in enumerate(zip(due, rows, strict=True)):
                self.recorder.observe(o, lambda row=row: row)  # type: ignore[misc]
                sampled = Sampled(axes[k, 0].numpy(), tuple(choices[k, 0].tolist()), float(said[k, 0]), self._allowed)
                value = float(heads.value[k, 0])
                self.recorder.write(o, row, before[k].numpy(), o.elapsed_s, value, sampled, self.version)
        return carry, actions

    @property
    def _allowed(self) -> Any:
        return np.ones(sum(self.spec.branches), np.bool_)

    def _seen(self, observation: Observation) -> EnvObservation:
        env = observation.state.env
        if env is None or env.shape != self._shape or len(env.numbers) != self._numbers:
            there = "nothing" if env is None else f"a picture {list(env.shape)} and {len(env.numbers)} numbers"
            raise GameError(
                f"{self.name}: observes a picture {list(self._shape)} and {self._numbers} numbers of {self.game}; "
                f"this game shows {there}"
            )
        return env
