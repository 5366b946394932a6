"""The command `train`: a training advanced to a number of steps, with its curve, checkpoints and weights in a folder.

`DIR/NAME.safetensors` are the weights with their manifest, `checkpoint.safetensors` is everything that a resumed
training needs, `curve.jsonl` a line for each stretch, `events.out.tfevents.*` the same for TensorBoard
where tensorboardX is installed.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import torch
from rich.console import Console
from torch import Tensor

from agent.control.reward import SCORE, TABLES, Weights
from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.games.options import check_bounds, is_gymnasium
from agent.learning.configs import Budget
from agent.models.sealed import read_manifest, save_sealed
from agent.training.folder import TrainingFolder, add_line
from agent.training.held_out import HeldOut
from agent.training.options import TrainOptions
from agent.training.presets.preset import Kept
from agent.training.progress import TrainingProgress
from agent.training.tensorboard import MISSING, check_wanted, open_scalars

KEEP_EVERY_S: Final = 60.0
DREAMS_COPIES: Final = 8


def asked(options: TrainOptions, budget: Budget | None, weights: Weights = SCORE) -> dict[str, Any]:
    """What a checkpoint must be of. budget: of a dreamer's learners; None: PPO trains. weights: the arena's rewards."""
    served = {} if budget is None else {"served": "dreamer"}
    other = options.game == "arena" and weights != SCORE
    reward = {"reward": msgspec.to_builtins(weights)} if other else {}
    if options.policy != "pilot":
        served = {**served, "policy": options.policy}
    begun = begins_with(options) if options.game == "arena" else None
    begin = {"begin": read_manifest(begun).sha256[:16]} if begun is not None else {}
    loops: dict[str, Any] = {"loop_starts": options.loop_starts} if options.loop_starts else {}
    if options.from_recordings is not None:
        loops["from_recordings"] = str(options.from_recordings.absolute())
    return {"game": options.game, "seed": options.seed, **served, **begin, **reward, **loops}


def begins_with(options: TrainOptions) -> Path | None:
    """The file of the pilot's weights that a training in the arena begins with; a motor has one always."""
    from agent.control.policies import SHIPPED

    return SHIPPED if options.begin is None and options.policy == "motor" else options.begin


def lesson_steps(options: TrainOptions, budget: Budget | None) -> int:
    """Steps that are lessons: as told, else a third in the arena, where PPO trains."""
    if options.lesson_steps is not None:
        return options.lesson_steps
    return options.steps // 3 if options.game == "arena" and budget is None and options.policy == "pilot" else 0


class Training(Protocol):
    """One training: steps done, one more stretch, and everything it consists of."""

    @property
    def about(self) -> list[str]:
        """What is observed, and how it is learned from, as lines for people."""
        ...

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


def _check_options(options: TrainOptions, budget: Budget | None) -> None:
    """Raise SettingsError for options that are out of bounds, or that this game has no use for."""
    if options.steps < 1:
        raise SettingsError(f"--steps {options.steps}: at least 1")
    options.check()
    options.check_held_out()
    check_bounds("--loop-starts", options.loop_starts, 0.0, 0.9)
    if options.loop_starts and (options.game != "arena" or options.policy != "pilot" or budget is not None):
        raise SettingsError(f"--loop-starts {options.loop_starts:g}: is of a pilot that PPO trains in the arena")
    given = options.given() + (["--eval-every"] if options.eval_every is not None else [])
    if given and budget is not None:
        raise SettingsError(f"{given[0]}: a dreamer has none; unset METABONK_SERVED_POLICY, or leave it out")
    if given and options.game == "arena":
        raise SettingsError(f"{given[0]}: is of Gymnasium environments; leave it out for the arena")


def build_training(
    options: TrainOptions, budget: Budget | None = None, weights: Weights = SCORE, kept: Kept | None = None
) -> Training:
    """The training of a game; raises SettingsError where it cannot be trained on here.

    kept: what the folder holds of a training on an environment that goes on.
    """
    game, seed, lessons = options.game, options.seed, lesson_steps(options, budget)
    _check_options(options, budget)
    if not 0 <= lessons <= options.steps:
        raise SettingsError(f"--lesson-steps {lessons}: 0 to --steps, which is {options.steps}")
    if options.from_recordings is not None:
        return _clone(options, budget, kept)
    if options.policy == "motor":
        return _motor(options, budget, weights)
    if options.begin is not None and (game != "arena" or budget is not None):
        raise SettingsError(f"--begin {options.begin}: a pilot that PPO trains in the arena begins with weights")
    if budget is not None and (game == "arena" or is_gymnasium(game)):
        from agent.training.dream import DreamTraining

        if lessons:
            raise SettingsError("--lesson-steps: a dreamer takes no lessons; unset METABONK_SERVED_POLICY, or name 0")
        copies = DREAMS_COPIES if options.copies is None else options.copies
        return DreamTraining(game, seed=seed, copies=copies, budget=budget, profile=options.profile, weights=weights)
    if game == "arena":
        from agent.control.motor import pilot_tensors
        from agent.training.arena.train import ArenaTraining

        begin = pilot_tensors(options.begin) if options.begin is not None else None
        return ArenaTraining(
            seed=seed, total_steps=options.steps, lesson_steps=lessons, weights=weights, begin=begin,
            loop_starts=options.loop_starts,
        )  # fmt: skip
    if is_gymnasium(game):
        from agent.training.gym import GymTraining

        if lessons:
            raise SettingsError("--lesson-steps: there are lessons in the arena alone")
        return GymTraining(
            game, seed=seed, total_steps=options.steps, options=options, profile=options.profile, kept=kept
        )
    raise SettingsError(f"--game {game}: arena, gym:[MODULE:]ID or MODULE:FACTORY can be trained on")


def _motor(options: TrainOptions, budget: Budget | None, weights: Weights) -> Training:
    """The training of a motor; raises SettingsError where there is none."""
    from agent.training.arena.motor import MotorTraining

    if options.game != "arena" or budget is not None:
        raise SettingsError("--policy motor: is trained in the arena, and not where a dreamer is served")
    if options.lesson_steps:
        raise SettingsError("--lesson-steps: a motor takes none; leave it out")
    pilot = begins_with(options)
    assert pilot is not None
    return MotorTraining(seed=options.seed, total_steps=options.steps, weights=weights, pilot=pilot)


def _clone(options: TrainOptions, budget: Budget | None, kept: Kept | None) -> Training:
    """The cloning of recordings; raises SettingsError where it goes with no other option that is given."""
    from agent.training.labels.clone import CloneTraining

    folder = options.from_recordings
    assert folder is not None
    others = {
        "--lesson-steps": options.lesson_steps, "--begin": options.begin, "--eval-every": options.eval_every,
        "--loop-starts": options.loop_starts or None, "--memory": options.memory, "--copies": options.copies,
        "--policy motor": options.policy == "motor" or None, "METABONK_SERVED_POLICY=dreamer": budget,
    }  # fmt: skip
    for name, value in others.items():
        if value is not None:
            raise SettingsError(f"{name}: has no use in cloning; leave it out, or --from-recordings")
    return CloneTraining(
        options.game, folder, seed=options.seed, total_steps=options.steps, options=options, profile=options.profile,
        kept=kept,
    )  # fmt: skip


def _go_on(folder: TrainingFolder, training: Training) -> float:
    """Take up the folder's checkpoint where there is one; seconds trained before."""
    found = folder.checkpoint()
    if found is None:
        return 0.0
    tensors, notes = found
    training.load_tensors({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
    return float(notes["wall_s"])


def _checkpoint(folder: TrainingFolder, training: Training, wall_s: float) -> None:
    notes = {"wall_s": wall_s, **getattr(training, "kept_notes", {})}
    folder.keep({name: t.cpu().numpy() for name, t in training.tensors().items()}, notes)


def _keep(
    folder: TrainingFolder, options: TrainOptions, budget: Budget | None, training: Training, wall_s: float
) -> None:
    _checkpoint(folder, training, wall_s)
    values = training.sealed()
    name = "dreamer" if budget is not None else options.policy if options.game == "arena" else "policy"
    values["notes"] = {**values["notes"], "wall_s": round(wall_s, 1)}
    with folder.writing():
        for path in (f"{name}.safetensors", f"history/{name}-{training.steps}.safetensors"):
            save_sealed(options.out / path, created_by=_command(options, budget, values["notes"]), **values)


def _command(options: TrainOptions, budget: Budget | None, notes: dict[str, Any]) -> str:
    """The command that makes such weights, with the names of files alone."""
    words = ["python", "-m", "agent", "train", "--game", options.game]
    words += ["--steps", str(options.steps), "--seed", str(options.seed)]
    if options.policy != "pilot":
        words += ["--policy", options.policy]
    for name in options.given():
        value = getattr(options, name.removeprefix("--").replace("-", "_"))
        words += [name, str(value)] if not isinstance(value, bool) else [name if value else "--no-" + name[2:]]
    if options.copies is not None:
        words += ["--copies", str(options.copies)]
    if lesson_steps(options, budget):
        words += ["--lesson-steps", str(lesson_steps(options, budget))]
    words += ["--loop-starts", f"{options.loop_starts:g}"] if options.loop_starts else []
    recorded = ("--from-recordings", options.from_recordings)
    for name, file in (recorded, ("--begin", options.begin), ("--profile", options.profile)):
        words += [name, file.name] if file is not None else []
    command = shlex.join(words)
    if budget is not None:
        command = f"METABONK_SERVED_POLICY=dreamer {command}"
    reward = notes.get("reward", SCORE.name)
    if reward != SCORE.name:
        command = f"METABONK_REWARD_TABLE={reward if reward in TABLES else reward + '.toml'} {command}"
    return command


def train(
    options: TrainOptions,
    budget: Budget | None,
    clock: Clock,
    console: Console,
    on_begun: Callable[[], None] = lambda: None,
    weights: Weights = SCORE,
) -> int:
    """Train to `options.steps`; returns the exit code. Interrupted, it keeps what it has.

    budget: of a dreamer's learners; None: PPO trains. on_begun: called when the first steps are done, and later.
    weights: the table of the arena's rewards; other games have their own.
    """
    torch.set_num_threads(1)
    check_wanted(options.tensorboard)
    folder = TrainingFolder(options.out, asked(options, budget, weights), resume=options.resume)
    training = build_training(options, budget, weights, folder.kept())
    with contextlib.closing(folder):
        folder.make()
        return _train(folder, training, options, budget, clock, console, on_begun)


def _train(
    folder: TrainingFolder,
    training: Training,
    options: TrainOptions,
    budget: Budget | None,
    clock: Clock,
    console: Console,
    on_begun: Callable[[], None],
) -> int:
    """As `train`, in a folder that is this training's own."""
    before_s = _go_on(folder, training)
    _checkpoint(folder, training, before_s)
    events = open_scalars(options.out, clock.wall_utc_ns() * 1e-9, options.tensorboard, from_step=training.steps)
    if not events.is_on and options.tensorboard is None:
        console.print(
            f"no TensorBoard files: {MISSING}; curve.jsonl holds the same figures", highlight=False, markup=False
        )
    start_s = kept_s = clock.now_s()
    for text in training.about:
        console.print(text, soft_wrap=True, highlight=False, markup=False)
    judge = HeldOut(folder, options, training, _command(options, budget, {}))
    shown = TrainingProgress(console, clock, options.game, training.steps, options.steps)
    try:
        with shown as progress, folder.curve(training.steps) as curve:
            while training.steps < options.steps:
                metrics = training.advance()
                on_begun()
                metrics |= judge.measured()
                now_s = clock.now_s()
                wall_s = before_s + now_s - start_s
                line = {"steps": training.steps, "wall_s": round(wall_s, 2), **metrics}
                with folder.writing():
                    add_line(curve, line)
                events.add(clock.wall_utc_ns() * 1e-9, training.steps, metrics)
                progress.update(training.steps, _describe(options.game, metrics))
                if now_s - kept_s >= KEEP_EVERY_S:
                    kept_s = now_s
                    _keep(folder, options, budget, training, wall_s)
    finally:
        events.close()
        _keep(folder, options, budget, training, before_s + clock.now_s() - start_s)
        done = training.steps >= options.steps
        console.print(
            f"Trained {options.game} for {training.steps} of {options.steps} steps; kept in {options.out}"
            + ("" if done else ": --resume goes on"),
            soft_wrap=True, highlight=False, markup=False,
        )  # fmt: skip
    return 0


def _describe(game: str, metrics: dict[str, float]) -> str:
    shown = {
        "score_s": "score {:.0f} s", "reward": "reward {:.4g}", "episode_return": "return {:.4g}",
        "eval_return": "held out {:.4g}",
    }  # fmt: skip
    return ", ".join([game, *(text.format(metrics[name]) for name, text in shown.items() if name in metrics)])
