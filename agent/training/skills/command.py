"""The command `skills train`: fine-tune a pilot for a weapon, a character or a metric; measure and keep the change.

The training's folder holds a checkpoint and a curve, so that the same command goes on where it was interrupted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console

from agent.control import encode
from agent.control.motor import KIND, pilot_tensors
from agent.control.policies import SHIPPED
from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.core.statistics import Estimate, bootstrap, paired_difference
from agent.games.arena.rules_hash import rules_hash
from agent.games.options import check_bounds
from agent.models.sealed import Tensors, content_sha256
from agent.store.skills import Skill, SkillStore
from agent.training.folder import TrainingFolder, add_line
from agent.training.progress import TrainingProgress
from agent.training.skills.measure import SEEDS, Values, measure
from agent.training.skills.metrics import SCORE
from agent.training.skills.task import SECONDS, SkillTask, task_of
from agent.training.skills.train import SkillTraining

KEEP_EVERY_S: Final = 60.0
USUAL_SEEDS: Final = range(SEEDS - 16, SEEDS)
"""Runs that say what the base has of a metric before a training."""


@dataclass(frozen=True, kw_only=True)
class SkillTrainOptions:
    """What a skill is for, and how long it is trained; see `commands.merging.skills`."""

    name: str
    weapon: str | None
    character: str | None
    metric: str | None
    steps: int
    seed: int
    begin: Path | None
    out: Path | None
    episodes: int
    score_episodes: int

    def check(self) -> SkillTask:
        """The task; raises SettingsError for what is out of bounds, or where nothing is named."""
        check_bounds("--steps", self.steps, 1, 10**9)
        check_bounds("--episodes", self.episodes, 2, 10_000)
        check_bounds("--score-episodes", self.score_episodes, 0, 10_000)
        if not (self.weapon or self.character or self.metric):
            raise SettingsError("what for? name --weapon, --character or --metric")
        if self.weapon and self.character:
            raise SettingsError(f"--weapon {self.weapon} and --character {self.character}: a skill is of one of them")
        return task_of(weapon=self.weapon, character=self.character, metric=self.metric)


def train_skill(
    options: SkillTrainOptions, skills: SkillStore, clock: Clock, console: Console,
    on_begun: Callable[[], None] = lambda: None,
) -> Skill:  # fmt: skip
    """Train, measure and keep one skill; raises SettingsError or WeightsError."""

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    torch.set_num_threads(1)
    task, begin = options.check(), options.begin or SHIPPED
    base = pilot_tensors(begin)
    out = options.out or skills.folder / f"training-{options.name}"
    asked = {"skill": task.as_builtins(), "base": content_sha256(base), "steps": options.steps, "seed": options.seed}
    folder = TrainingFolder(out, asked, resume=True)
    with contextlib.closing(folder):
        folder.make()
        notes = folder.kept() or {}
        usual = notes.get("usual")
        if usual is None:
            usual = float(measure(base, task, USUAL_SEEDS).mean()) if task.metric != SCORE else 0.0
        on_begun()
        training = SkillTraining(task, base, usual=usual, seed=options.seed, total_steps=options.steps)
        say(f"{options.name}: {task.describe()}; the pilot it begins with has {usual:.2f}")
        _train(folder, training, options, {"usual": usual}, clock, console)
    say(f"{options.name}: measuring on {options.episodes} seeds")
    return skills.save(
        options.name, base, training.pilot(), of=KIND, layout=encode.describe(), description=task.describe(),
        tags=list(dict.fromkeys([task.trigger, f"metric:{task.metric}"])), trigger=task.trigger,
        task={**task.as_builtins(), "rules": rules_hash(), "steps": training.steps, "seed": options.seed},
        created_by=_command(options, task),
        performance=lambda tuned: performance(base, tuned, task, options.episodes, options.score_episodes),
    )  # fmt: skip


def _train(
    folder: TrainingFolder, training: SkillTraining, options: SkillTrainOptions, notes: dict[str, Any], clock: Clock,
    console: Console,
) -> None:  # fmt: skip
    found = folder.checkpoint()
    if found is not None:
        training.load_tensors({name: torch.from_numpy(array.copy()) for name, array in found[0].items()})
    kept_s = clock.now_s()

    def keep() -> None:
        folder.keep({name: t.cpu().numpy() for name, t in training.tensors().items()}, notes)

    try:
        with (
            TrainingProgress(console, clock, options.name, training.steps, options.steps) as progress,
            folder.curve(training.steps) as curve,
        ):
            while training.steps < options.steps:
                metrics = training.advance()
                with folder.writing():
                    add_line(curve, {"steps": training.steps, **metrics})
                progress.update(training.steps, f"{options.name}, return {metrics.get('episode_return', 0.0):.2f}")
                if clock.now_s() - kept_s >= KEEP_EVERY_S:
                    kept_s = clock.now_s()
                    keep()
    finally:
        keep()


def _command(options: SkillTrainOptions, task: SkillTask) -> str:
    """The command that makes such a skill, with the names of files alone."""
    words = ["python -m agent skills train", options.name]
    words += ["--weapon", task.weapon] if task.weapon else []
    words += ["--character", task.character] if task.character else []
    words += ["--metric", task.metric] if options.metric else []
    words += ["--steps", str(options.steps), "--seed", str(options.seed)]
    words += ["--begin", options.begin.name] if options.begin is not None else []
    return " ".join(words)


def performance(base: Tensors, tuned: Tensors, task: SkillTask, episodes: int, score_episodes: int) -> dict[str, Any]:
    """The skill's metric with and without it on the same seeds, and the score of whole runs, with 95 % intervals."""
    seeds = range(SEEDS, SEEDS + episodes)
    found = _compared(measure(base, task, seeds), measure(tuned, task, seeds))
    found |= {"metric": task.metric, "seconds": SECONDS, "episodes": episodes}
    if score_episodes and task.metric != SCORE:
        score = SkillTask(SCORE, "", task.character)
        seeds = range(SEEDS, SEEDS + score_episodes)
        found["score_s"] = _compared(measure(base, score, seeds), measure(tuned, score, seeds))
    return found


def _compared(without: Values, having: Values) -> dict[str, Any]:
    return {
        "without": _said(bootstrap(without)), "with": _said(bootstrap(having)),
        "difference": _said(paired_difference(having, without)),
    }  # fmt: skip


def _said(estimate: Estimate) -> list[float]:
    return [round(float(x), 4) for x in np.asarray(estimate)]
