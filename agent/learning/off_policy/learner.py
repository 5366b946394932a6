"""A learner for play: an actor and an ensemble of critics that learn from all decisions so far, again and again.

Critics (RLPD, Ball et al. 2023) are drawn to returns over a window (Peng's Q(λ), Kozuno et al. 2021). The actor
imitates what was done, the more it gained over what the actor would do (AWAC, Nair et al. 2020), so that it cannot run
far from the data. It is bound to the weights that it began with and to lessons, by weights that fall with the decisions
made, and rests until the critics explain returns (WSRL, Zhou et al. 2024).
"""

from __future__ import annotations

import copy
from typing import Any, Final

import msgspec
import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from agent.core.errors import WeightsError
from agent.core.rollout import OFF_POLICY_SPREAD, Rollout, check_rollout
from agent.learning.adam import Adam
from agent.learning.configs import OffPolicyConfig
from agent.learning.off_policy.critics import CriticInputs, Critics
from agent.learning.off_policy.judgement import Judgement
from agent.learning.off_policy.replay import WindowReplay, Windows, cut_windows, joined
from agent.learning.tensors import load_adam, module_tensors, moment_tensors, take_up
from agent.models.heads import NEVER, Heads, forbid
from agent.models.policies import TrainablePolicy

Weights = dict[str, NDArray[Any]]
MAX_U: Final = 2.5
"""Axes as they were done are weighed as if no nearer to ±1 than tanh of this."""
MAX_GAIN: Final = 3.0


class Proposed(msgspec.Struct, frozen=True, eq=False):
    """K actions at each of R rows: axes before tanh, and choices."""

    u: Float[Tensor, "R K C"]
    choices: Int64[Tensor, "R K N"]


def propose(heads: Heads, count: int) -> Proposed:
    """Draw `count` actions of each row."""
    rows, axes = heads.mean.shape
    noise = torch.randn(rows, count, axes)
    u = heads.mean[:, None] + OFF_POLICY_SPREAD * noise * heads.log_std.exp()[:, None]
    picks = [_draw(logits, count) for logits in heads.logits]
    return Proposed(u, torch.stack(picks, -1) if picks else torch.zeros(rows, count, 0, dtype=torch.int64))


def _draw(logits: Float[Tensor, "R n"], count: int) -> Int64[Tensor, "R K"]:
    noise = -torch.log(torch.empty(logits.shape[0], count, logits.shape[1]).exponential_().clamp_min(1e-20))
    return torch.argmax(logits[:, None] + noise, -1)


def likelihood(heads: Heads, actions: Proposed) -> Float[Tensor, "R K"]:
    """Log-probability of each action before tanh, but for constants."""
    z = (actions.u - heads.mean[:, None]) * (-heads.log_std).exp()[:, None]
    total = -0.5 * z.square().sum(-1)
    if heads.playing is not None:
        total = total * heads.playing[:, None]
    for branch, logits in enumerate(heads.logits):
        total = total + F.log_softmax(logits, -1).gather(-1, actions.choices[..., branch])
    return total


def divergence(first: Heads, second: Heads) -> Float[Tensor, " R"]:
    """KL of the first from the second, row by row."""
    z = (first.mean - second.mean) * (-second.log_std).exp()
    wide = first.log_std - second.log_std
    total = (0.5 * (z.square() + (2.0 * wide).exp() - 1.0) - wide).sum(-1)
    if first.playing is not None:
        total = total * first.playing
    for a, b in zip(first.logits, second.logits, strict=True):
        logs = F.log_softmax(a, -1)
        each = logs.exp() * (logs - F.log_softmax(b, -1))
        total = total + torch.where(a > NEVER / 2, each, 0.0).sum(-1)
    return total


def _rows(heads: Heads) -> Heads:
    """[W, L, …] → [W · L, …]."""
    return Heads(
        heads.mean.flatten(0, 1), heads.log_std.flatten(0, 1), tuple(x.flatten(0, 1) for x in heads.logits),
        heads.value.flatten(0, 1), None if heads.playing is None else heads.playing.flatten(0, 1),
    )  # fmt: skip


class OffPolicyLearner:
    """One policy that learns from a replay of what was played; a part of a policy's learners (`contract.Learner`)."""

    name = "off_policy"

    def __init__(
        self, policy: TrainablePolicy, config: OffPolicyConfig, *, columns: list[int], cards: tuple[int, int] | None
    ) -> None:
        self.policy, self.config = policy, config
        self.old, self.prior = copy.deepcopy(policy), copy.deepcopy(policy)
        features, spec = policy.features, policy.spec
        self.inputs = CriticInputs(features, spec, columns, cards)
        widths = self.inputs.state_width, self.inputs.action_width
        self.critics = Critics(*widths, config.hidden, config.members)
        self.targets = copy.deepcopy(self.critics)
        self.replay = WindowReplay(features, spec, policy.units, config.length, max_bytes=config.replay_bytes)
        self.lessons = WindowReplay(features, spec, policy.units, config.length, max_bytes=config.replay_bytes)
        # The spread of the axes stays: what explores must not be what is learned away first.
        learned = [p for name, p in policy.named_parameters() if not name.endswith("log_std")]
        self.actor_optimiser = Adam(learned, config.lr, eps=1e-5)
        self.critic_optimiser = Adam(self.critics.parameters(), config.critic_lr, eps=1e-5)
        self.updates = 0
        self._walks = cards is not None
        self.judgement = Judgement(config.gamma)
        self._owed = 0.0
        self._spread = 0.0
        self._carries: dict[str, Tensor] = {}
        self._random = np.random.default_rng(config.seed)

    # --- rollouts ----------------------------------------------------------------------------------------------

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Keep one rollout, and make as many updates as its decisions are worth; figures by name.

        Raises ValueError where it does not fit the policy.
        """
        windows = self.windows(rollout)
        with torch.no_grad():
            values = self._values(windows)[:, :-1][windows.weight > 0]
        self.judgement.add(rollout.instance, values, rollout)
        self.replay.add(windows)
        self._observe(windows, actor=self._acts)
        self._owed += self.config.updates_per_decision * len(rollout)
        found: dict[str, list[float]] = {}
        while self._owed >= 1.0:
            self._owed -= 1.0
            for name, value in self.step().items():
                found.setdefault(name, []).append(value)
        means = {name: float(np.mean(values)) for name, values in found.items()}
        return means | self.beliefs() | {"off_policy_prior_kl": self._prior_kl(windows)}

    def beliefs(self) -> dict[str, float]:
        """What is believed so far, by name."""
        return {
            "off_policy_value_explained": self.judgement.explained,
            "off_policy_updates_per_decision": self.updates / max(1, self.replay.decisions),
            "off_policy_decisions": float(self.replay.decisions),
            "off_policy_lessons": float(self.lessons.held),
            "off_policy_actor_learns": float(self._acts),
        }

    @torch.no_grad()
    def _prior_kl(self, windows: Windows) -> float:
        """Mean divergence of the policy from the weights that it began with, in nats a decision."""
        seen = windows.obs, windows.carry, windows.is_first, windows.elapsed_s
        said, prior = (_rows(forbid(policy(*seen)[0], windows.allowed)) for policy in (self.policy, self.prior))
        counts = F.pad(windows.weight, (0, 1)).flatten()
        return float((divergence(said, prior) * counts).sum() / counts.sum())

    def take_lessons(self, rollout: Rollout) -> None:
        """Keep a rollout of another player as prior data."""
        windows = self.windows(rollout)
        self.lessons.add(windows)
        self._observe(windows, actor=True)

    def _observe(self, windows: Windows, *, actor: bool) -> None:
        rows = windows.obs[:, :-1][windows.weight > 0]
        self.inputs.observe(rows)
        if actor:
            self.policy.observe(rows)

    @property
    def _acts(self) -> bool:
        """True where the critics may move the actor."""
        known = self.replay.decisions >= self.config.min_decisions
        return known and self.judgement.explained >= self.config.min_explained

    @property
    def fading(self) -> float:
        """The share that is left of what binds the actor to prior and lessons."""
        return 1.0 / (1.0 + self.replay.decisions / self.config.evidence)

    @torch.no_grad()
    def windows(self, rollout: Rollout) -> Windows:
        """A rollout as windows, with the memory before each as the policy has it now."""
        reason = check_rollout(rollout, self.policy.features, self.policy.spec)
        if reason:
            raise ValueError(f"rollout of {rollout.instance}: {reason}")
        length, steps = self.config.length, len(rollout)
        carry = self._carries.get(rollout.instance, self.policy.initial(1))
        if rollout.carry is not None:
            carry = torch.from_numpy(rollout.carry)[None]
        obs, first = torch.from_numpy(rollout.obs)[None], torch.from_numpy(rollout.is_first)[None]
        elapsed_s = torch.from_numpy(rollout.elapsed_s)[None]
        carries = []
        for at in range(0, steps, length):
            carries.append(carry)
            part = slice(at, at + length)
            if self.policy.units:
                _, carry = self.policy(obs[:, part], carry, first[:, part], elapsed_s[:, part])
        self._carries[rollout.instance] = carry
        allowed = torch.ones(steps, sum(self.policy.spec.branches), dtype=torch.bool)
        if rollout.action_masks is not None:
            allowed = torch.from_numpy(rollout.action_masks)
        return cut_windows(rollout, length, torch.cat(carries), allowed)

    # --- one update --------------------------------------------------------------------------------------------

    def step(self) -> dict[str, float]:
        """One update of the critics, and of the actor where it may move."""
        c, lessons = self.config, len(self.lessons) > 0
        count = min(c.windows, 4 * len(self.replay))
        batch = self.replay.sample(count, self._random)
        if lessons:
            batch = joined([batch, self.lessons.sample(count, self._random)])
        rows = batch.obs.shape[0] * c.length
        obs = batch.obs[:, :-1].flatten(0, 1)
        weight = batch.weight.flatten()
        weight = weight / weight.sum().clamp_min(1.0)
        some = self._some()
        with torch.no_grad():
            heads_all = forbid(self.old(batch.obs, batch.carry, batch.is_first, batch.elapsed_s)[0], batch.allowed)
            old = _rows(_cut_last(heads_all))
            values, drawn, worth = self._weigh(batch, heads_all, some)
            returns = self._returns(batch, values).flatten()
            done = Proposed(
                torch.atanh(batch.axes.flatten(0, 1).clamp(-0.999, 0.999)).clamp(-MAX_U, MAX_U)[:, None],
                batch.choices.flatten(0, 1)[:, None],
            )  # fmt: skip
            state = self.inputs.state(obs)
            acted = self.inputs.actions(obs, batch.axes.flatten(0, 1)[:, None], done.choices)
            done_worth = self.targets(state, acted, some).mean(0)
        metrics = self._improve_critics(state, acted, returns, weight)
        cloning = lessons and c.clone_weight > 0
        if self._acts or cloning:
            wanted = self._wanted(done_worth[:, 0] - worth.mean(1), weight) if self._acts else None
            metrics |= self._improve_actor(batch, old, done, wanted, weight, rows // 2 if lessons else rows)
        self.updates += 1
        if self.updates % c.sync_every == 0:
            self.old.load_state_dict(self.policy.state_dict())
        return metrics

    @torch.no_grad()
    def _values(self, batch: Windows) -> Float[Tensor, "W L1"]:
        heads = forbid(self.old(batch.obs, batch.carry, batch.is_first, batch.elapsed_s)[0], batch.allowed)
        return self._weigh(batch, heads, torch.arange(self.config.members))[0]

    def _weigh(
        self, batch: Windows, heads: Heads, some: Int64[Tensor, " E"]
    ) -> tuple[Float[Tensor, "W L1"], Proposed, Float[Tensor, "R K"]]:
        """Values of all rows; actions drawn at all but the last row of each window, and what they are worth."""
        obs = batch.obs.flatten(0, 1)
        drawn = propose(_rows(heads), self.config.candidates)
        actions = self.inputs.actions(obs, torch.tanh(drawn.u), drawn.choices)
        worth = self.targets(self.inputs.state(obs), actions, some).mean(0)
        shape = batch.obs.shape[:2]
        values = worth.mean(1).reshape(shape)

        def all_but_last(x: Tensor) -> Tensor:
            return x.reshape(*shape, *x.shape[1:])[:, :-1].flatten(0, 1)

        return values, Proposed(all_but_last(drawn.u), all_but_last(drawn.choices)), all_but_last(worth)

    def _some(self) -> Int64[Tensor, " E"]:
        """Two of the critics, at random (REDQ, Chen et al. 2021)."""
        return torch.randperm(self.config.members)[:2]

    def _returns(self, batch: Windows, values: Float[Tensor, "W L1"]) -> Float[Tensor, "W L"]:
        """λ-returns within each window; a cut decision is followed by its own value."""
        c = self.config
        running, found = values[:, -1], []
        for t in range(c.length - 1, -1, -1):
            mixed = (1.0 - c.lam) * values[:, t + 1] + c.lam * running
            if t == c.length - 1:
                mixed = values[:, t + 1]
            after = torch.where(batch.truncated[:, t], values[:, t], mixed)
            # Padding follows the last decision but one row: its value is that of what was seen.
            if t + 1 < c.length:
                after = torch.where((batch.weight[:, t + 1] > 0) | batch.truncated[:, t], after, values[:, t + 1])
            running = batch.rewards[:, t] + c.gamma * after * (~batch.terminated[:, t])
            found.append(running)
        return torch.stack(found[::-1], 1)

    def _improve_critics(
        self, state: Float[Tensor, "R S"], acted: Float[Tensor, "R 1 A"], returns: Float[Tensor, " R"],
        weight: Float[Tensor, " R"],
    ) -> dict[str, float]:  # fmt: skip
        c = self.config
        said = self.critics(state, acted)[..., 0]
        loss = ((said - returns).square() * weight).sum(-1).sum()
        self.critic_optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.critics.parameters(), c.max_grad)
        self.critic_optimiser.step()
        with torch.no_grad():
            for target, own in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                target.lerp_(own, c.target_rate)
        return {
            "off_policy_critic_loss": float(loss.detach()) / c.members,
            "off_policy_value": float((said.detach().mean(0) * weight).sum()),
            "off_policy_disagreement": float((said.detach().std(0) * weight).sum()),
        }

    def _wanted(self, gain: Float[Tensor, " R"], weight: Float[Tensor, " R"]) -> Float[Tensor, " R"]:
        """How much more of what was done is wanted, by what it gains over the policy; 1 on average."""
        spread = float((gain.square() * weight).sum().sqrt())
        self._spread = spread if self._spread == 0.0 else 0.99 * self._spread + 0.01 * spread
        wanted = (gain / (self.config.temperature * self._spread + 1e-8)).clamp(-MAX_GAIN, MAX_GAIN).exp()
        return wanted / (wanted * weight).sum().clamp_min(1e-8)

    def _improve_actor(
        self, batch: Windows, old: Heads, done: Proposed, wanted: Tensor | None, weight: Float[Tensor, " R"],
        played: int,
    ) -> dict[str, float]:  # fmt: skip
        """One step of the actor; the first `played` rows are of play, the others of lessons."""
        c = self.config
        if wanted is None:  # what was played has nothing to teach yet
            batch = batch.rows(slice(played // c.length, None))
            old, weight, played = _part(old, slice(played, None)), weight[played:], 0
        seen = batch.obs[:, :-1], batch.carry, batch.is_first[:, :-1], batch.elapsed_s[:, :-1]
        said = _rows(forbid(self.policy(*seen)[0], batch.allowed[:, :-1]))
        loss = torch.zeros(())
        metrics: dict[str, float] = {}
        if wanted is not None:
            policy_loss = -(likelihood(said, done)[:, 0] * wanted * weight).sum()
            trust = (divergence(old, said) * weight).sum()
            loss = loss + c.policy_weight * policy_loss + c.trust_weight * trust
            metrics |= {
                "off_policy_policy_loss": float(policy_loss.detach()),
                "off_policy_trust": float(trust.detach()),
            }
        if c.prior_weight > 0:
            with torch.no_grad():
                prior = _rows(forbid(self.prior(*seen)[0], batch.allowed[:, :-1]))
            away = (divergence(said, prior) * weight).sum()
            loss = loss + c.prior_weight * self.fading * away
        if played < len(weight) and c.clone_weight > 0:
            last = slice(played, None)
            cloning = (imitation(_part(said, last), batch, played // c.length, walks=self._walks) * weight[last]).sum()
            loss = loss + c.clone_weight * self.fading * cloning
            metrics["off_policy_cloning"] = float(cloning.detach())
        if loss.requires_grad:
            self.actor_optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.policy.parameters(), c.max_grad)
            self.actor_optimiser.step()
        return metrics

    # --- state -------------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs, but for what was played; `kept` has that. Some are views."""
        modules = {name: module_tensors(module, f"{name}.") for name, module in self._modules().items()}
        found = {name: t for named in modules.values() for name, t in named.items()}
        for template, named, optimiser in self._optimisers():
            found |= moment_tensors(template, named, optimiser.state)
        numbers = [float(self.updates), self._owed, self._spread]
        return found | {"numbers": torch.tensor(numbers, dtype=torch.float64), **self.judgement.tensors()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError where names, shapes or types differ."""
        numbers = tensors.get("numbers", torch.zeros(0))
        if numbers.shape != (3,):
            raise WeightsError("numbers is missing or not of shape (3,)")
        self.judgement.load_tensors(tensors)
        for name, module in self._modules().items():
            given = {key: t for key, t in tensors.items() if key.startswith(f"{name}.")}
            take_up(module_tensors(module, f"{name}."), given)
        for template, named, optimiser in self._optimisers():
            load_adam(template, named, optimiser, tensors)
        self.updates, self._owed, self._spread = int(numbers[0]), float(numbers[1]), float(numbers[2])

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "policy": self.policy, "old": self.old, "prior": self.prior, "inputs": self.inputs,
            "critics": self.critics, "targets": self.targets,
        }  # fmt: skip

    def _optimisers(self) -> list[tuple[str, list[tuple[str, nn.Parameter]], Adam]]:
        return [
            ("adam.policy.{name}.{moment}", list(self.policy.named_parameters()), self.actor_optimiser),
            ("adam.critics.{name}.{moment}", list(self.critics.named_parameters()), self.critic_optimiser),
        ]

    def kept(self, max_bytes: int) -> dict[str, Tensor]:
        """What was played and taught, the newest of it where it is more than `max_bytes`."""
        found: dict[str, Tensor] = {}
        for name, replay in (("lessons", self.lessons), ("replay", self.replay)):
            arrays = replay.arrays(max_bytes if name == "replay" else max_bytes // 2)
            max_bytes -= sum(array.nbytes for array in arrays.values())
            found |= {f"{name}.{key}": torch.from_numpy(np.asarray(array)) for key, array in arrays.items()}
        return found

    def check_kept(self, tensors: dict[str, Tensor]) -> None:
        """Raise WeightsError where `tensors` are not what `kept` of such a learner gave."""
        for name, replay in (("lessons", self.lessons), ("replay", self.replay)):
            replay.check(_of(tensors, name))

    def load_kept(self, tensors: dict[str, Tensor]) -> None:
        """Hold what `kept` gave; `check_kept` it before."""
        self.lessons.load(_of(tensors, "lessons"))
        self.replay.load(_of(tensors, "replay"))

    def take_weights(self, tensors: Weights, *, keep_moments: bool = False) -> None:
        """Go on from other weights; they are the prior from now on, unless `keep_moments` says that they are near."""
        given = {name: torch.from_numpy(np.array(t)) for name, t in tensors.items()}
        self.policy.load_state_dict(given)
        self.old.load_state_dict(given)
        if not keep_moments:
            self.prior.load_state_dict(given)
            self.actor_optimiser.state.clear()

    def weights(self) -> Weights:
        """The policy's own weights; copies."""
        return {name: t.detach().cpu().numpy().copy() for name, t in self.policy.state_dict().items()}


def _of(tensors: dict[str, Tensor], name: str) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(f"{name}."): t.numpy() for key, t in tensors.items() if key.startswith(f"{name}.")}


def _cut_last(heads: Heads) -> Heads:
    return Heads(
        heads.mean[:, :-1], heads.log_std[:, :-1], tuple(x[:, :-1] for x in heads.logits), heads.value[:, :-1],
        None if heads.playing is None else heads.playing[:, :-1],
    )  # fmt: skip


def _part(heads: Heads, rows: slice) -> Heads:
    return Heads(
        heads.mean[rows], heads.log_std[rows], tuple(x[rows] for x in heads.logits), heads.value[rows],
        None if heads.playing is None else heads.playing[rows],
    )  # fmt: skip


def imitation(said: Heads, batch: Windows, start: int, *, walks: bool) -> Float[Tensor, " R"]:
    """How far the likeliest action is from what was done, in the windows from `start` on: axes, and choices in nats.

    walks: the first two axes are a way to walk: its direction counts and that it is long, so that the mean of two ways
    is not to stand.
    """
    axes, choices = batch.axes[start:].flatten(0, 1), batch.choices[start:].flatten(0, 1)
    played = torch.tanh(said.mean)
    if walks:
        far = 1.0 - F.cosine_similarity(played[:, :2], axes[:, :2], dim=-1, eps=1e-3)
        far = far + F.relu(axes[:, :2].norm(dim=-1) - played[:, :2].norm(dim=-1)).square()
        far = far + 0.5 * (played[:, 2:] - axes[:, 2:]).square().sum(-1)
    else:
        far = (played - axes).square().sum(-1)
    if said.playing is not None:
        far = far * said.playing
    for branch, logits in enumerate(said.logits):
        far = far - F.log_softmax(logits, -1).gather(-1, choices[:, branch : branch + 1]).squeeze(-1)
    return far
