"""Policies that PPO trains, behind one signature: sequences of flat observations in, distributions and memory out.

`PilotPolicy` is the pilot on its encoding written out flat; `FlatPolicy` takes any features; `FramePolicy` pictures.
Each is called as (obs [S, L, D], carry [S, U], is_first [S, L], elapsed_s [S, L] in seconds) → (heads [S, L], carry).
Memory is forgotten where is_first.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from agent.core.clock import TICK_HZ
from agent.core.columns import SelfColumn
from agent.core.rollout import ActionSpec
from agent.models.actor_critic import LOG_STD_RANGE, Pilot
from agent.models.encoder import RunningNorm
from agent.models.heads import NEVER, Heads
from agent.models.liquid import CfCCell
from agent.models.picture_bodies import linear, picture_body
from agent.models.sizes import FlatSizes, FrameSizes, PilotSizes

MAX_TICKS = 30.0
BESIDE = 64
_CHOOSING_COLUMNS = [SelfColumn.IN_LEVEL_UP, SelfColumn.IN_ENCOUNTER]


class TrainablePolicy(nn.Module):
    """What the three have in common: `features` in, actions of `spec` out, `units` of memory (0: none)."""

    features: int
    spec: ActionSpec
    units: int

    def forward(
        self,
        obs: Float[Tensor, "S L D"],
        carry: Float[Tensor, "S U"],
        is_first: Bool[Tensor, "S L"],
        elapsed_s: Float[Tensor, "S L"],
    ) -> tuple[Heads, Float[Tensor, "S U"]]:
        """Distributions of every step, and the memory after the last."""
        raise NotImplementedError

    def observe(self, obs: Float[Tensor, "B D"]) -> None:
        """Take observations into the running normaliser, where there is one."""
        raise NotImplementedError

    def initial(self, rows: int) -> Float[Tensor, "{rows} U"]:
        """No memory."""
        return torch.zeros(rows, self.units)


def _unroll(
    cell: CfCCell,
    seen: Float[Tensor, "S L I"],
    carry: Float[Tensor, "S U"],
    is_first: Bool[Tensor, "S L"],
    elapsed_s: Float[Tensor, "S L"],
) -> tuple[Float[Tensor, "S L U"], Float[Tensor, "S U"]]:
    """Memory after each step."""
    ticks = (elapsed_s * TICK_HZ).clamp(max=MAX_TICKS).unsqueeze(-1)
    kept = (~is_first).to(seen.dtype).unsqueeze(-1)
    steps = []
    for t in range(seen.shape[1]):
        carry = cell(seen[:, t], carry * kept[:, t], ticks[:, t])
        steps.append(carry)
    return torch.stack(steps, 1), carry


class PilotPolicy(TrainablePolicy):
    """A `Pilot` on flat rows: self, tokens, mask, rings, cards; without pictures.

    Branches: fire, ability, interact, card. In a menu axes and buttons do not count; a card counts where it is asked
    for.
    """

    def __init__(self, sizes: PilotSizes) -> None:
        super().__init__()
        self.pilot = Pilot(sizes)
        e = sizes.encoder
        self._widths = [
            e.self_features, e.tokens * e.token_features, e.tokens, e.rings, sizes.cards * sizes.card_features,
        ]  # fmt: skip
        self.features = sum(self._widths)
        self.spec = ActionSpec(4, (2, 2, 2, sizes.cards))
        self.units = sizes.units

    def forward(
        self,
        obs: Float[Tensor, "S L D"],
        carry: Float[Tensor, "S U"],
        is_first: Bool[Tensor, "S L"],
        elapsed_s: Float[Tensor, "S L"],
    ) -> tuple[Heads, Float[Tensor, "S U"]]:
        """Distributions of every step, and the memory after the last."""
        rows, length = obs.shape[:2]
        sizes = self.pilot.sizes
        self_, tokens, mask, rings, cards = torch.split(obs.reshape(rows * length, -1), self._widths, 1)
        tokens = tokens.reshape(-1, sizes.encoder.tokens, sizes.encoder.token_features)
        cards = cards.reshape(-1, sizes.cards, sizes.card_features)
        seen = self.pilot.encoder(self_, tokens, mask, rings, obs.new_zeros(rows * length, sizes.encoder.picture))
        memory, carry = _unroll(self.pilot.memory, seen.reshape(rows, length, -1), carry, is_first, elapsed_s)
        out = self.pilot.decide(seen, memory.reshape(rows * length, -1), cards)
        playing = self_[:, SelfColumn.PLAYING]
        choosing = self_[:, _CHOOSING_COLUMNS].sum(1, keepdim=True) > 0
        logits = [_button(out.buttons[:, b], playing) for b in range(3)]
        first = torch.zeros_like(out.cards)
        first[:, 1:] = NEVER
        logits.append(torch.where(choosing, out.cards, first))

        def shaped(x: Tensor) -> Tensor:
            return x.reshape(rows, length, *x.shape[1:])

        heads = Heads(
            shaped(out.axes_mean), shaped(out.axes_log_std), tuple(shaped(x) for x in logits), shaped(out.value),
            shaped(playing),
        )  # fmt: skip
        return heads, carry

    def observe(self, obs: Float[Tensor, "B D"]) -> None:
        """Self and rings are normalised."""
        self_, _, _, rings, _ = torch.split(obs, self._widths, 1)
        self.pilot.encoder.norm.update(torch.cat([self_, rings], 1))


def _button(logit: Float[Tensor, " B"], playing: Float[Tensor, " B"]) -> Float[Tensor, "B 2"]:
    """Logits of up and down; in a menu only up."""
    return torch.stack([torch.zeros_like(logit), torch.where(playing > 0, logit, NEVER)], -1)


def _tower(inputs: int, hidden: int, outputs: int, gain: float) -> nn.Sequential:
    return nn.Sequential(
        linear(inputs, hidden), nn.Tanh(), linear(hidden, hidden), nn.Tanh(), linear(hidden, outputs, gain)
    )


class FlatPolicy(TrainablePolicy):
    """Layers over normalised features, with an optional liquid memory before them.

    `towers` are two layers each for actor and critic; `shared` are two that both read, normalised (Ba et al. 2016).
    """

    def __init__(self, sizes: FlatSizes) -> None:
        super().__init__()
        self.sizes, self.units, self.features = sizes, sizes.units, sizes.features
        self.spec = ActionSpec(sizes.continuous, sizes.branches)
        self.norm = RunningNorm(sizes.features)
        self.memory = CfCCell(sizes.features, sizes.units) if sizes.units else None
        joined = sizes.features + sizes.units
        self.body: nn.Module
        if sizes.body == "shared":
            self.body = _normed(joined, sizes.hidden)
            self.actor, self.critic = _heads(sizes.hidden, self.spec)
        else:
            self.body = nn.Identity()
            self.actor = _tower(joined, sizes.hidden, self.spec.width, 0.01)
            self.critic = _tower(joined, sizes.hidden, 1, 1.0)
        self.log_std = nn.Parameter(torch.full((sizes.continuous,), -0.5))

    def forward(
        self,
        obs: Float[Tensor, "S L D"],
        carry: Float[Tensor, "S U"],
        is_first: Bool[Tensor, "S L"],
        elapsed_s: Float[Tensor, "S L"],
    ) -> tuple[Heads, Float[Tensor, "S U"]]:
        """Distributions of every step, and the memory after the last."""
        seen = self.norm(obs)
        if self.memory is not None:
            memory, carry = _unroll(self.memory, seen, carry, is_first, elapsed_s)
            seen = torch.cat([seen, memory], -1)
        seen = self.body(seen)
        return split_heads(self.spec, self.actor(seen), self.log_std, self.critic(seen).squeeze(-1)), carry

    def observe(self, obs: Float[Tensor, "B D"]) -> None:
        """All features are normalised."""
        self.norm.update(obs)


def _normed(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        linear(inputs, hidden), nn.LayerNorm(hidden), nn.SiLU(),
        linear(hidden, hidden), nn.LayerNorm(hidden), nn.SiLU(),
    )  # fmt: skip


def _heads(inputs: int, spec: ActionSpec) -> tuple[nn.Module, nn.Module]:
    return linear(inputs, spec.width, 0.01), linear(inputs, 1, 1.0)


def split_heads(
    spec: ActionSpec, out: Float[Tensor, "*B A"], log_std: Float[Tensor, " C"], value: Float[Tensor, "*B"]
) -> Heads:
    """A row of outputs as the axes' means and the logits of each branch."""
    mean, *logits = torch.split(out, [spec.continuous, *spec.branches], -1)
    return Heads(mean, log_std.clamp(*LOG_STD_RANGE).expand_as(mean), tuple(logits), value)


class FramePolicy(TrainablePolicy):
    """A convolutional actor-critic over one picture, 0 … 255, rows of [height, width, channel] written flat.

    Numbers beside the picture follow it in the row; they are normalised, and join behind the convolutions; then comes
    an optional liquid memory.
    """

    def __init__(self, sizes: FrameSizes) -> None:
        super().__init__()
        self.sizes, self.units = sizes, sizes.units
        self.pixels = sizes.height * sizes.width * sizes.channels
        self.features = self.pixels + sizes.numbers
        self.spec = ActionSpec(sizes.continuous, sizes.branches)
        self.body = picture_body(sizes)
        joined = sizes.hidden
        if sizes.numbers:
            self.norm = RunningNorm(sizes.numbers)
            self.beside = nn.Sequential(linear(sizes.numbers, BESIDE), nn.Tanh())
            joined += BESIDE
        self.memory = CfCCell(joined, sizes.units) if sizes.units else None
        self.actor, self.critic = _heads(joined + sizes.units, self.spec)
        if sizes.continuous:
            self.log_std = nn.Parameter(torch.full((sizes.continuous,), -0.5))

    def forward(
        self,
        obs: Float[Tensor, "S L D"],
        carry: Float[Tensor, "S U"],
        is_first: Bool[Tensor, "S L"],
        elapsed_s: Float[Tensor, "S L"],
    ) -> tuple[Heads, Float[Tensor, "S U"]]:
        """Distributions of every step, and the memory after the last."""
        s = self.sizes
        picture = obs[..., : self.pixels].reshape(-1, s.height, s.width, s.channels)
        body = self.body(picture.permute(0, 3, 1, 2) * (1.0 / 255.0)).reshape(*obs.shape[:2], -1)
        if s.numbers:
            body = torch.cat([body, self.beside(self.norm(obs[..., self.pixels :]))], -1)
        if self.memory is not None:
            memory, carry = _unroll(self.memory, body, carry, is_first, elapsed_s)
            body = torch.cat([body, memory], -1)
        log_std = self.log_std if s.continuous else obs.new_zeros(0)
        return split_heads(self.spec, self.actor(body), log_std, self.critic(body).squeeze(-1)), carry

    def observe(self, obs: Float[Tensor, "B D"]) -> None:
        """Pictures are scaled by a constant; numbers beside them are normalised."""
        if self.sizes.numbers:
            self.norm.update(obs[:, self.pixels :])
