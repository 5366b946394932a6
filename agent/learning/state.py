"""Everything that a policy's learner holds, as tensors by name: what it goes on from after its process ended.

Names: `PART/…` is what the part's own `tensors()` gives, `ppo/memory…` the running games of PPO, `replay/…` the
world model's replay, `off_policy/kept.…` those of the learner for play. Replays are cut to their newest rows where they
are larger than allowed. Owns no file.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from agent.core.errors import WeightsError
from agent.learning.dreamer.replay import Replay
from agent.learning.dreamer.world_model import WorldModelLearner
from agent.learning.learner import PolicyLearner
from agent.learning.off_policy.learner import OffPolicyLearner
from agent.learning.ppo.learner import PPOLearner

MAX_BYTES: Final = 192 << 20
MAX_INSTANCES: Final = 256
RANDOM: Final = "random"
KEPT: Final = "kept."
"""Replays of the learner for play: how large they are is not known before."""


def fingerprint(learner: PolicyLearner) -> dict[str, str]:
    """Shape and type of every tensor that is the same size in every state of this learner, by name."""
    return {name: _spec(t) for name, t in _fixed(learner).items()}


def _spec(t: Tensor) -> str:
    return f"{str(t.dtype).removeprefix('torch.')} {list(t.shape)}"


def _current_name(name: str) -> str:
    """0.1.0 wrote a policy with masks as a part, `inner`, of another."""
    for kind in ("policy", "adam"):
        name = name.replace(f"ppo/{kind}.inner.", f"ppo/{kind}.")
    return name


def _fixed(learner: PolicyLearner) -> dict[str, Tensor]:
    """What has a size of its own; Adam's moments are there only once it has stepped, so they do not count.

    Nor does the scale of rewards, which 0.1.0 had none of for pictures.
    """
    found = {f"{part.name}/{name}": t for part in learner.parts for name, t in part.tensors().items()}
    return {
        name: t
        for name, t in found.items()
        if not name.startswith(("ppo/adam.", "off_policy/adam.", "cpqe/adam.", "ppo/learner.returns"))
    }


def _replay(learner: PolicyLearner) -> Replay | None:
    return next((part.replay for part in learner.parts if isinstance(part, WorldModelLearner)), None)


def state_tensors(learner: PolicyLearner, max_bytes: int = MAX_BYTES) -> dict[str, Tensor]:
    """All of it, at most about `max_bytes`; some are views."""
    found = {f"{part.name}/{name}": t for part in learner.parts for name, t in part.tensors().items()}
    for part in learner.parts:
        if isinstance(part, PPOLearner):
            found |= {f"ppo/memory.{name}": t for name, t in part.memories(MAX_INSTANCES).items()}
        if isinstance(part, OffPolicyLearner):
            found |= {f"{part.name}/{KEPT}{name}": t for name, t in part.kept(max_bytes).items()}
    found[RANDOM] = torch.get_rng_state()
    replay = _replay(learner)
    if replay is not None:
        used = sum(t.numel() * t.element_size() for t in found.values())
        arrays = replay.arrays(max(0, max_bytes - used), MAX_INSTANCES)
        found |= {f"replay/{name}": torch.from_numpy(array) for name, array in arrays.items()}
    return found


def load_state(learner: PolicyLearner, tensors: dict[str, Tensor]) -> None:
    """Take up what `state_tensors` gave; raises WeightsError, before anything is changed, where it does not fit."""
    tensors = {_current_name(name): tensor for name, tensor in tensors.items()}
    for name, spec in fingerprint(learner).items():
        if name not in tensors or _spec(tensors[name]) != spec:
            raise WeightsError(f"{name} is {_spec(tensors[name]) if name in tensors else 'missing'}, not {spec}")
    replay = _replay(learner)
    given = {n.removeprefix("replay/"): t.numpy() for n, t in tensors.items() if n.startswith("replay/")}
    if replay is not None:
        replay.check(given)
    kept = {n.removeprefix(f"off_policy/{KEPT}"): t for n, t in tensors.items() if n.startswith(f"off_policy/{KEPT}")}
    if learner.off_policy is not None:
        learner.off_policy.check_kept(kept)
    for part in learner.parts:
        prefix = f"{part.name}/"
        own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        own = {name: t for name, t in own.items() if not name.startswith(KEPT)}
        memories = {name: own.pop(name) for name in list(own) if name.startswith("memory.")}
        part.load_tensors(own)
        if isinstance(part, PPOLearner):
            part.load_memories({name.removeprefix("memory."): t for name, t in memories.items()})
    if replay is not None:
        replay.load(given)
    if learner.off_policy is not None:
        learner.off_policy.load_kept(kept)
    torch.set_rng_state(tensors[RANDOM])
