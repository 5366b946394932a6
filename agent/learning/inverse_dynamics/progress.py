"""A reward of progress from pictures alone: of two pictures of one run, the later one is nearer to its goal.

A network scores single pictures by how often it tells the later of two (Bradley and Terry 1952). Its reward of a step
is the gain of score, so a round trip earns nothing. It means something where runs end at a goal.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from agent.core.errors import RecordingError
from agent.core.types import ByteArray, FloatArray
from agent.learning.inverse_dynamics.checkpoint import checkpoint_tensors, load_checkpoint
from agent.learning.pixels.episodes import Episodes
from agent.models.inverse_dynamics.network import Progress
from agent.models.inverse_dynamics.sizes import ProgressSizes

LEARNING_RATE: Final = 1e-3
WEIGHT_DECAY: Final = 0.05
AT_ONCE: Final = 256
MIN_APART: Final = 2


class ProgressLearner:
    """One training on runs that end at a goal; `batch` pairs an update, each of one run.

    shuffled: pictures of each run are put in a random order first, as a control: nothing is left to learn.
    """

    def __init__(
        self, episodes: Episodes, sizes: ProgressSizes, *, batch: int, steps: int, seed: int = 0,
        device: str = "cpu", shuffled: bool = False,
    ) -> None:  # fmt: skip
        long = [i for i, e in enumerate(episodes.items) if len(e) > MIN_APART]
        if not long:
            raise RecordingError(f"no episode has more than {MIN_APART} pictures; progress cannot be learned")
        torch.manual_seed(seed)
        self.episodes, self.sizes = episodes.of(long), sizes
        self.network = Progress(sizes).to(device)
        self.updates, self._batch, self._steps, self._seed = 0, batch, steps, seed
        self._device = torch.device(device)
        self._optimizer = torch.optim.AdamW(self.network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        rng = np.random.default_rng(seed)
        self._order = [rng.permutation(len(e)) if shuffled else np.arange(len(e)) for e in self.episodes.items]

    def update(self) -> dict[str, float]:
        """One update; figures by name."""
        rng = np.random.default_rng((self._seed, self.updates))
        lengths = np.array([len(e) for e in self.episodes.items])
        which = rng.choice(len(lengths), self._batch, p=lengths / lengths.sum())
        pairs = []
        for i in which.tolist():
            first = int(rng.integers(0, lengths[i] - MIN_APART))
            last = int(rng.integers(first + MIN_APART, lengths[i]))
            frames, order = self.episodes.items[i].frames, self._order[i]
            pairs += [frames[order[first]], frames[order[last]]]
        for group in self._optimizer.param_groups:
            group["lr"] = LEARNING_RATE * max(0.02, 1.0 - self.updates / self._steps)
        pictures = pictures_of(np.stack(pairs)).to(self._device)
        pictures = pictures * (0.8 + 0.4 * torch.from_numpy(rng.random((len(pictures), 1, 1, 1)).astype(np.float32)))
        self.network.train()
        scores = self.network(pictures).unflatten(0, (self._batch, 2))
        gain = scores[:, 1] - scores[:, 0]
        loss = F.softplus(-gain).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        self.updates += 1
        return {"progress_loss": loss.item(), "progress_accuracy": (gain > 0).float().mean().item()}

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs."""
        kept = checkpoint_tensors(self.network, self._optimizer, "network")
        return {**kept, "updates": torch.tensor([self.updates])}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""
        load_checkpoint(self.network, self._optimizer, "network", tensors)
        self.updates = int(tensors["updates"].item())


def pictures_of(frames: ByteArray) -> Tensor:
    """Pictures u8 [B, h, w, 3] for the network, f32 [B, 3, h, w], 0 … 1."""
    return torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 255.0


@torch.no_grad()
def scores_of(network: Progress, frames: ByteArray) -> FloatArray:
    """The score of each picture of an episode, f32 [T]."""
    network.eval()
    device = next(network.parameters()).device
    found = [
        network(pictures_of(frames[start : start + AT_ONCE]).to(device)).cpu()
        for start in range(0, len(frames), AT_ONCE)
    ]
    return np.asarray(torch.cat(found).numpy(), np.float32)


def rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's correlation of two rows, ties counted at their mean rank; 0 where one is constant."""
    a, b = _ranks(first), _ranks(second)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: FloatArray) -> FloatArray:
    _, at, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return np.asarray((ends - (count - 1) / 2.0)[at], np.float32)


def correlations(network: Progress, episodes: Episodes) -> list[float]:
    """Of each episode, how well the order of its scores is that of the time to its end; 1 at best, 0 at random."""
    return [
        rank_correlation(scores_of(network, e.frames), np.arange(len(e), dtype=np.float32))
        for e in episodes.items
        if len(e) > MIN_APART
    ]
