"""A motor's learner: critics and a flow from chunks of every player, and a one-step student of both.

Critics look `backup` decisions ahead and ask a value, a high quantile of what they say of the chunks that were played
(Kostrikov et al. 2022), so that no action is asked about that nobody did. The flow imitates; the student imitates the
flow, and with `by_value` leans to what the critics' mean prefers (arXiv 2503.16978).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from agent.learning.adam import Adam
from agent.learning.configs import CpqeConfig
from agent.learning.cpqe.losses import (
    Doubts,
    critic_loss,
    doubt_loss,
    drawn_prefix,
    flow_loss,
    quantile_loss,
    soonest,
    student_loss,
    taught,
)
from agent.learning.cpqe.windows import Chunks
from agent.learning.tensors import load_adam, module_tensors, moment_tensors, take_up
from agent.models.chunks.networks import ChunkCritics, ChunkFlow, ChunkStudent, Layered, lower_bound
from agent.models.sizes import CpqeSizes


class CpqeLearner:
    """Flow, student, critics and value, and their optimisers; `updates` counts steps of each.

    progress: the share of the training that is done, told by whoever trains; the learning rate falls with it.
    """

    def __init__(self, sizes: CpqeSizes, config: CpqeConfig) -> None:
        self.sizes, self.config = sizes, config
        self.flow = ChunkFlow(sizes, config.teacher_hidden)
        self.student = ChunkStudent(sizes)
        self.critics = ChunkCritics(sizes)
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self._doubts = Doubts(self.critics, config.seed)
        self.value = Layered(sizes.features + sizes.goal, sizes.hidden, 2, 1)
        self._weights = soonest(sizes.chunk * sizes.action, sizes.chunk, sizes.executed)
        self.random = torch.Generator().manual_seed(config.seed)
        self.optimisers = {
            name: Adam(module.parameters(), config.lr, weight_decay=config.weight_decay)
            for name, module in self.modules.items()
        }
        self.updates = dict.fromkeys(self.modules, 0)
        self.progress = 0.0

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What is trained, by name."""
        return {"flow": self.flow, "student": self.student, "critics": self.critics, "value": self.value}

    def judge(self, batch: Chunks) -> dict[str, float]:
        """One step of the critics and the value; figures by name."""
        begun = batch.chunk[:, : self.critics.width]
        with torch.no_grad():
            after = self.value(batch.after).squeeze(1)
            wanted = batch.gained + batch.discount * after
        loss = critic_loss(self.critics, batch.condition, begun, wanted)
        doubted = torch.zeros(())
        if self.config.doubt > 0.0:
            some = batch.condition[: len(batch) // 4]
            doubted = doubt_loss(self.critics, self._doubts, some, self.random)
        self._step("critics", loss + self.config.doubt * doubted)
        figures = self.settle(batch)
        with torch.no_grad():
            for target, source in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                target.lerp_(source, self.config.tau)
        return {"critic_loss": float(loss.detach())} | figures

    def settle(self, batch: Chunks) -> dict[str, float]:
        """One step of the value on what the critics' targets say of these chunks."""
        with torch.no_grad():
            known = lower_bound(self.targets(batch.condition, batch.chunk[:, : self.critics.width]), 0.0)
        said = self.value(batch.condition).squeeze(1)
        self._step("value", quantile_loss(known - said, self.config.value_share))
        return {"value": float(said.detach().mean())}

    @torch.no_grad()
    def advantages(self, batch: Chunks) -> Tensor:
        """How much more the critics' mean says of each chunk than the value of its situation, [B]."""
        known = lower_bound(self.critics(batch.condition, batch.chunk[:, : self.critics.width]), 0.0)
        gained: Tensor = known - self.value(batch.condition).squeeze(1)
        return gained

    @torch.no_grad()
    def begin_from_served(self) -> None:
        """Student and critics have other weights now: the targets are theirs, and moments begin anew."""
        self.targets.load_state_dict(self.critics.state_dict())
        for name in ("student", "critics"):
            self.optimisers[name].state.clear()

    def imitate(self, batch: Chunks) -> dict[str, float]:
        """One step of the flow on these chunks."""
        prefix = drawn_prefix(batch.chunk, self.sizes.chunk, self.config.max_known, self.random)
        loss = flow_loss(self.flow, batch.condition, batch.chunk, prefix, self.random, self._weights)
        self._step("flow", loss)
        return {"flow_loss": float(loss.detach())}

    def distil(self, batch: Chunks) -> dict[str, float]:
        """One step of the student on these situations: the flow's chunks, and with `by_value` the critics' mean."""
        chunks = batch.chunk
        prefix = drawn_prefix(chunks, self.sizes.chunk, self.config.max_known, self.random)
        noise = torch.randn(chunks.shape, generator=self.random)
        # No noise is what is played, and drawn noise is never near it.
        noise[: len(noise) // 2] = 0.0
        wanted = taught(self.flow, batch.condition, noise, prefix, self.config.euler)
        error, made = student_loss(self.student, batch.condition, noise, wanted, prefix, self._weights)
        loss, worth = self.config.anchor * chunks.shape[1] * error, torch.zeros(())
        if self.config.by_value:
            values = self.critics(batch.condition, made[:, : self.critics.width].clamp(-1.0, 1.0)).mean(0)
            worth = values.mean()
            loss = loss - worth / values.detach().abs().mean().clamp_min(1e-6)
        self._step("student", loss)
        return {"student_loss": float(error.detach()), "student_value": float(worth.detach())}

    def _step(self, name: str, loss: Tensor) -> None:
        optimiser, c = self.optimisers[name], self.config
        falling = 1.0 - (1.0 - c.last_lr) * self.progress
        optimiser.lr = c.lr * falling * min(1.0, (self.updates[name] + 1) / max(1, c.warm_up))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(optimiser.parameters, c.clip)
        optimiser.step()
        self.updates[name] += 1
        if name == "student":
            self.optimisers["critics"].zero_grad()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs."""
        found = {"random": self.random.get_state(), "updates": torch.tensor(list(self.updates.values()))}
        for name, module in self._kept.items():
            found |= module_tensors(module, f"{name}.")
        for name, module in self.modules.items():
            found |= moment_tensors(_moments(name), list(module.named_parameters()), self.optimisers[name].state)
        return found

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises KeyError or WeightsError where it does not fit."""
        own = {f"{name}.{key}": t for name, module in self._kept.items() for key, t in module.state_dict().items()}
        take_up(own, {key: tensors[key] for key in own})
        for name, module in self.modules.items():
            load_adam(_moments(name), list(module.named_parameters()), self.optimisers[name], tensors)
        self.random.set_state(tensors["random"])
        self.updates = dict(zip(self.modules, tensors["updates"].tolist(), strict=True))

    @property
    def _kept(self) -> dict[str, nn.Module]:
        return self.modules | {"targets": self.targets}


def _moments(name: str) -> str:
    return "adam." + name + ".{name}.{moment}"
