"""The command `train`: a training advanced to a number of steps, with its curve, checkpoints and weights in a folder.

`DIR/NAME.safetensors` are the weights with their manifest, `checkpoint.safetensors` is everything that a resumed
training needs, `curve.jsonl` a line for each stretch, `events.out.tfevents.*` the same for TensorBoard
where tensorboardX is installed.
"""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.games.options import is_gymnasium
from agent.learning.configs import Budget
from agent.models.sealed import load_sealed, save_sealed
from agent.training.options import TrainOptions
from agent.training.tensorboard import MISSING, check_wanted, open_scalars

CHECKPOINT: Final = "checkpoint.safetensors"
CHECKPOINT_KIND: Final = "training"
KEEP_EVERY_S: Final = 60.0


def asked(options: TrainOptions, budget: Budget | None) -> dict[str, Any]:
    """What a checkpoint must be of. budget: of a dreamer's learners; None: PPO trains."""
    served = {} if budget is None else {"served": "dreamer"}
    return {"game": options.game, "seed": options.seed, **served}


def lesson_steps(options: TrainOptions, budget: Budget | None) -> int:
    """Steps that are lessons: as told, else a third in the arena, where PPO trains."""
    if options.lesson_steps is not None:
        return options.lesson_steps
    return options.steps // 3 if options.game == "arena" and budget is None else 0


class Training(Protocol):
    """One training: steps done, one more stretch, and everything it consists of."""

    @property
    def steps(self) -> int:
        """Steps done."""
        ...

    def advance(self) -> dict[str, float]:
        """Play one stretch and learn from it; figures by name."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a restart needs."""
        ...

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `tensors()` gave; raises WeightsError."""
        ...

    def sealed(self) -> dict[str, Any]:
        """The arguments of `save_sealed` for the weights."""
        ...


def build_training(options: TrainOptions, budget: Budget | None = None) -> Training:
    """The training of a game; raises SettingsError where it cannot be trained on here."""
    game, seed, copies, lessons = options.game, options.seed, options.copies, lesson_steps(options, budget)
    if options.steps < 1:
        raise SettingsError(f"--steps {options.steps}: at least 1")
    if copies < 1:
        raise SettingsError(f"--copies {copies}: at least 1")
    if not 0 <= lessons <= options.steps:
        raise SettingsError(f"--lesson-steps {lessons}: 0 to --steps, which is {options.steps}")
    if budget is not None and (game == "arena" or is_gymnasium(game)):
        from agent.training.dream import DreamTraining

        if lessons:
            raise SettingsError("--lesson-steps: a dreamer takes no lessons; unset METABONK_SERVED_POLICY, or name 0")
        return DreamTraining(game, seed=seed, copies=copies, budget=budget)
    if game == "arena":
        from agent.training.arena.train import ArenaTraining

        return ArenaTraining(seed=seed, total_steps=options.steps, lesson_steps=lessons)
    if is_gymnasium(game):
        from agent.training.gym import GymTraining

        if lessons:
            raise SettingsError("--lesson-steps: there are lessons in the arena alone")
        return GymTraining(game, seed=seed, total_steps=options.steps, copies=copies)
    raise SettingsError(f"--game {game}: arena, gym:[MODULE:]ID or MODULE:FACTORY can be trained on")


def _open(options: TrainOptions, budget: Budget | None, training: Training) -> float:
    """Take up the folder's checkpoint, or refuse a folder that holds one; seconds trained before."""
    path = options.out / CHECKPOINT
    if not options.resume:
        if path.exists():
            raise SettingsError(f"--out {options.out}: holds a training; add --resume to go on, or name another folder")
        return 0.0
    manifest, tensors = load_sealed(path)
    if manifest.kind != CHECKPOINT_KIND or manifest.sizes != asked(options, budget):
        raise SettingsError(
            f"--resume {path}: holds {manifest.kind} {manifest.sizes}, asked for {asked(options, budget)}"
        )
    training.load_tensors({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
    return float(manifest.notes["wall_s"])


def _keep(options: TrainOptions, budget: Budget | None, training: Training, wall_s: float) -> None:
    tensors = {name: tensor.cpu().numpy() for name, tensor in training.tensors().items()}
    path = options.out / CHECKPOINT
    save_sealed(path, tensors, kind=CHECKPOINT_KIND, layout={}, sizes=asked(options, budget), notes={"wall_s": wall_s})
    values = training.sealed()
    name = "dreamer" if budget is not None else "pilot" if options.game == "arena" else "policy"
    command = f"python -m agent train --game {options.game} --steps {options.steps} --seed {options.seed}"
    if lesson_steps(options, budget):
        command += f" --lesson-steps {lesson_steps(options, budget)}"
    if budget is not None:
        command = f"METABONK_SERVED_POLICY=dreamer {command}"
    values["notes"] = {**values["notes"], "wall_s": round(wall_s, 1)}
    for path in (options.out / f"{name}.safetensors", options.out / "history" / f"{name}-{training.steps}.safetensors"):
        save_sealed(path, created_by=command, **values)


def train(options: TrainOptions, budget: Budget | None, clock: Clock, console: Console) -> int:
    """Train to `options.steps`; returns the exit code. Interrupted, it keeps what it has.

    budget: of a dreamer's learners; None: PPO trains.
    """
    torch.set_num_threads(1)
    check_wanted(options.tensorboard)
    training = build_training(options, budget)
    before_s = _open(options, budget, training)
    options.out.mkdir(parents=True, exist_ok=True)
    events = open_scalars(options.out, clock.wall_utc_ns() * 1e-9, options.tensorboard)
    if not events.is_on and options.tensorboard is None:
        console.print(
            f"no TensorBoard files: {MISSING}; curve.jsonl holds the same figures", highlight=False, markup=False
        )
    start_s = kept_s = clock.now_s()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress, (options.out / "curve.jsonl").open("a") as curve:
            bar = progress.add_task(options.game, total=options.steps, completed=training.steps)
            while training.steps < options.steps:
                metrics = training.advance()
                now_s = clock.now_s()
                wall_s = before_s + now_s - start_s
                line = {"steps": training.steps, "wall_s": round(wall_s, 2), **metrics}
                curve.write(json.dumps({k: round(v, 5) for k, v in line.items()}) + "\n")
                curve.flush()
                events.add(clock.wall_utc_ns() * 1e-9, training.steps, metrics)
                progress.update(bar, completed=training.steps, description=_describe(options.game, metrics))
                if now_s - kept_s >= KEEP_EVERY_S:
                    kept_s = now_s
                    _keep(options, budget, training, wall_s)
    finally:
        events.close()
        _keep(options, budget, training, before_s + clock.now_s() - start_s)
    return 0


def _describe(game: str, metrics: dict[str, float]) -> str:
    for name, text in (("score_s", "{:.0f} s"), ("episode_return", "return {:.2f}")):
        if name in metrics:
            return f"{game} {text.format(metrics[name])}"
    return game
