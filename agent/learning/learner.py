"""All that learns from one policy's rollouts, with the order and the budget of its parts, in one place.

On each rollout, in this order:

1. `ppo`: epochs × minibatches over the rollout itself;
2. `world_model`: a measurement on the rollout, then steps from replay;
3. `dream`: one step of actor and critic for each batch that the model has just learned from;
4. `distill`, where what is served is `ppo+dream`: the served policy is drawn towards the dreaming actor;
5. `active_inference`, for policies whose actions have a choice in them: outcomes of choices, and a habit.

Where `off-policy` is served, `off_policy` stands in for `ppo`, and there are no dreams: they would cost time and memory
that its replay needs. Nor are there any for a policy that plays by `ppo`, which follows none, unless
`dreams_beside_ppo` asks.

A policy of kind `motor` has one part alone, `cpqe`.

A policy of kind `dreamer` has no `ppo` and no `distill`: its actor reads the world model's state, which moves with the
model, so that ratios of its chances before and after say nothing; world model and dreams learn from its rollouts.

Each part is a `contract.Learner`. Who calls them catches their failures; one that fails keeps no other from its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from agent.core.choices import EDGES, WINDOW, ChoiceLayout, Preferences
from agent.core.errors import WeightsError
from agent.core.rollout import ActionSpec
from agent.learning.active_inference.learner import ActiveInferenceLearner
from agent.learning.configs import (
    DREAMER,
    FLAT,
    FRAME,
    MOTOR,
    PILOT,
    ActiveInferenceConfig,
    Budget,
    OffPolicyConfig,
    PolicySpec,
    WorldModelConfig,
    ppo_config,
    replay_rows,
    replays,
)
from agent.learning.contract import Learner
from agent.learning.cpqe.play import MotorLearner
from agent.learning.dreamer.distill import DreamDistiller
from agent.learning.dreamer.dream import DreamLearner
from agent.learning.dreamer.recorded import ON_CPU, Place
from agent.learning.dreamer.world_model import WorldModelLearner
from agent.learning.off_policy.critics import pilot_columns
from agent.learning.off_policy.learner import OffPolicyLearner
from agent.learning.ppo.learner import PPOLearner
from agent.learning.tensors import module_tensors, take_up
from agent.models.dreamer import world_sizes
from agent.models.policies import FlatPolicy, FramePolicy, PilotPolicy, TrainablePolicy
from agent.models.sizes import FlatSizes, OutcomeSizes

T = TypeVar("T")
FLAT_EDGES: Final = (-3.0, -1.0, 0.0, 1.0, 3.0)
CONTEXT_FEATURES: Final = 64
MIN_CHOICES: Final = 128


def _seeded(policy_spec: PolicySpec, build: Callable[[], T]) -> T:
    """What `build` makes with the outline's seed; torch's random state is left as it was."""
    before = torch.random.get_rng_state()
    torch.manual_seed(policy_spec.seed)
    built = build()
    torch.random.set_rng_state(before)
    return built


def build_policy(policy_spec: PolicySpec) -> TrainablePolicy:
    """The network; the same for the same seed."""
    if policy_spec.kind == PILOT:
        assert policy_spec.sizes is not None
        sizes = policy_spec.sizes
        return _seeded(policy_spec, lambda: PilotPolicy(sizes))
    if policy_spec.kind == FRAME:
        assert policy_spec.frame is not None
        frame = policy_spec.frame
        return _seeded(policy_spec, lambda: FramePolicy(frame))
    flat = policy_spec.flat or FlatSizes(policy_spec.features, policy_spec.continuous, policy_spec.branches)
    return _seeded(policy_spec, lambda: FlatPolicy(flat))


def shape_of(policy_spec: PolicySpec) -> tuple[int, ActionSpec]:
    """Features observed, and what an action is."""
    if policy_spec.kind == DREAMER:
        return policy_spec.features, ActionSpec(policy_spec.continuous, policy_spec.branches)
    policy = build_policy(policy_spec)
    return policy.features, policy.spec


def has_dreams(policy_spec: PolicySpec, budget: Budget) -> bool:
    """True where a world model learns at all; none reads whole pictures, and a policy that plays by PPO needs none."""
    if policy_spec.kind == DREAMER:
        return True
    wanted = not policy_spec.plays or budget.served != "ppo" or budget.dreams_beside_ppo
    return budget.use_world and wanted and policy_spec.kind not in (FRAME, MOTOR)


def build_off_policy(policy_spec: PolicySpec, config: OffPolicyConfig) -> OffPolicyLearner:
    """The learner for play; the same for the same seed."""
    policy, sizes = build_policy(policy_spec), policy_spec.sizes
    columns = pilot_columns(sizes) if policy_spec.kind == PILOT and sizes is not None else []
    cards = (sizes.cards, sizes.card_features) if policy_spec.kind == PILOT and sizes is not None else None
    return _seeded(policy_spec, lambda: OffPolicyLearner(policy, config, columns=columns, cards=cards))


def build_motor(policy_spec: PolicySpec, budget: Budget) -> MotorLearner:
    """The learner of a motor that plays; the same for the same seed. Raises WeightsError where its widths are unknown.

    Its flow and value are random: no file of a motor has them.
    """
    sizes = policy_spec.motor
    if sizes is None:
        raise WeightsError(f"policy {policy_spec.name}: the widths of its motor are not known")
    return _seeded(policy_spec, lambda: MotorLearner(sizes, budget.motor, seed=policy_spec.seed))


def build_dreams(
    policy_spec: PolicySpec, budget: Budget, place: Place = ON_CPU
) -> tuple[WorldModelLearner, DreamLearner | None]:
    """World model, and dreams where they are wanted; the same for the same seed."""
    features, spec = shape_of(policy_spec)
    served = policy_spec.kind == DREAMER
    config = WorldModelConfig(
        batch=budget.world_batch, length=budget.world_length, lr=budget.world_lr, warm_up=100, seed=policy_spec.seed,
        steps_per_update=budget.dreamer_steps if served else budget.world_steps,
        capacity=replay_rows(features, spec.width),
    )  # fmt: skip

    def build() -> tuple[WorldModelLearner, DreamLearner | None]:
        world = WorldModelLearner(world_sizes(features, spec), spec, config, place)
        return world, DreamLearner(world, budget.dream) if budget.use_dreams or served else None

    return _seeded(policy_spec, build)


class PolicyLearner:
    """The parts of one policy; `place`: where dreams learn.

    `actor` holds the network that is served: `ppo` or `off_policy`, None where `motor` or the dreaming actor is served.
    """

    def __init__(self, policy_spec: PolicySpec, budget: Budget, place: Place = ON_CPU) -> None:
        self.policy_spec = policy_spec
        self.ppo: PPOLearner | None = None
        self.off_policy: OffPolicyLearner | None = None
        self.dream: DreamLearner | None = None
        self.motor: MotorLearner | None = None
        self.parts: list[Learner] = []
        if policy_spec.kind == MOTOR:
            self.motor = build_motor(policy_spec, budget)
            self.features, self.spec = self.motor.features, self.motor.spec
            self.parts.append(self.motor)
        elif policy_spec.kind == DREAMER:
            self.features, self.spec = shape_of(policy_spec)
        elif replays(policy_spec.kind, budget):
            self.off_policy = build_off_policy(policy_spec, budget.off_policy)
            self.features, self.spec = self.off_policy.policy.features, self.off_policy.policy.spec
            self.parts.append(self.off_policy)
        else:
            policy = build_policy(policy_spec)
            self.features, self.spec = policy.features, policy.spec
            config = ppo_config(policy_spec.kind, policy_spec.frame, budget)
            scaled = policy_spec.kind in (FLAT, FRAME)
            self.ppo = PPOLearner(policy, config, seed=policy_spec.seed, scale_rewards=scaled)
            self.parts.append(self.ppo)
        self.actor: PPOLearner | OffPolicyLearner | None = self.ppo or self.off_policy
        if self.off_policy is None and has_dreams(policy_spec, budget):
            world, self.dream = build_dreams(policy_spec, budget, place)
            self.parts += [world] if self.dream is None else [world, self.dream]
        if self.ppo is not None and self.dream is not None and budget.served == "ppo+dream":
            self.parts.append(DreamDistiller(self.ppo, self.dream, coefficient=budget.distill_coef))
        self.chooser: ActiveInferenceLearner | None = None
        chooses = policy_spec.kind not in (FRAME, MOTOR)
        if budget.use_active_inference and chooses and max(self.spec.branches, default=0) > 1:
            self.chooser = self._chooser(budget.preferences)
            self.parts.append(self.chooser)

    def _chooser(self, preferences: Preferences) -> ActiveInferenceLearner:
        """A pilot's choice is its card; another policy's is the widest branch of its actions."""
        branches = self.spec.branches
        sizes = self.policy_spec.sizes
        if sizes is not None:
            start = self.features - sizes.cards * sizes.card_features
            layout = ChoiceLayout(
                len(branches) - 1, sizes.cards, start, sizes.card_features, (0, sizes.encoder.self_features), WINDOW,
                EDGES,
            )  # fmt: skip
        else:
            branch = max(range(len(branches)), key=lambda b: branches[b])
            layout = ChoiceLayout(
                branch, branches[branch], context=(0, min(self.features, CONTEXT_FEATURES)), edges=FLAT_EDGES
            )
        low, high = layout.context
        outcomes = OutcomeSizes(layout.option_width, len(layout.edges) + 1, high - low)
        config = ActiveInferenceConfig(
            preferences, lr=1e-3, batch=64, max_length=64, episodes=1000, weight_decay=0.05, hold_out=5,
            min_choices=MIN_CHOICES if sizes is not None else 0, seed=self.policy_spec.seed,
        )  # fmt: skip
        return ActiveInferenceLearner(outcomes, config, layout, branches)

    def weights(self) -> dict[str, NDArray[Any]]:
        """What is served: the weights by the names of the network."""
        if self.motor is not None:
            return self.motor.weights()
        if self.actor is None:
            return {name: t.detach().cpu().numpy().copy() for name, t in self._dreamer().items()}
        prefix = "pilot." if self.policy_spec.kind == PILOT else ""
        return {name.removeprefix(prefix): t for name, t in self.actor.weights().items()}

    def _dreamer(self) -> dict[str, torch.Tensor]:
        """World model, actor and critics, by the names of `models.dreamer.Dreamer`; views."""
        assert self.dream is not None
        return module_tensors(self.dream.world.model, "model.") | module_tensors(self.dream.policy, "policy.")

    def _forget_moments(self) -> None:
        """The optimisers' moments belong to weights that are gone."""
        assert self.dream is not None
        self.dream.optimiser.reset()
        self.dream.world.optimiser.reset()

    def take_weights(self, tensors: dict[str, NDArray[Any]], *, keep_moments: bool = False) -> None:
        """Go on from these weights; raises WeightsError where they do not fit.

        The optimisers' moments stay where the weights are the same, or `keep_moments` says that they are near enough.
        """
        if self.motor is not None:
            self.motor.take_weights(tensors, keep_moments=keep_moments)
            return
        if self.actor is None:
            own, given = self._dreamer(), {name: torch.from_numpy(np.array(t)) for name, t in tensors.items()}
            same = own.keys() == given.keys() and all(torch.equal(t.cpu(), given[name]) for name, t in own.items())
            take_up(own, given)
            if not same and not keep_moments:
                self._forget_moments()
            return
        prefix = "pilot." if self.policy_spec.kind == PILOT else ""
        served = self.actor.weights()
        named = {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
        for name in sorted(served.keys() | named.keys()):
            if name not in served or name not in named or served[name].shape != named[name].shape:
                raise WeightsError(f"policy {self.policy_spec.name}: tensor {name} does not fit its learner")
        self.actor.take_weights(named, keep_moments=keep_moments)
