"""Updates in plain PyTorch, of the sizes of ours: `nn` layers, `torch.distributions`, `torch.optim`, and loops.

Each is what a reader of the papers would write first, and is timed beside ours. What it learns is not used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Independent, Normal, OneHotCategoricalStraightThrough
from torch.distributions.kl import kl_divergence
from torch.nn import functional as F

from agent.learning.configs import DreamConfig, OffPolicyConfig, PPOConfig
from agent.learning.dreamer.world_model import ReplaySequences
from agent.learning.off_policy.replay import Windows
from agent.learning.ppo.update import RolloutSequences
from agent.models.sizes import PilotSizes, WorldSizes

BRANCHES = (2, 2, 2, 3)
AXES = 4


def _mlp(inputs: int, units: int, layers: int, outputs: int | None = None) -> nn.Sequential:
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(inputs, units), nn.RMSNorm(units), nn.SiLU()]
        inputs = units
    return nn.Sequential(*parts, *([] if outputs is None else [nn.Linear(inputs, outputs)]))


class World(nn.Module):
    """A recurrent state-space model with its heads."""

    def __init__(self, s: WorldSizes) -> None:
        super().__init__()
        self.s = s
        flat = s.stoch * s.classes
        self.encoder = _mlp(s.obs, s.units, s.layers)
        self.in_deter, self.in_stoch = _mlp(s.deter, s.hidden, 1), _mlp(flat, s.hidden, 1)
        self.in_action = _mlp(s.action, s.hidden, 1)
        self.hid = nn.Sequential(nn.Linear(3 * s.hidden + s.deter, s.deter), nn.RMSNorm(s.deter), nn.SiLU())
        self.gru = nn.Linear(s.deter, 3 * s.deter)
        self.post = _mlp(s.units + s.deter, s.hidden, 1, flat)
        self.prior = _mlp(s.deter, s.hidden, 2, flat)
        self.decoder = _mlp(s.features, s.units, s.layers, s.obs)
        self.reward, self.proceed = _mlp(s.features, s.units, 1, s.bins), _mlp(s.features, s.units, 1, 1)
        self.allowed = _mlp(s.features, s.units, 1, s.masks)
        half = torch.expm1(torch.linspace(0.0, 20.0, s.bins // 2 + 1))
        self.register_buffer("bins", torch.cat([-half.flip(0)[:-1], half]))

    def distribution(self, logits: Tensor) -> Independent:
        """One-hot latents with 1 % of the uniform distribution."""
        probs = torch.softmax(logits.view(*logits.shape[:-1], self.s.stoch, self.s.classes), -1)
        return Independent(OneHotCategoricalStraightThrough(probs=0.99 * probs + 0.01 / self.s.classes), 1)

    def step(self, deter: Tensor, stoch: Tensor, action: Tensor) -> Tensor:
        """The next deterministic state."""
        x = torch.cat([self.in_deter(deter), self.in_stoch(stoch), self.in_action(action), deter], -1)
        reset, candidate, update = self.gru(self.hid(x)).chunk(3, -1)
        update = torch.sigmoid(update - 1.0)
        return update * torch.tanh(torch.sigmoid(reset) * candidate) + (1.0 - update) * deter

    def two_hot(self, logits: Tensor, x: Tensor) -> Tensor:
        """Cross-entropy with the two bins beside each number."""
        bins: Tensor = self.bins  # type: ignore[assignment]
        above = torch.searchsorted(bins, x.contiguous()).clamp(1, len(bins) - 1)
        share = (x - bins[above - 1]) / (bins[above] - bins[above - 1])
        target = F.one_hot(above, len(bins)) * share[..., None] + F.one_hot(above - 1, len(bins)) * (
            1 - share[..., None]
        )
        return -(target * torch.log_softmax(logits, -1)).sum(-1)

    def mean(self, logits: Tensor) -> Tensor:
        """The expected number."""
        bins: Tensor = self.bins  # type: ignore[assignment]
        return (torch.softmax(logits, -1) * bins).sum(-1)


class PlainDreamer:
    """World model, actor and critic, each with its optimiser."""

    def __init__(self, s: WorldSizes, config: DreamConfig, lr: float) -> None:
        self.world, self.config = World(s), config
        self.actor = _mlp(s.features, config.units, config.layers, 2 * AXES + sum(BRANCHES))
        self.critic = _mlp(s.features, config.units, config.layers, s.bins)
        self.slow = _mlp(s.features, config.units, config.layers, s.bins)
        self._model = torch.optim.Adam(self.world.parameters(), lr)
        self._acting = torch.optim.Adam([*self.actor.parameters(), *self.critic.parameters()], config.lr)

    def model_step(self, data: ReplaySequences) -> tuple[Tensor, Tensor]:
        """One step of the world model on a batch of replay; the states that it inferred."""
        w, keep = self.world, (~data.is_first).float()[..., None]
        embed, (deter, stoch) = w.encoder(data.obs), data.before
        stoch = stoch.flatten(1)
        deters, stochs, kls = [], [], []
        for t in range(data.obs.shape[1]):
            deter, stoch = deter * keep[:, t], stoch * keep[:, t]
            deter = w.step(deter, stoch, data.actions[:, t] * keep[:, t])
            post, prior = w.distribution(w.post(torch.cat([embed[:, t], deter], -1))), w.distribution(w.prior(deter))
            stoch = post.rsample().flatten(1)
            fixed_post = w.distribution(post.base_dist.logits.detach().flatten(1))
            fixed_prior = w.distribution(prior.base_dist.logits.detach().flatten(1))
            kls.append(
                kl_divergence(fixed_post, prior).clamp_min(1.0) + 0.1 * kl_divergence(post, fixed_prior).clamp_min(1.0)
            )
            deters.append(deter)
            stochs.append(stoch)
        seen = torch.cat([torch.stack(deters, 1), torch.stack(stochs, 1)], -1)
        loss = (w.decoder(seen) - data.obs).square().sum(-1).mean() + torch.stack(kls, 1).mean()
        loss = loss + (w.two_hot(w.reward(seen), data.rewards) * keep[..., 0]).mean()
        loss = loss + F.binary_cross_entropy_with_logits(w.proceed(seen)[..., 0], (~data.is_terminal).float())
        loss = loss + F.binary_cross_entropy_with_logits(w.allowed(seen), data.masks.float())
        self._model.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(w.parameters(), 100.0)
        self._model.step()
        return torch.stack(deters, 1).detach(), torch.stack(stochs, 1).detach()

    def _policy(self, seen: Tensor) -> tuple[Normal, list[Categorical]]:
        mean, std, *logits = torch.split(self.actor(seen), [AXES, AXES, *BRANCHES], -1)
        return Normal(mean, 0.1 + 0.9 * torch.sigmoid(std + 2.0)), [Categorical(logits=x) for x in logits]

    def dream_step(self, deters: Tensor, stochs: Tensor, starts: int) -> None:
        """One step of actor and critic from `starts` of these states."""
        w, c = self.world, self.config
        chosen = torch.randperm(deters.shape[0] * deters.shape[1])[:starts]
        deter, stoch = deters.flatten(0, 1)[chosen], stochs.flatten(0, 1)[chosen]
        seen, us, picks = [torch.cat([deter, stoch], -1)], [], []
        with torch.no_grad():
            for _ in range(c.horizon):
                axes, branches = self._policy(seen[-1])
                u, pick = axes.sample(), [b.sample() for b in branches]
                hot = [F.one_hot(p, n).float() for p, n in zip(pick, BRANCHES, strict=True)]
                deter = w.step(deter, stoch, torch.cat([torch.tanh(u), *hot], -1))
                stoch = w.distribution(w.prior(deter)).sample().flatten(1)
                w.allowed(seen[-1])
                seen.append(torch.cat([deter, stoch], -1))
                us.append(u)
                picks.append(torch.stack(pick, -1))
            states = torch.stack(seen, 1)
            rewards, live = w.mean(w.reward(states)), c.gamma * torch.sigmoid(w.proceed(states)[..., 0])
            values, slow = w.mean(self.critic(states)), w.mean(self.slow(states))
            running, returns = values[:, -1], []
            for t in reversed(range(c.horizon)):
                running = rewards[:, t + 1] + live[:, t + 1] * ((1 - c.lam) * values[:, t + 1] + c.lam * running)
                returns.append(running)
            wanted = torch.stack(returns[::-1], 1)
            weight = torch.cumprod(live[:, :-1], 1) / c.gamma
            spread = (torch.quantile(wanted, 0.95) - torch.quantile(wanted, 0.05)).clamp_min(1.0)
        axes, branches = self._policy(states[:, :-1])
        taken, picked = torch.stack(us, 1), torch.stack(picks, 1)
        score = (axes.log_prob(taken) - 2.0 * (0.6931 - taken - F.softplus(-2.0 * taken))).sum(-1)
        entropy = axes.entropy().sum(-1)
        for k, b in enumerate(branches):
            score, entropy = score + b.log_prob(picked[..., k]), entropy + b.entropy()
        loss = -(weight * (score * (wanted - values[:, :-1]) / spread + c.entropy * entropy)).mean()
        logits = self.critic(states[:, :-1])
        loss = loss + (weight * (w.two_hot(logits, wanted) + w.two_hot(logits, slow[:, :-1]))).mean()
        real = torch.cat([deters, stochs], -1)
        loss = loss + 0.3 * w.two_hot(self.critic(real[:, :-1]), w.mean(self.slow(real[:, 1:])).detach()).mean()
        self._acting.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_([*self.actor.parameters(), *self.critic.parameters()], 100.0)
        self._acting.step()
        with torch.no_grad():
            for late, fast in zip(self.slow.parameters(), self.critic.parameters(), strict=True):
                late.lerp_(fast, 0.02)


class Pilot(nn.Module):
    """A recurrent actor-critic of the pilot's sizes, on rows written flat."""

    def __init__(self, s: PilotSizes) -> None:
        super().__init__()
        e = s.encoder
        self.s = s
        self.widths = [e.self_features, e.tokens * e.token_features, e.tokens, e.rings, s.cards * s.card_features]
        hidden = e.hidden
        self.flat = nn.Sequential(nn.Linear(e.self_features + e.rings, hidden), nn.LayerNorm(hidden), nn.SiLU())
        self.token = nn.Sequential(
            nn.Linear(e.token_features, e.token_hidden), nn.SiLU(), nn.Linear(e.token_hidden, e.token_hidden)
        )
        joined = hidden + 2 * e.token_hidden + e.picture
        self.join = nn.Sequential(nn.Linear(joined, hidden), nn.LayerNorm(hidden), nn.SiLU())
        self.backbone = nn.Linear(hidden + s.units, s.backbone)
        self.one, self.two = nn.Linear(s.backbone, s.units), nn.Linear(s.backbone, s.units)
        self.time_a, self.time_b = nn.Linear(s.backbone, s.units), nn.Linear(s.backbone, s.units)
        self.trunk = nn.Sequential(nn.Linear(hidden + s.units, hidden), nn.LayerNorm(hidden), nn.SiLU())
        self.axes, self.buttons, self.value = nn.Linear(hidden, AXES), nn.Linear(hidden, 3), nn.Linear(hidden, 1)
        self.card = nn.Sequential(nn.Linear(hidden + s.card_features, 64), nn.SiLU(), nn.Linear(64, 1))
        self.log_std = nn.Parameter(torch.full((AXES,), -0.5))

    def forward(
        self, obs: Tensor, hidden: Tensor, is_first: Tensor, elapsed_s: Tensor
    ) -> tuple[Normal, Bernoulli, Categorical, Tensor]:
        """Distributions and values of every step of sequences [S, L, D]."""
        e = self.s.encoder
        self_, tokens, mask, rings, cards = torch.split(obs, self.widths, -1)
        tokens = self.token(tokens.unflatten(-1, (e.tokens, e.token_features)))
        there = mask[..., None]
        highest = tokens.masked_fill(there == 0, -20.0).amax(-2)
        mean = (tokens * there).sum(-2) / there.sum(-2).clamp_min(1.0)
        nothing = torch.zeros(*obs.shape[:2], e.picture)
        seen = self.join(torch.cat([self.flat(torch.cat([self_, rings], -1)), highest, mean, nothing], -1))
        memories = []
        for t in range(obs.shape[1]):
            hidden = hidden * (~is_first[:, t, None]).float()
            x = 1.7159 * torch.tanh(0.666 * self.backbone(torch.cat([seen[:, t], hidden], -1)))
            share = torch.sigmoid(self.time_a(x) * elapsed_s[:, t, None] * 60.0 + self.time_b(x))
            hidden = torch.tanh(self.one(x)) * (1.0 - share) + share * torch.tanh(self.two(x))
            memories.append(hidden)
        trunk = self.trunk(torch.cat([seen, torch.stack(memories, 1)], -1))
        offered = cards.unflatten(-1, (self.s.cards, self.s.card_features))
        context = trunk[..., None, :].expand(*trunk.shape[:2], self.s.cards, trunk.shape[-1])
        picks = Categorical(logits=self.card(torch.cat([context, offered], -1))[..., 0])
        axes = Normal(self.axes(trunk), self.log_std.exp())
        return axes, Bernoulli(logits=self.buttons(trunk)), picks, self.value(trunk)[..., 0]


def log_prob(said: tuple[Normal, Bernoulli, Categorical, Tensor], axes: Tensor, choices: Tensor) -> Tensor:
    """Of squashed axes, three buttons and a card."""
    u = torch.atanh(axes.clamp(-0.999999, 0.999999))
    each = said[0].log_prob(u) - 2.0 * (0.6931 - u - F.softplus(-2.0 * u))
    total: Tensor = each.sum(-1) + said[1].log_prob(choices[..., :3].float()).sum(-1)
    return total + said[2].log_prob(choices[..., 3])


class PlainPPO:
    """Epochs of minibatches over one rollout's sequences."""

    def __init__(self, sizes: PilotSizes, config: PPOConfig) -> None:
        self.policy, self.config = Pilot(sizes), config
        self._optimiser = torch.optim.Adam(self.policy.parameters(), config.lr)

    def update(self, data: RolloutSequences) -> None:
        """All epochs."""
        c = self.config
        for _ in range(c.epochs):
            for index in torch.randperm(len(data.obs)).chunk(min(c.minibatches, len(data.obs))):
                self._minibatch(data.rows(index))

    def _minibatch(self, part: RolloutSequences) -> None:
        c = self.config
        said = self.policy(part.obs, part.carry, part.is_first, part.elapsed_s)
        ratio = (log_prob(said, part.axes, part.choices) - part.log_probs).clamp(-20.0, 20.0).exp()
        advantage = (part.advantages - part.advantages.mean()) / (part.advantages.std() + 1e-8)
        clipped = ratio.clamp(1.0 - c.clip, 1.0 + c.clip)
        loss = torch.maximum(-advantage * ratio, -advantage * clipped).mean()
        loss = loss + c.value_weight * 0.5 * (said[3] - part.returns).square().mean()
        entropy = said[0].entropy().sum(-1) + said[1].entropy().sum(-1) + said[2].entropy()
        loss = loss - c.entropy_weight * entropy.mean()
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.policy.parameters(), c.max_grad)
        self._optimiser.step()


class PlainOffPolicy:
    """An ensemble of critics and an actor that imitates what gained, over windows of play."""

    def __init__(self, sizes: PilotSizes, config: OffPolicyConfig, columns: Tensor) -> None:
        self.config, self.columns = config, columns
        self.policy, self.old = Pilot(sizes), Pilot(sizes)
        inputs = len(columns) + AXES + sum(BRANCHES) + sizes.card_features
        self.critics = nn.ModuleList(self._critic(inputs) for _ in range(config.members))
        self.targets = nn.ModuleList(self._critic(inputs) for _ in range(config.members))
        self._card_features, self._cards = sizes.card_features, sizes.cards
        self._acting = torch.optim.Adam(self.policy.parameters(), config.lr)
        self._judging = torch.optim.Adam(self.critics.parameters(), config.critic_lr)

    def _critic(self, inputs: int) -> nn.Sequential:
        h = self.config.hidden
        return nn.Sequential(
            nn.Linear(inputs, h), nn.LayerNorm(h), nn.SiLU(), nn.Linear(h, h), nn.LayerNorm(h), nn.SiLU(),
            nn.Linear(h, 1),
        )  # fmt: skip

    def _inputs(self, obs: Tensor, axes: Tensor, choices: Tensor) -> Tensor:
        hot = [F.one_hot(choices[..., b], n).float() for b, n in enumerate(BRANCHES)]
        cards = obs[..., -self._cards * self._card_features :].unflatten(-1, (self._cards, self._card_features))
        index = choices[..., 3, None, None].expand(*choices.shape[:-1], 1, self._card_features)
        return torch.cat([obs[..., self.columns], axes, *hot, cards.gather(-2, index)[..., 0, :]], -1)

    def step(self, batch: Windows) -> None:
        """One update of the critics and of the actor."""
        c, length = self.config, self.config.length
        some = torch.randperm(c.members)[:2].tolist()
        with torch.no_grad():
            said = self.old(batch.obs, batch.carry, batch.is_first, batch.elapsed_s)
            u, buttons, cards = (said[k].sample((c.candidates,)) for k in range(3))  # type: ignore[union-attr]
            drawn = torch.cat([buttons.long(), cards[..., None]], -1)
            obs = batch.obs.expand(c.candidates, *batch.obs.shape)
            inputs = self._inputs(obs, torch.tanh(u), drawn)
            values = torch.stack([self.targets[e](inputs)[..., 0] for e in some]).mean(0).mean(0)
            running, returns = values[:, -1], []
            for t in reversed(range(length)):
                running = (1.0 - c.lam) * values[:, t + 1] + c.lam * running
                running = batch.rewards[:, t] + c.gamma * running * (~batch.terminated[:, t])
                returns.append(running)
            wanted = torch.stack(returns[::-1], 1)
            done = self._inputs(batch.obs[:, :-1], batch.axes, batch.choices)
            gain = torch.stack([self.targets[e](done)[..., 0] for e in some]).mean(0) - values[:, :-1]
        loss: Any = sum((critic(done)[..., 0] - wanted).square().mean() for critic in self.critics)
        self._judging.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.critics.parameters(), c.max_grad)
        self._judging.step()
        with torch.no_grad():
            for late, fast in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                late.lerp_(fast, c.target_rate)
        weight = (gain / (c.temperature * gain.std() + 1e-8)).clamp(-3.0, 3.0).exp()
        part = batch.obs[:, :-1], batch.carry, batch.is_first[:, :-1], batch.elapsed_s[:, :-1]
        now = self.policy(*part)
        trust = kl_divergence(Normal(said[0].mean[:, :-1], said[0].stddev[:, :-1]), now[0]).sum(-1).mean()
        trust = trust + kl_divergence(Bernoulli(logits=said[1].logits[:, :-1]), now[1]).sum(-1).mean()
        loss = -(c.policy_weight * weight * log_prob(now, batch.axes, batch.choices)).mean() + c.trust_weight * trust
        self._acting.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.policy.parameters(), c.max_grad)
        self._acting.step()
