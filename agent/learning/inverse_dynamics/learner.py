"""Trains an inverse dynamics model on windows of episodes; owns the network, its optimizer and its random numbers."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.core.errors import RecordingError
from agent.core.types import ByteArray
from agent.learning.inverse_dynamics.checkpoint import checkpoint_tensors, load_checkpoint
from agent.learning.inverse_dynamics.inputs import Flow, FlowArray, brightened, steps_of
from agent.learning.inverse_dynamics.targets import Targets, known_of
from agent.learning.pixels.episodes import Episodes
from agent.models.inverse_dynamics.network import InverseDynamics
from agent.models.inverse_dynamics.sizes import IdmSizes

LAG_WEIGHT: Final = 0.5
CLIP: Final = 1.0
FLOW_BYTES: Final = 256 << 20
"""So much flow is kept; that of further episodes is computed each time."""


class IdmConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it is trained: windows of an update, updates in all, the largest rate, and the share that it begins with."""

    batch: int = 16
    steps: int = 600
    learning_rate: float = 1e-3
    warm_up: float = 0.05
    weight_decay: float = 0.01


def check_trainable(episodes: Episodes, window: int) -> None:
    """Raise RecordingError where nothing can be learned from the episodes."""
    if episodes.layout is None or all(e.actions is None for e in episodes.items):
        raise RecordingError("none of the recordings has actions; inverse dynamics is learned from some that have")
    longest = max(map(len, episodes.items))
    if longest < window + 1:
        raise RecordingError(f"the longest episode has {longest} pictures; at least {window + 1} are needed")


class IdmLearner:
    """One training. `episodes` are those to learn from; pictures of other episodes are never seen.

    device: of the network; the random numbers of the windows are counter-based, so that a resumed training goes on with
    those that follow.
    """

    def __init__(
        self, episodes: Episodes, sizes: IdmSizes, config: IdmConfig, *, seed: int = 0, device: str = "cpu"
    ) -> None:
        check_trainable(episodes, sizes.window)
        assert episodes.layout is not None
        torch.manual_seed(seed)
        labelled = [i for i, e in enumerate(episodes.items) if e.actions is not None and len(e) > sizes.window]
        self.episodes, self.sizes, self.config = episodes.of(labelled), sizes, config
        self.targets = Targets(episodes.layout)
        self.network = InverseDynamics(sizes).to(device)
        self.updates, self._seed, self._device, self._flow = 0, seed, torch.device(device), Flow()
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self._flows: dict[int, FlowArray] = {}
        self._room = FLOW_BYTES
        self._classes = [self.targets.classes(_actions(e)) for e in self.episodes.items]
        self._counted = [self.targets.counted(_actions(e), e.known) for e in self.episodes.items]
        every, counts = np.concatenate(self._classes), np.concatenate(self._counted)
        self._positive = self.targets.positive_weights(every, counts).to(self._device)

    @property
    def _rate(self) -> float:
        done = self.updates / self.config.steps
        if done < self.config.warm_up:
            return self.config.learning_rate * (done / self.config.warm_up + 1e-2)
        left = (done - self.config.warm_up) / max(1e-9, 1.0 - self.config.warm_up)
        return self.config.learning_rate * max(0.02, 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, left)))))

    def update(self) -> dict[str, float]:
        """One update; figures by name."""
        rng = np.random.default_rng((self._seed, self.updates))
        length = self.sizes.window + 1
        windows = self.episodes.windows(rng, self.config.batch, length)
        pairs, cut = list(zip(windows.episodes.tolist(), windows.starts.tolist(), strict=True)), length - 1
        steps = torch.stack(
            [
                steps_of(frames, self.sizes.inputs, self._flow, self._moved(i, s, cut))
                for frames, (i, s) in zip(windows.frames, pairs, strict=True)
            ]
        )
        steps = brightened(steps, self.sizes.inputs, rng).to(self._device)
        classes = torch.from_numpy(np.stack([self._classes[i][s : s + cut] for i, s in pairs])).to(self._device)
        counted = torch.from_numpy(np.stack([self._counted[i][s : s + cut] for i, s in pairs])).to(self._device)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate
        self.network.train()
        logits, features = self.network(steps)
        loss = known_of(counted, self.targets.nll(logits, classes, self._positive))
        by_lag = lag_losses(self.network, self.targets, features, classes, counted)
        total = loss + LAG_WEIGHT * torch.stack(by_lag).sum() if by_lag else loss
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self._optimizer.step()
        self.updates += 1
        with torch.no_grad():
            right = known_of(counted, (_picked(self.targets, logits) == classes).float())
        figures = {"idm_loss": loss.detach(), "idm_accuracy": right, "idm_grad_norm": norm}
        return {name: value.item() for name, value in figures.items()}

    def _moved(self, index: int, start: int, count: int) -> FlowArray | None:
        """The flow of some steps of an episode, kept from then on; None where it is not needed or there is no room."""
        if self.sizes.inputs == "pixels":
            return None
        if index not in self._flows:
            frames = self.episodes.items[index].frames
            size = 2 * frames.shape[0] * frames.shape[1] * frames.shape[2]
            if size > self._room:
                return None
            self._room -= size
            self._flows[index] = self._flow.between(frames)
        return self._flows[index][start : start + count]

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs."""
        kept = checkpoint_tensors(self.network, self._optimizer, "network")
        return {**kept, "updates": torch.tensor([self.updates])}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""
        load_checkpoint(self.network, self._optimizer, "network", tensors)
        self.updates = int(tensors["updates"].item())


def _actions(episode: Any) -> Any:
    assert episode.actions is not None
    return episode.actions


def _picked(targets: Targets, logits: Tensor) -> Tensor:
    """The class of each control with the largest logit."""
    return torch.stack(
        [
            (logits[..., own.start] > 0).long() if control.kind == "key" else logits[..., own].argmax(-1)
            for control, own in zip(targets.layout.controls, targets.slices, strict=True)
        ],
        -1,
    )


def lag_losses(
    network: InverseDynamics, targets: Targets, features: Tensor, classes: Tensor, counted: Tensor
) -> list[Tensor]:
    """For each lag the loss of telling an action from the one step that is so much later; [B, W, …] windows.

    All lags are judged on the same actions: those that have a step at the largest lag.
    """
    lags = network.sizes.lags
    length = features.shape[1] - lags
    if length < 1:
        return []
    return [
        known_of(counted[:, :length], targets.nll(head(features[:, lag : lag + length]), classes[:, :length]))
        for lag, head in enumerate(network.lag_heads)
    ]


def read_episode(network: InverseDynamics, frames: ByteArray, flow: Flow, *, at_once: int = 128) -> Tensor:
    """Features of all steps of an episode, f32 [T - 1, D]; the network must be in its mode of evaluation."""
    found = []
    device = next(network.parameters()).device
    for start in range(0, len(frames) - 1, at_once):
        steps = steps_of(frames[start : start + at_once + 1], network.sizes.inputs, flow)
        found.append(network.read(steps.to(device)))
    return torch.cat(found)
