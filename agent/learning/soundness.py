"""Whether what was learned may be served: every number finite, also what the network says of canned observations.

A part whose tensors are not finite has learned its last: its moments stay broken, whatever weights it is given.
"""

from __future__ import annotations

import copy
from typing import Final

import torch

from agent.learning.contract import Learner
from agent.learning.learner import PolicyLearner
from agent.models.dreamer import why_unfit
from agent.models.heads import Heads
from agent.models.policies import TrainablePolicy

SERVING: Final = frozenset({"ppo", "distill", "off_policy"})
SERVING_DREAMER: Final = frozenset({"world_model", "dream"})
SERVING_MOTOR: Final = frozenset({"cpqe"})
CANNED: Final = 8


def serving_parts(learner: PolicyLearner) -> list[str]:
    """The parts that change what is served."""
    serving = SERVING if learner.actor is not None else SERVING_DREAMER if learner.motor is None else SERVING_MOTOR
    return [part.name for part in learner.parts if part.name in serving]


@torch.no_grad()
def why_unsound(learner: PolicyLearner, part: Learner) -> str:
    """Why a part may learn no further, or "" where it may: a tensor of its own, or what is served, is not finite."""
    for name, tensor in part.tensors().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return f"after this rollout its tensor {name} has values that are not finite"
    if part.name not in serving_parts(learner):
        return ""
    if learner.motor is not None:
        return learner.motor.why_unsound()
    return why_unsound_dreamer(learner) if learner.actor is None else why_unsound_policy(learner.actor.policy)


def why_unsound_dreamer(learner: PolicyLearner) -> str:
    """Why a dreamer's weights may not be served, or ""; copies are tried on the CPU, wherever it learns."""
    assert learner.dream is not None
    model, actor = learner.dream.world.model, learner.dream.policy.actor
    return why_unfit(copy.deepcopy(model).cpu(), copy.deepcopy(actor).cpu())


@torch.no_grad()
def why_unsound_policy(policy: TrainablePolicy) -> str:
    """Why weights may not be served, or "": they are not finite, or say such numbers of canned observations."""
    for name, tensor in policy.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return f"tensor {name} of what is served has values that are not finite"
    obs = torch.randn(CANNED, 1, policy.features, generator=torch.Generator().manual_seed(0))
    obs[0] = 0.0
    obs[CANNED // 2 :] *= 10.0
    first = torch.ones(CANNED, 1, dtype=torch.bool)
    heads, carry = policy(obs, policy.initial(CANNED), first, torch.full((CANNED, 1), 0.1))
    for row in range(CANNED):
        if not all(bool(torch.isfinite(part[row]).all()) for part in (*_parts(heads), carry)):
            return f"canned observation {row} gives values that are not finite"
    return ""


def _parts(heads: Heads) -> tuple[torch.Tensor, ...]:
    return (heads.mean, heads.log_std, *heads.logits, heads.value)
