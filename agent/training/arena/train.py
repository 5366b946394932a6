"""Training of a pilot in the arena: lessons by imitation first, then PPO; one `advance` is one stretch of play.

Owns the runs and the learner. All state goes through `tensors()`, the worlds included, so that a resumed training goes
on as if it had not been interrupted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import product
from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.control import encode
from agent.control.motor import KIND
from agent.control.policy import Tensors
from agent.control.reward import SCORE, Weights
from agent.control.untrained import default_sizes, pilot_of
from agent.core.errors import WeightsError
from agent.games.arena.catalog import load_catalog
from agent.games.arena.rules_hash import rules_hash
from agent.learning.configs import PPOConfig, describe_ppo
from agent.learning.ppo.update import PPO
from agent.models.policies import PilotPolicy
from agent.models.sizes import PilotSizes
from agent.training.arena.batch import ArenaBatch, Cast, EndedRun
from agent.training.arena.lessons import Lessons, Teaches
from agent.training.arena.loop_starts import LoopStarts
from agent.training.arena.stretch import Player

RUNS: Final = 96
STRETCH: Final = 64
LENGTH: Final = 32
FIRST_SEED: Final = 10_000_000
LESSON_LR: Final = 1e-3
SCRIPT_LEAVES: Final = 0.35
"""The share of the lessons after which the pilot alone plays; the script goes on saying what it would have done."""
BEGUN_SHARE: Final = 0.3
"""How often the script plays itself at first where the pilot begins with weights; else always."""
START_LOG_STD: Final = -1.2
FORGETS: Final = 0.05
"""Of the time lost in loops, for each stretch."""
LOOPS: Final = "loops."
_RECENT: Final = 100
PPO_CONFIG: Final = PPOConfig(
    lr=1e-4, lam=0.95, epochs=2, minibatches=4, length=LENGTH, clip=0.15, clip_value=False,
    value_weight=0.25, entropy_weight=5e-4, max_grad=0.5, target_kl=0.02,
)  # fmt: skip


def all_casts() -> list[Cast]:
    """Every tier with every character."""
    catalog = load_catalog()
    return [Cast(*pair) for pair in product(range(len(catalog.rules.tiers)), range(len(catalog.characters)))]


class ArenaTraining:
    """A pilot, its runs and its learner; `steps` counts decisions, of which the first `lesson_steps` are lessons.

    weights: the table of rewards, whose discount is the learner's. begin: tensors of a pilot to begin with, in place
    of random ones. loop_starts: the share of the runs that start from states before loops; see `loop_starts`.
    policy, batch, teacher: in place of the usual network, runs and script. cards: see `Lessons`.
    Runs of training are of every tier and character in turn. They have seeds from `FIRST_SEED` on, far from those of
    evaluations.
    """

    game = "arena"

    def __init__(
        self,
        *,
        seed: int,
        total_steps: int,
        lesson_steps: int,
        runs: int = RUNS,
        weights: Weights = SCORE,
        begin: Tensors | None = None,
        loop_starts: float = 0.0,
        policy: Callable[[PilotSizes], PilotPolicy] = PilotPolicy,
        batch: ArenaBatch | None = None,
        teacher: Teaches | None = None,
        cards: float = 1.0,
    ) -> None:
        begun = pilot_of(begin) if begin is not None else None
        torch.manual_seed(seed)
        self.policy = policy(default_sizes())
        torch.nn.init.constant_(self.policy.pilot.axes_log_std, START_LOG_STD)
        self._first_share = 1.0 if begun is None else BEGUN_SHARE
        if begun is not None:
            self.policy.pilot.load_state_dict(begun.state_dict())
        self.starts = LoopStarts(runs, share=loop_starts, seed=seed) if loop_starts else None
        self.batch = batch or ArenaBatch(
            runs, FIRST_SEED * (1 + seed), ticks=self.policy.pilot.sizes.decision_ticks, casts=all_casts(),
            weights=weights, starts=self.starts,
        )  # fmt: skip
        runs = self.batch.count
        config = msgspec.structs.replace(PPO_CONFIG, gamma=weights.gamma)
        self.player = Player(self.batch, self.policy, length=LENGTH, gamma=config.gamma, lam=config.lam)
        self.lessons = Lessons(self.player, self.policy, lr=LESSON_LR, seed=seed, teacher=teacher, cards=cards)
        stretches = max(1, (total_steps - lesson_steps) // (runs * STRETCH))
        config = msgspec.structs.replace(config, anneal_updates=stretches)
        self.ppo = PPO(self.policy, config, seed=seed)
        self.about = [
            f"rewards are of the table {self.batch.weights.name}",
            f"the pilot observes {self.policy.features} numbers of the state: the player, what lies around, cards",
            f"{lesson_steps:,} steps of lessons with lr {LESSON_LR:g}, then {describe_ppo(config)}",
        ]
        self.steps = self.episodes = 0
        self.lesson_steps = lesson_steps
        self.recent: deque[EndedRun] = deque(maxlen=_RECENT)
        self.returns: deque[float] = deque(maxlen=_RECENT)

    def advance(self) -> dict[str, float]:
        """Play one stretch and learn from it; figures by name."""
        in_lessons = self.steps < self.lesson_steps
        if in_lessons:
            done = self.steps / self.lesson_steps
            self.lessons.share = self._first_share * max(0.0, 1.0 - done / SCRIPT_LEAVES)
            self.lessons.optimiser.lr = LESSON_LR * (1.0 - 0.9 * done)
            stretch, metrics = self.lessons.lesson(STRETCH)
        else:
            stretch = self.player.stretch(STRETCH)
            metrics = self.ppo.update(stretch.sequences)
        self.steps += self.batch.count * STRETCH
        self.episodes += len(stretch.ended)
        whole = [run for run in stretch.ended if run.whole]
        self.recent.extend(whole)
        self.returns.extend(run.episode_return for run in whole)
        metrics |= {"reward": stretch.reward, "lesson": float(in_lessons), "episodes": float(self.episodes)}
        if self.recent:
            metrics["score_s"] = float(np.mean([r.score_s for r in self.recent]))
            metrics["wins"] = float(np.mean([r.won for r in self.recent]))
        if self.returns:
            metrics["episode_return"] = float(np.mean(self.returns))
        if self.starts is not None:
            metrics |= self.starts.figures(forget=FORGETS)
        return metrics

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs."""
        batch, loops = self.batch.tensors(), self.starts.tensors() if self.starts is not None else {}
        return {
            **self.ppo.tensors(), **self.lessons.tensors(),
            **{f"batch.{name}": torch.from_numpy(array.copy()) for name, array in batch.items()},
            "player.carry": self.player.actor.carry, "random": torch.get_rng_state(),
            "counters": torch.tensor([self.steps, self.episodes]),
            "recent": torch.tensor([[r.score_s, r.won, r.kills, r.level, r.decisions] for r in self.recent]),
            "returns": torch.tensor(list(self.returns), dtype=torch.float64),
            **{f"{LOOPS}{name}": torch.from_numpy(array.copy()) for name, array in loops.items()},
        }  # fmt: skip

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError where it is of another training."""
        self.ppo.load_tensors(tensors)
        try:
            self.lessons.load_tensors(tensors)
            self.batch.load_tensors(
                {n.removeprefix("batch."): t.numpy() for n, t in tensors.items() if n.startswith("batch.")}
            )
            if self.starts is not None:
                self.starts.load_tensors(
                    {n.removeprefix(LOOPS): t.numpy() for n, t in tensors.items() if n.startswith(LOOPS)}
                )
            self.player.actor.carry = tensors["player.carry"]
            torch.set_rng_state(tensors["random"])
            self.steps, self.episodes = tensors["counters"].tolist()
            rows = tensors["recent"].reshape(-1, 5).tolist()
        except (KeyError, ValueError) as error:
            raise WeightsError(f"not a checkpoint of a training with {self.batch.count} runs: {error}") from error
        self.recent.extend(EndedRun(a, bool(b), int(c), int(d), int(e)) for a, b, c, d, e in rows)
        self.returns.extend(tensors["returns"].tolist() if "returns" in tensors else [])

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights that are served."""
        return {
            "tensors": {name: t.numpy() for name, t in self.policy.pilot.state_dict().items()},
            "kind": KIND,
            "layout": encode.describe(),
            "sizes": msgspec.to_builtins(self.policy.pilot.sizes),
            "notes": {
                "rules": rules_hash(),
                "steps": self.steps,
                "lesson_steps": self.lesson_steps,
                "reward": self.batch.weights.name,
            },
        }
