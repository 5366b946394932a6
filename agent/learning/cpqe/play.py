"""A motor's learner for play: windows of what it did, critics on them, and a student of a flow of what gained.

The flow imitates chunks that were played, the more, the more the critics say that they gained over the situation's
value (advantage-weighted regression, Peng et al. 2019), so that no chunk is followed that nobody played. Flow and value
are in no motor's file: they learn first, while critics and student rest. The pilot that the motor stands on stays as
it is. One `contract.Learner`; owns its replay.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agent.core.errors import WeightsError
from agent.core.rollout import MOTOR_ACTIONS, Rollout
from agent.learning.configs import MotorInPlay
from agent.learning.cpqe.learner import CpqeLearner
from agent.learning.cpqe.windows import Chunks, Played, cut_chunks, joined
from agent.learning.tensors import module_tensors, take_up
from agent.models.sizes import CpqeSizes

MAX_WEIGHT: Final = 20.0
"""Of a chunk among others, however much it gained."""


class MotorLearner:
    """Student and critics of a motor that plays; `features`: of a row of its rollouts, the condition of a decision."""

    name = "cpqe"
    spec = MOTOR_ACTIONS

    def __init__(self, sizes: CpqeSizes, config: MotorInPlay, *, seed: int) -> None:
        self.sizes, self.config = sizes, config
        self.features = sizes.features + sizes.goal
        self.learner = CpqeLearner(sizes, msgspec.structs.replace(config.cpqe, seed=seed))
        self.max_chunks = config.replay_bytes // (4 * (2 * self.features + sizes.chunk * sizes.action + 2))
        self._pilot: dict[str, NDArray[Any]] = {}
        self._kept: list[Chunks] = []
        self._owed = 0.0

    @property
    def held(self) -> int:
        """Chunks that are kept."""
        return sum(map(len, self._kept))

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Keep a rollout's chunks, then make the updates that it is worth; means of their figures."""
        c = self.config
        self._keep(cut_chunks(played_of(rollout), length=self.sizes.chunk, backup=c.cpqe.backup, gamma=c.cpqe.gamma))
        figures = {"cpqe_chunks": float(self.held)}
        if self.held < c.min_chunks:
            return figures
        self._owed += c.updates_per_decision * len(rollout)
        found: dict[str, list[float]] = {}
        chunks = joined(self._kept) if self._owed >= 1.0 else None
        while chunks is not None and self._owed >= 1.0:
            self._owed -= 1.0
            for name, value in self._step(chunks).items():
                found.setdefault(f"cpqe_{name}", []).append(value)
        figures |= {name: float(np.mean(values)) for name, values in found.items()}
        return figures | {f"cpqe_{name}_updates": float(n) for name, n in self.learner.updates.items()}

    def _keep(self, new: Chunks) -> None:
        if len(new):
            self._kept.append(new)
        while self.held > self.max_chunks and len(self._kept) > 1:
            self._kept.pop(0)

    def _step(self, chunks: Chunks) -> dict[str, float]:
        """One update of each network that does not rest."""
        learner, count = self.learner, self.config.cpqe.batch
        batch = self._drawn(chunks, count)
        if learner.updates["flow"] < self.config.rest:
            return learner.settle(batch) | learner.imitate(batch)
        figures = learner.judge(batch) | learner.imitate(self._that_gained(self._drawn(chunks, 2 * count), count))
        return figures | learner.distil(self._drawn(chunks, count // 2))

    def _drawn(self, chunks: Chunks, count: int) -> Chunks:
        return chunks.rows(torch.randint(0, len(chunks), (count,), generator=self.learner.random))

    @torch.no_grad()
    def _that_gained(self, chunks: Chunks, count: int) -> Chunks:
        """So many of these, drawn the more often, the more they gained over what is expected."""
        gains = self.learner.advantages(chunks)
        scaled = (gains - gains.mean()) / gains.std().clamp_min(1e-6) / self.config.temperature
        weights = scaled.exp().clamp_max(MAX_WEIGHT)
        return chunks.rows(torch.multinomial(weights, count, replacement=True, generator=self.learner.random))

    # --- what is served ------------------------------------------------------------------------------------------

    @property
    def _served(self) -> dict[str, nn.Module]:
        return {"student": self.learner.student, "critics": self.learner.critics}

    def weights(self) -> dict[str, NDArray[Any]]:
        """Pilot, student and critics by the names of a motor's file; the pilot's are those that were taken up."""
        learned = {
            name: tensor.detach().numpy().copy()
            for part, module in self._served.items()
            for name, tensor in module_tensors(module, f"{part}.").items()
        }
        return self._pilot | learned

    def take_weights(self, tensors: dict[str, NDArray[Any]], *, keep_moments: bool = False) -> None:
        """Go on from a motor's tensors; raises WeightsError, with nothing changed, where they do not fit.

        The optimisers' moments and the critics' targets stay where the weights are the same, or `keep_moments` says
        that they are near enough.
        """
        own = {
            name: tensor
            for part, module in self._served.items()
            for name, tensor in module_tensors(module, f"{part}.").items()
        }
        given = {name: torch.from_numpy(np.array(t)) for name, t in tensors.items() if name in own}
        missing = sorted(own.keys() - given.keys())
        if missing:
            raise WeightsError(f"tensor {missing[0]} of a motor is missing")
        same = all(torch.equal(t, given[name]) for name, t in own.items())
        take_up(own, given)
        self._pilot = {name: np.array(t) for name, t in tensors.items() if name not in own}
        if not same and not keep_moments:
            self.learner.begin_from_served()

    # --- what a restart needs ------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs, but for what was played and the pilot's tensors."""
        return self.learner.tensors()

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError where it does not fit."""
        try:
            self.learner.load_tensors(tensors)
        except KeyError as error:
            raise WeightsError(f"{error.args[0]} is missing in the state of a motor's learner") from error

    @torch.no_grad()
    def why_unsound(self) -> str:
        """Why the weights may not be served, or "": canned conditions give values that are not finite."""
        random = torch.Generator().manual_seed(0)
        condition = torch.randn(8, self.features, generator=random)
        condition[4:] *= 10.0
        nothing = torch.zeros(8, self.learner.student.width), torch.zeros(8, self.sizes.chunk)
        made = self.learner.student(condition, nothing[0], *nothing)
        values = self.learner.critics(condition, made[:, : self.learner.critics.width].clamp(-1.0, 1.0))
        if not bool(torch.isfinite(made).all() and torch.isfinite(values).all()):
            return "canned conditions give values that are not finite"
        return ""


def played_of(rollout: Rollout) -> Played:
    """A rollout of a motor as decisions: buttons are −1 or 1."""
    buttons = rollout.actions_disc.astype(np.float32) * 2.0 - 1.0
    action = np.concatenate([rollout.actions_cont, buttons], 1).astype(np.float32)
    always = np.ones(len(rollout), np.bool_)
    return Played(rollout.obs, action, rollout.rewards, always, rollout.is_first, rollout.terminated)
