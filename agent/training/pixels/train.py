"""The command `world train`: tokenizer and dynamics from recordings, each with checkpoints and a curve of its own.

OUT/tokenizer.safetensors and OUT/world.safetensors are the results with their manifests; OUT/tokenizer and OUT/ARM hold
checkpoint.safetensors, curve.jsonl and TensorBoard files of the trainings. Held-out episodes are never trained on.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any, Final

import msgspec
import numpy as np
import torch
from rich.console import Console

from agent.core.clock import Clock
from agent.core.errors import RecordingError, SettingsError
from agent.games.options import check_bounds
from agent.learning.pixels.episodes import Episodes
from agent.learning.pixels.load import open_episodes
from agent.learning.pixels.measures import action_report, tokenizer_report
from agent.learning.pixels.trainers import DynamicsTrainer, TokenizerTrainer
from agent.learning.pixels.world_file import (
    WorldLayout,
    load_tokenizer,
    load_world,
    save_tokenizer,
    save_world,
    starts_of,
)
from agent.models.pixels.sizes import PixelWorldSizes, dynamics_for, tokenizer_for
from agent.models.pixels.tokenizer import Tokenizer
from agent.models.pixels.world import PixelWorld
from agent.training.folder import TrainingFolder, add_line
from agent.training.pixels.options import WorldOptions
from agent.training.progress import TrainingProgress
from agent.training.tensorboard import check_wanted, open_scalars

KEEP_EVERY_S: Final = 60.0
SAY_EVERY: Final = 10
TOKENIZER: Final = "tokenizer.safetensors"
WORLD: Final = "world.safetensors"


def device_of(wanted: str) -> torch.device:
    """The device; raises SettingsError where a card is asked for that torch does not see."""
    has_card = torch.cuda.is_available()
    if wanted == "cuda" and not has_card:
        raise SettingsError("--device cuda: torch sees no CUDA card; name cpu, or leave it out")
    return torch.device("cuda" if has_card and wanted != "cpu" else "cpu")


def fingerprint(episodes: Episodes) -> str:
    """Which episodes these are, by name and length."""
    told = "\n".join(f"{e.name} {len(e)}" for e in episodes.items)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _plain(sizes: msgspec.Struct) -> dict[str, Any]:
    """Sizes as a manifest gives them back."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(sizes))
    return plain


def _check(options: WorldOptions) -> None:
    check_bounds("--size-px", options.size_px, 64, 128)
    if options.size_px not in (64, 128):
        raise SettingsError(f"--size-px {options.size_px}: 64 or 128")
    check_bounds("--regimes", options.regimes, 0, 16)
    if options.regimes == 1:
        raise SettingsError("--regimes 1: one regime tells nothing; 0 for none, else 2 to 16")
    check_bounds("--seq-len", options.seq_len, 3, 64)
    if options.seq_len is not None and options.arm != "maskgit":
        raise SettingsError(f"--seq-len {options.seq_len}: is of --arm maskgit; the CNN sees 4 pictures")
    check_bounds("--steps", options.steps, 1, 10_000_000)
    check_bounds("--minutes", options.minutes, 0.05, 100_000)
    check_bounds("--held-out", options.held_out, 0.01, 0.9)
    check_bounds("--hz", options.hz, 0.1, 1000)
    check_wanted(options.tensorboard)


def world_layout(episodes: Episodes) -> WorldLayout:
    """What a world of these episodes is of; raises RecordingError without actions."""
    if episodes.layout is None:
        raise RecordingError("none of the episodes has actions; videos need labels first")
    dt_s = float(np.median([e.dt_s for e in episodes.items]))
    has = all(e.rewards is not None and e.dones is not None for e in episodes.items)
    return WorldLayout(controls=episodes.layout.controls, dt_s=dt_s, has_outcomes=has)


class WorldTraining:
    """One call of the command."""

    def __init__(self, options: WorldOptions, clock: Clock, console: Console) -> None:
        _check(options)
        self.options, self._clock, self._console = options, clock, console
        self._device = device_of(options.device)
        if options.device != "cuda" and self._device.type == "cpu":
            torch.set_num_threads(1)
        self.episodes = open_episodes(
            options.recordings, size_px=options.size_px, hz=options.hz, cache=options.cache, say=self._say
        )
        self.train, self.held_out = self.episodes.split(options.held_out, seed=options.seed)
        self._say(
            f"{len(self.episodes)} episodes with {self.episodes.pictures:,} pictures; {len(self.held_out)} of them, "
            f"{self.held_out.pictures:,} pictures, are only measured with"
        )

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def run(self) -> dict[str, Any]:
        """Train what was asked for; figures on held-out episodes by phase."""
        options, found = self.options, {}
        if options.phase in ("tokenizer", "all"):
            found["tokenizer"] = self.tokenizer()
        if options.phase != "tokenizer":
            found["dynamics"] = self.dynamics()
        return found

    def tokenizer(self) -> dict[str, float]:
        """Train the tokenizer."""
        torch.manual_seed(self.options.seed)
        tokenizer = Tokenizer(tokenizer_for(self.options.size_px))
        trainer = TokenizerTrainer(tokenizer, self.train, seed=self.options.seed, device=self._device)
        self._train("tokenizer", trainer, {"tokenizer": _plain(tokenizer.sizes)})
        tokenizer.eval().cpu()
        report = tokenizer_report(tokenizer, self.held_out, seed=self.options.seed)
        notes = {"steps": trainer.steps, "held_out": report}
        save_tokenizer(self.options.out / TOKENIZER, tokenizer, created_by=self._command("tokenizer"), notes=notes)
        self._say(
            f"tokenizer on held-out episodes: {report['psnr_db']:.2f} dB, copy-last {report['copy_last_psnr_db']:.2f}; "
            f"{report['codes_perplexity']:.0f} of {tokenizer.quantizer.codes} codes by perplexity"
        )
        return report

    def dynamics(self) -> dict[str, float]:
        """Train the dynamics."""
        options = self.options
        layout, train, held_out = world_layout(self.episodes), self.train.labelled(), self.held_out.labelled()
        assert train.layout is not None
        torch.manual_seed(options.seed)
        dynamics = dynamics_for(options.size_px, train.layout.width, options.arm, options.regimes)
        if options.seq_len is not None:
            dynamics = msgspec.structs.replace(dynamics, window=options.seq_len)
        sizes = PixelWorldSizes(tokenizer_for(options.size_px), dynamics)
        world = PixelWorld(sizes)
        if world.tokenizer is not None:
            path = options.out / TOKENIZER
            if not path.is_file():
                raise SettingsError(f"--arm maskgit: needs {path}; train it with --phase tokenizer or all")
            world.tokenizer.load_state_dict(load_tokenizer(path).state_dict())
        trainer = DynamicsTrainer(world, train, seed=options.seed, device=self._device, blind=options.blind)
        self._train(options.arm, trainer, {"world": _plain(sizes), "blind": options.blind})
        world.eval().cpu()
        report = action_report(world, held_out, seed=options.seed)
        notes = {
            "steps": trainer.steps, "held_out": report, "split": fingerprint(self.episodes),
            "split_share": options.held_out, "split_seed": options.seed, "blind": options.blind,
        }  # fmt: skip
        starts = starts_of(held_out, world.length + 1, options.seed)
        path = options.out / WORLD
        save_world(path, world, layout, starts, created_by=self._command(options.arm), notes=notes)
        self._say(
            f"dynamics on held-out episodes: loss {report['loss']:.4g}, with shuffled actions "
            f"{report['loss_ratio_shuffled']:.2f} times as much; {path}"
        )
        load_world(path)
        return report

    def _command(self, phase: str) -> str:
        o = self.options
        words = f"python -m agent world train --recordings {o.recordings.name} --phase {o.phase} --arm {o.arm}"
        words += f" --regimes {o.regimes}" if o.regimes else ""
        words += " --blind" if o.blind else ""
        words += f" --seq-len {o.seq_len}" if o.seq_len is not None else ""
        return f"{words} --steps {o.steps} --minutes {o.minutes:g} --seed {o.seed} ({phase})"

    def _train(self, name: str, trainer: TokenizerTrainer | DynamicsTrainer, asked: dict[str, Any]) -> None:
        options = self.options
        told = {**asked, "seed": options.seed, "split": fingerprint(self.episodes), "held_out": options.held_out}
        folder = TrainingFolder(options.out / name, told, resume=options.resume)
        with contextlib.closing(folder):
            folder.make()
            found, before_s = folder.checkpoint(), 0.0
            if found is not None:
                trainer.load_tensors({key: torch.from_numpy(array.copy()) for key, array in found[0].items()})
                before_s = float(found[1]["wall_s"])
            self._steps(name, trainer, folder, before_s)

    def _steps(
        self, name: str, trainer: TokenizerTrainer | DynamicsTrainer, folder: TrainingFolder, before_s: float
    ) -> None:
        options, clock = self.options, self._clock
        start_s = kept_s = clock.now_s()
        wall_s = before_s

        def keep() -> None:
            arrays = {key: tensor.cpu().numpy() for key, tensor in trainer.tensors().items()}
            folder.keep(arrays, {"wall_s": wall_s})

        keep()
        events = open_scalars(folder.path, clock.wall_utc_ns() * 1e-9, options.tensorboard, from_step=trainer.steps)
        shown = TrainingProgress(self._console, clock, name, trainer.steps, options.steps)
        gathered: dict[str, float] = {}
        try:
            with shown as progress, folder.curve(trainer.steps) as curve:
                while trainer.steps < options.steps and wall_s < options.minutes * 60:
                    share = max(trainer.steps / options.steps, wall_s / (options.minutes * 60))
                    metrics = trainer.advance(share)
                    for key, value in metrics.items():
                        gathered[key] = gathered.get(key, value) * 0.9 + value * 0.1
                    now_s = clock.now_s()
                    wall_s = before_s + now_s - start_s
                    if trainer.steps % SAY_EVERY == 0:
                        with folder.writing():
                            add_line(curve, {"steps": trainer.steps, "wall_s": round(wall_s, 2), **gathered})
                        events.add(clock.wall_utc_ns() * 1e-9, trainer.steps, gathered)
                        progress.update(trainer.steps, f"{name}, loss {gathered['loss']:.4g}")
                    if now_s - kept_s >= KEEP_EVERY_S:
                        kept_s = now_s
                        keep()
        finally:
            events.close()
            keep()
        rate_hz = trainer.steps / max(1e-9, wall_s)
        self._say(f"{name}: {trainer.steps} steps in {wall_s:.0f} s, {rate_hz:.2f} steps/s on {self._device}")


def train_world(options: WorldOptions, clock: Clock, console: Console) -> dict[str, Any]:
    """Train a world; figures on held-out episodes by phase."""
    return WorldTraining(options, clock, console).run()
