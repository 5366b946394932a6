"""The command `train`: a training advanced to a number of steps, with its curve, checkpoints and weights in a folder.

`DIR/NAME.safetensors` are the weights with their manifest, `checkpoint.safetensors` is everything that a resumed
training needs, `curve.jsonl` a line for each stretch, `events.out.tfevents.*` the same for TensorBoard
where tensorboardX is installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.games.gymnasium_host import is_gymnasium
from agent.learning.configs import Budget
from agent.models.sealed import load_sealed, save_sealed
from agent.training.tensorboard import MISSING, check_wanted, open_scalars

CHECKPOINT: Final = "checkpoint.safetensors"
CHECKPOINT_KIND: Final = "training"
KEEP_EVERY_S: Final = 60.0


class TrainRequest(msgspec.Struct, frozen=True):
    """What the command was asked; see `agent.commands.cli.train`."""

    game: str
    steps: int
    seed: int
    out: Path
    resume: bool = False
    lesson_steps: int = 0
    copies: int = 8
    budget: Budget | None = None
    """Of a dreamer's learners; None: PPO trains."""
    tensorboard: bool | None = None
    """None: TensorBoard files are written where tensorboardX is installed."""

    @property
    def asked(self) -> dict[str, Any]:
        """What a checkpoint must be of."""
        served = {} if self.budget is None else {"served": "dreamer"}
        return {"game": self.game, "seed": self.seed, **served}


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


def build_training(request: TrainRequest) -> Training:
    """The training of a game; raises SettingsError where it cannot be trained on here."""
    if request.steps < 1:
        raise SettingsError(f"--steps {request.steps}: at least 1")
    if not 0 <= request.lesson_steps <= request.steps:
        raise SettingsError(f"--lesson-steps {request.lesson_steps}: 0 to --steps, which is {request.steps}")
    if request.budget is not None and (request.game == "arena" or is_gymnasium(request.game)):
        from agent.training.dream import DreamTraining

        if request.lesson_steps:
            raise SettingsError("--lesson-steps: a dreamer takes no lessons; unset METABONK_SERVED_POLICY, or name 0")
        return DreamTraining(request.game, seed=request.seed, copies=request.copies, budget=request.budget)
    if request.game == "arena":
        from agent.training.arena.train import ArenaTraining

        return ArenaTraining(seed=request.seed, total_steps=request.steps, lesson_steps=request.lesson_steps)
    if is_gymnasium(request.game):
        from agent.training.gym import GymTraining

        if request.lesson_steps:
            raise SettingsError("--lesson-steps: there are lessons in the arena alone")
        return GymTraining(request.game, seed=request.seed, total_steps=request.steps, copies=request.copies)
    raise SettingsError(f"--game {request.game}: arena, gym:[MODULE:]ID or MODULE:FACTORY can be trained on")


def _open(request: TrainRequest, training: Training) -> float:
    """Take up the folder's checkpoint, or refuse a folder that holds one; seconds trained before."""
    path = request.out / CHECKPOINT
    if not request.resume:
        if path.exists():
            raise SettingsError(f"--out {request.out}: holds a training; add --resume to go on, or name another folder")
        return 0.0
    manifest, tensors = load_sealed(path)
    if manifest.kind != CHECKPOINT_KIND or manifest.sizes != request.asked:
        raise SettingsError(f"--resume {path}: holds {manifest.kind} {manifest.sizes}, asked for {request.asked}")
    training.load_tensors({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
    return float(manifest.notes["wall_s"])


def _keep(request: TrainRequest, training: Training, wall_s: float) -> None:
    tensors = {name: tensor.cpu().numpy() for name, tensor in training.tensors().items()}
    path = request.out / CHECKPOINT
    save_sealed(path, tensors, kind=CHECKPOINT_KIND, layout={}, sizes=request.asked, notes={"wall_s": wall_s})
    values = training.sealed()
    name = "dreamer" if request.budget is not None else "pilot" if request.game == "arena" else "policy"
    command = f"python -m agent train --game {request.game} --steps {request.steps} --seed {request.seed}"
    if request.lesson_steps:
        command += f" --lesson-steps {request.lesson_steps}"
    if request.budget is not None:
        command = f"METABONK_SERVED_POLICY=dreamer {command}"
    values["notes"] = {**values["notes"], "wall_s": round(wall_s, 1)}
    for path in (request.out / f"{name}.safetensors", request.out / "history" / f"{name}-{training.steps}.safetensors"):
        save_sealed(path, created_by=command, **values)


def train(request: TrainRequest, clock: Clock, console: Console) -> int:
    """Train to `request.steps`; returns the exit code. Interrupted, it keeps what it has."""
    torch.set_num_threads(1)
    check_wanted(request.tensorboard)
    training = build_training(request)
    before_s = _open(request, training)
    request.out.mkdir(parents=True, exist_ok=True)
    events = open_scalars(request.out, clock.wall_utc_ns() * 1e-9, request.tensorboard)
    if not events.is_on and request.tensorboard is None:
        console.print(
            f"no TensorBoard files: {MISSING}; curve.jsonl holds the same figures", highlight=False, markup=False
        )
    start_s = kept_s = clock.now_s()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress, (request.out / "curve.jsonl").open("a") as curve:
            bar = progress.add_task(request.game, total=request.steps, completed=training.steps)
            while training.steps < request.steps:
                metrics = training.advance()
                now_s = clock.now_s()
                wall_s = before_s + now_s - start_s
                line = {"steps": training.steps, "wall_s": round(wall_s, 2), **metrics}
                curve.write(json.dumps({k: round(v, 5) for k, v in line.items()}) + "\n")
                curve.flush()
                events.add(clock.wall_utc_ns() * 1e-9, training.steps, metrics)
                progress.update(bar, completed=training.steps, description=_describe(request.game, metrics))
                if now_s - kept_s >= KEEP_EVERY_S:
                    kept_s = now_s
                    _keep(request, training, wall_s)
    finally:
        events.close()
        _keep(request, training, before_s + clock.now_s() - start_s)
    return 0


def _describe(game: str, metrics: dict[str, float]) -> str:
    for name, text in (("score_s", "{:.0f} s"), ("episode_return", "return {:.2f}")):
        if name in metrics:
            return f"{game} {text.format(metrics[name])}"
    return game
