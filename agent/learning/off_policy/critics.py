"""An ensemble of critics: what an action is worth, said by several small networks at once.

Each is two layers with LayerNorm (RLPD, Ball et al. 2023), computed side by side as one batched product. The first
layer is split, so that what belongs to the situation is computed once for all actions that are weighed there.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from agent.core.columns import ENEMY_TOKENS, TokenColumn
from agent.core.rollout import ActionSpec
from agent.models.encoder import RunningNorm
from agent.models.sizes import PilotSizes

NEAR_ENEMIES, NEAR_OBJECTS = 8, 8
_TOKEN = (
    TokenColumn.RIGHT, TokenColumn.AHEAD, TokenColumn.NEARNESS, TokenColumn.HEALTH, TokenColumn.ELITE,
    TokenColumn.DROP, TokenColumn.HEALTH_DROP, TokenColumn.PLACE,
)  # fmt: skip


def pilot_columns(sizes: PilotSizes) -> list[int]:
    """What critics see of a pilot's row: the player, the rings, and what is nearest of enemies and objects."""
    e = sizes.encoder
    tokens = [*range(NEAR_ENEMIES), *range(ENEMY_TOKENS, ENEMY_TOKENS + NEAR_OBJECTS)]
    mask = e.self_features + e.tokens * e.token_features
    rings = mask + e.tokens
    near = [e.self_features + t * e.token_features + int(c) for t in tokens for c in _TOKEN]
    return [*range(e.self_features), *near, *(mask + t for t in tokens), *range(rings, rings + e.rings)]


class CriticInputs(nn.Module):
    """From rows and actions to what critics read: some columns, normalised; axes, choices one-hot, the chosen card."""

    columns: Int64[Tensor, " S"]

    def __init__(self, features: int, spec: ActionSpec, columns: list[int], cards: tuple[int, int] | None) -> None:
        super().__init__()
        self.spec, self.cards = spec, cards
        self.register_buffer("columns", torch.tensor(columns or list(range(features))))
        self.norm = RunningNorm(len(self.columns))
        self.card_start = features - cards[0] * cards[1] if cards is not None else 0
        self.state_width = len(self.columns)
        self.action_width = spec.width + (cards[1] if cards is not None else 0)

    def observe(self, obs: Float[Tensor, "B D"]) -> None:
        """Take rows into the normaliser."""
        self.norm.update(obs[:, self.columns])

    def state(self, obs: Float[Tensor, "B D"]) -> Float[Tensor, "B S"]:
        """What is read of rows."""
        seen: Tensor = self.norm(obs[:, self.columns])
        return seen

    def actions(
        self, obs: Float[Tensor, "B D"], axes: Float[Tensor, "B K C"], choices: Int64[Tensor, "B K N"]
    ) -> Float[Tensor, "B K A"]:
        """K actions at each row."""
        parts = [axes] + [F.one_hot(choices[..., b], n).to(axes.dtype) for b, n in enumerate(self.spec.branches)]
        if self.cards is not None:
            cards = obs[:, self.card_start :].reshape(-1, *self.cards)
            parts.append(cards[torch.arange(len(obs))[:, None], choices[..., -1]])
        return torch.cat(parts, -1)


class Critics(nn.Module):
    """`members` networks from situations and actions to values."""

    def __init__(self, states: int, actions: int, hidden: int, members: int) -> None:
        super().__init__()
        self.members = members

        def weight(inputs: int, outputs: int, fan: int) -> nn.Parameter:
            bound = 1.0 / math.sqrt(fan)
            return nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))

        self.from_state = weight(states, hidden, states + actions)
        self.from_action = weight(actions, hidden, states + actions)
        self.between = weight(hidden, hidden, hidden)
        self.out = weight(hidden, 1, 10 * hidden)
        self.bias = nn.Parameter(torch.zeros(2, members, 1, hidden))
        self.scale = nn.Parameter(torch.ones(2, members, 1, hidden))
        self.out_bias = nn.Parameter(torch.zeros(members, 1, 1))

    def forward(
        self,
        state: Float[Tensor, "B S"],
        actions: Float[Tensor, "B K A"],
        only: Int64[Tensor, " E"] | None = None,
    ) -> Float[Tensor, "E B K"]:
        """Values of K actions in each of B situations, by every member, or by those of `only`."""
        rows, count = actions.shape[:2]
        flat = actions.reshape(rows * count, -1)
        pick = range(self.members) if only is None else only.tolist()
        return torch.stack([self._member(e, state, flat, count) for e in pick])

    def _member(self, e: int, state: Float[Tensor, "B S"], flat: Float[Tensor, "N A"], count: int) -> Tensor:
        """Values [B, K] by one member, which is computed alone so that it fits the processor's cache."""
        width = self.between.shape[-1]
        seen = state @ self.from_state[e]
        x = (flat @ self.from_action[e]).reshape(-1, count, width) + seen.unsqueeze(1)
        x = F.silu(F.layer_norm(x.reshape(-1, width), (width,), self.scale[0, e, 0], self.bias[0, e, 0]))
        x = F.silu(F.layer_norm(x @ self.between[e], (width,), self.scale[1, e, 0], self.bias[1, e, 0]))
        return (x @ self.out[e] + self.out_bias[e]).reshape(-1, count)
