"""Training of the dreaming policy: the very policy that plays, on some hosted games in lock-step in this process.

Each game is seen as its link shows it (state, and where there is no scene the picture); rollouts come from the policy's
own recorder and go through the same learners as in play. Owns the games and the learner.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import structlog
import torch
from torch import Tensor

from agent.control.arbiter import Arbiter
from agent.control.dreamer import (
    FEATURES,
    KIND,
    PICTURE_PX,
    ROLLOUT_STEPS,
    SPEC,
    DreamPilot,
    describe,
    untrained_tensors,
)
from agent.control.reward import SCORE, RewardTable, Weights
from agent.control.score import EpisodeResult, EpisodeTracker
from agent.control.untrained import default_sizes
from agent.core.clock import SystemClock
from agent.core.errors import WeightsError
from agent.core.rollout import Rollout
from agent.core.types import Action, Frame, Observation
from agent.games.contract import HostedGame
from agent.games.hosting import build_game, game_notes
from agent.games.options import HostOptions, is_gymnasium
from agent.learner.placement import place_for
from agent.learning.configs import DREAMER, Budget, PolicySpec, describe_dreams
from agent.learning.learner import PolicyLearner
from agent.learning.state import load_state, state_tensors
from agent.training.collect import check_learnable
from agent.training.evaluate import observe, picture_ticks

FIRST_SEED: Final = 10_000_000
DEFAULT_BUDGET: Final = Budget()
_RECENT: Final = 100
log = structlog.get_logger(__name__)


class TrainingGame:
    """One game in lock-step, run after run; seeds count up from `seed`."""

    def __init__(self, index: int, game: HostedGame, seed: int, *, pictures: bool, weights: Weights = SCORE) -> None:
        self.index, self.game, self.seed = index, game, seed
        self._pictures, self._every = pictures, picture_ticks(game)
        self._tracker, self._arbiter = EpisodeTracker(weights), Arbiter()
        self._begin()

    def _begin(self) -> None:
        self.game.reset(self.seed, start="run")
        self.seed += 1
        self._tick = 0
        self._frame: Frame | None = None

    def observe(self) -> tuple[Observation, EpisodeResult | None]:
        """What the game shows now, and the result of the run that ends with it."""
        state, now_s = self.game.state(), self._tick * self.game.tick_s
        if self._pictures and self._tick % self._every == 0:
            self._frame = Frame(self.game.render(), now_s, now_s)
        observation = observe(self.game, self.index, state, self._frame, self._tick)
        return observation, self._tracker.add(observation)

    def act(self, observation: Observation, proposed: Action | None) -> None:
        """Do what was proposed; after the end of a run, begin another."""
        if observation.is_last:
            self._begin()
            return
        self.game.tick(self._arbiter.choose(proposed).action)
        self._tick += 1


class DreamTraining:
    """A dreamer on `copies` of one game; `steps` counts decisions of all copies.

    A resumed training begins new runs; what the learners hold, their replay included, goes on.
    """

    def __init__(
        self, game: str, *, seed: int, copies: int = 8, budget: Budget = DEFAULT_BUDGET,
        rollout_steps: int = ROLLOUT_STEPS, games: list[HostedGame] | None = None,
        profile: Path | None = None, weights: Weights = SCORE,
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.game = game
        asked = HostOptions(game=game, seed=seed, start="run", profile=profile)
        hosted = games or [build_game(asked) for _ in range(copies)]
        first = FIRST_SEED * (1 + seed)
        self.seats = [
            TrainingGame(i, g, first + 100_000 * i, pictures=is_gymnasium(game), weights=weights)
            for i, g in enumerate(hosted)
        ]  # fmt: skip
        self.policy = DreamPilot(untrained_tensors(seed), seed=seed)
        self._rollouts: list[Rollout] = []
        names = tuple(f"{game} {i}" for i in range(len(hosted)))
        self._recorder = self.policy.learn(names, self._rollouts.append, steps=rollout_steps)
        self._recorder.pay_by(*(RewardTable(weights) for _ in hosted))
        self._reward = {"reward": weights.name} if game == "arena" else {}
        policy_spec = PolicySpec(
            name=KIND, kind=DREAMER, features=FEATURES, continuous=SPEC.continuous, branches=SPEC.branches,
            sizes=default_sizes(), seed=seed,
        )  # fmt: skip
        place, self.place = place_for(policy_spec, budget, SystemClock().now_s)
        self.learner = PolicyLearner(policy_spec, budget, place)
        log.info("dreams_learn", place=self.place)
        notes = list(dict.fromkeys(note for game_ in hosted for note in game_notes(game_)))
        self.about = [
            *notes,
            f"the dreamer observes {FEATURES} numbers: the state, and the picture at {PICTURE_PX} x {PICTURE_PX}",
            f"it learns by {describe_dreams(budget)}",
        ]
        self._serve()
        self._carry = self.policy.initial(len(hosted))
        self._before = self.episodes = 0
        self.recent: deque[EpisodeResult] = deque(maxlen=_RECENT)

    @property
    def steps(self) -> int:
        """Decisions so far."""
        return self._before + self._recorder.rows_total

    def _serve(self) -> None:
        tensors = self.learner.weights()
        self.policy.load(self.policy.prepare(tensors, self.game), self.policy.version + 1)

    def advance(self) -> dict[str, float]:
        """Play until a rollout is full, learn from it, and act with what was learned; figures by name."""
        while not self._rollouts:
            self._tick()
        metrics: dict[str, float] = {}
        while self._rollouts:
            rollout = self._rollouts.pop(0)
            check_learnable(self.game, rollout, FEATURES, SPEC)
            for part in self.learner.parts:
                metrics |= part.update(rollout)
        self._serve()
        metrics["episodes"] = float(self.episodes)
        if self.recent:
            metrics["episode_return"] = float(np.mean([r.episode_return for r in self.recent]))
            metrics["score_s"] = float(np.mean([r.survival_s for r in self.recent]))
        return metrics

    def _tick(self) -> None:
        seen = [seat.observe() for seat in self.seats]
        observations = [o for o, _ in seen]
        self._carry, actions = self.policy.step(self._carry, observations)
        for seat, (observation, result), action in zip(self.seats, seen, actions, strict=True):
            if result is not None:
                self.recent.append(result)
                self.episodes += 1
            seat.act(observation, action)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs but the games."""
        return {
            **{f"learner.{name}": t for name, t in state_tensors(self.learner).items()},
            "random": torch.get_rng_state(), "dice": self.policy.rng.get_state(),
            "counters": torch.tensor([self.steps, self.episodes]),
        }  # fmt: skip

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""
        missing = [name for name in ("random", "dice", "counters") if name not in tensors]
        if missing:
            raise WeightsError(f"not a checkpoint of a dreamer's training: {', '.join(missing)} missing")
        own = {name.removeprefix("learner."): t for name, t in tensors.items() if name.startswith("learner.")}
        load_state(self.learner, own)
        torch.set_rng_state(tensors["random"])
        self.policy.rng.set_state(tensors["dice"])
        self._before, self.episodes = tensors["counters"].tolist()
        self._serve()

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights that are served."""
        assert self.learner.dream is not None
        return {
            "tensors": self.learner.weights(),
            "kind": KIND,
            "layout": describe(),
            "sizes": msgspec.to_builtins(self.learner.dream.world.sizes),
            "notes": {"steps": self.steps, "game": self.game, **self._reward},
        }
