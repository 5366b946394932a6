"""The inverse dynamics model: what was done at each step of a window of pictures.

Convolutions read each step alone (the pictures before and after, and the flow between them), so that a picture is read
once however many windows cover it; a transformer then reads a window of steps. After Baker et al. 2022 (VPT), with
flow.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agent.models.inverse_dynamics.sizes import CHANNELS, IdmSizes, ProgressSizes

HEADS = 4
GRID = 4
SQUEEZED = 32
EARLIER = 0.02
"""What an action did is often still seen a step later: at the beginning each lag counts a bit more than the next."""
LAG_SHARPNESS = 30.0
"""The shares of the lags are learned so much faster than other weights."""


class _Residual(nn.Module):
    """Halves the sides, then adds what two more convolutions find."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
        self.more = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H2 W2"]:
        """Half as high and wide."""
        x = self.down(x)
        return torch.relu(x + self.more(x))


def picture_stages(channels: int, filters: tuple[int, int, int], width: int) -> nn.Sequential:
    """From pictures [B, channels, size, size] to [B, width]; where things are is kept on a grid of 4 x 4."""
    first, second, third = filters
    return nn.Sequential(
        nn.Conv2d(channels, first, 5, 2, 2, bias=False), nn.BatchNorm2d(first), nn.ReLU(),
        _Residual(first, first), _Residual(first, second), _Residual(second, third),
        nn.Conv2d(third, SQUEEZED, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(GRID), nn.Flatten(),
        nn.Linear(SQUEEZED * GRID * GRID, width), nn.LayerNorm(width),
    )  # fmt: skip


class InverseDynamics(nn.Module):
    """Logits of the action of each step.

    `lag_heads` read single steps, 0 to `lags` after the action's. What they say is added to what the transformer says,
    each as much as `lag_shares` has learned: so a late action is found at once, and the lag can be told.
    """

    def __init__(self, sizes: IdmSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.stages = picture_stages(CHANNELS[sizes.inputs], sizes.filters, sizes.width)
        self.places = nn.Parameter(torch.zeros(sizes.window, sizes.width))
        nn.init.normal_(self.places, std=0.02)
        layer = nn.TransformerEncoderLayer(
            sizes.width, HEADS, 4 * sizes.width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, sizes.layers, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.LayerNorm(sizes.width), nn.Linear(sizes.width, sizes.outputs))
        self.lag_heads = nn.ModuleList(nn.Linear(sizes.width, sizes.outputs) for _ in range(sizes.lags + 1))
        self.lag_shares = nn.Parameter(-EARLIER * torch.arange(sizes.lags + 1.0))
        ahead = torch.triu(torch.ones(sizes.window, sizes.window, dtype=torch.bool), 1)
        self.register_buffer("hidden_steps", ahead if sizes.causal else torch.zeros_like(ahead), persistent=False)

    def read(self, steps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Features of single steps: the pictures before and after, 0 … 1, and the flow."""
        found: Tensor = self.stages(steps)
        return found

    def decide(self, features: Float[Tensor, "B W D"]) -> Float[Tensor, "B W O"]:
        """Logits of each step of a window of features."""
        if self.sizes.causal:  # a step's own features show what the action did
            features = torch.cat([torch.zeros_like(features[:, :1]), features[:, :-1]], 1)
        mask: Tensor = self.get_buffer("hidden_steps")
        found: Tensor = self.out(self.transformer(features + self.places, mask=mask))
        return found if self.sizes.causal else found + self._of_lags(features)

    def _of_lags(self, features: Float[Tensor, "B W D"]) -> Float[Tensor, "B W O"]:
        """What single steps say, joined over lags; nothing from beyond the window."""
        window = features.shape[1]
        shares = torch.softmax(LAG_SHARPNESS * self.lag_shares, 0)
        joined = features.new_zeros(*features.shape[:2], self.sizes.outputs)
        for lag, head in enumerate(self.lag_heads):
            if lag < window:
                said = head(features[:, lag:]) * shares[lag]
                joined = joined + nn.functional.pad(said, (0, 0, 0, lag))
        return joined

    def forward(self, steps: Float[Tensor, "B W C H W2"]) -> tuple[Float[Tensor, "B W O"], Float[Tensor, "B W D"]]:
        """Logits, and the features that they are made of."""
        features = self.read(steps.flatten(0, 1)).reshape(*steps.shape[:2], -1)
        return self.decide(features), features


class Progress(nn.Module):
    """How near the goal one picture is: a score without a unit that grows towards it."""

    def __init__(self, sizes: ProgressSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.stages = picture_stages(3, sizes.filters, sizes.width)
        self.out = nn.Sequential(nn.ReLU(), nn.Linear(sizes.width, 1))

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> Float[Tensor, " B"]:
        """Scores of pictures, 0 … 1."""
        found: Tensor = self.out(self.stages(pictures)).squeeze(-1)
        return found
