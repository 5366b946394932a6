"""The command `world validate`: a world's figures on episodes it never saw, beside copy-last and other actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil
import torch

from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.games.options import check_bounds
from agent.learning.pixels.episodes import Episodes
from agent.learning.pixels.generate import Generator
from agent.learning.pixels.load import open_episodes
from agent.learning.pixels.measures import (
    action_report,
    long_report,
    regime_report,
    roll_out_report,
    tokenizer_report,
)
from agent.learning.pixels.world_file import SavedWorld, load_world
from agent.models.sealed import read_manifest
from agent.training.pixels.options import ValidateOptions
from agent.training.pixels.train import fingerprint

SCHEMA = "metabonk-world-validation/1"
WARM_UP_STEPS = 5


def held_out_of(saved: SavedWorld, episodes: Episodes) -> tuple[Episodes, str]:
    """The episodes that the world never saw, and which these are."""
    if saved.notes.get("split") != fingerprint(episodes):
        return episodes, "all: other recordings than those that it learned from"
    share, seed = float(saved.notes["split_share"]), int(saved.notes["split_seed"])
    return episodes.split(share, seed=seed)[1], "held out of those that it learned from"


def speed_report(saved: SavedWorld, clock: Clock, frames: int) -> dict[str, float]:
    """How fast one world makes pictures, one after another; cpu_ms is of one, below p50 on a busy machine."""
    generator = Generator(saved.world, temperature=0.5)
    generator.start(torch.from_numpy(saved.frames[:1]), torch.from_numpy(saved.actions[:1, :-1]))
    action = torch.from_numpy(saved.actions[:1, -1])
    taken, process = [], psutil.Process()
    for step in range(frames + WARM_UP_STEPS):
        if step == WARM_UP_STEPS:
            busy_s = sum(process.cpu_times()[:2])
        before_s = clock.now_s()
        generator.step(action)
        taken.append(1e3 * (clock.now_s() - before_s))
    cpu_ms = 1e3 * (sum(process.cpu_times()[:2]) - busy_s) / frames
    taken = taken[WARM_UP_STEPS:]
    return {
        "frames_per_s": 1e3 * len(taken) / sum(taken), "p50_ms": float(np.percentile(taken, 50)),
        "p99_ms": float(np.percentile(taken, 99)), "cpu_ms": cpu_ms,
        "threads": float(torch.get_num_threads()),
    }  # fmt: skip


def validate_world(options: ValidateOptions, clock: Clock, say: Any = lambda text: None) -> dict[str, Any]:
    """All figures of a world as a report."""
    check_bounds("--windows", options.windows, 16, 100_000)
    check_bounds("--long-steps", options.long_steps, 0, 100_000)
    torch.set_num_threads(1)
    saved = load_world(options.world)
    world = saved.world
    episodes = open_episodes(
        options.recordings, size_px=world.size_px, hz=options.hz, cache=options.cache, say=say
    ).labelled()
    if episodes.layout != saved.action_layout:
        raise SettingsError(
            f"--recordings {options.recordings}: its actions are {', '.join(episodes.layout.names)}; "  # type: ignore[union-attr]
            f"{options.world} was trained on {', '.join(saved.action_layout.names)}"
        )
    measured, which = held_out_of(saved, episodes)
    report: dict[str, Any] = {
        "schema": SCHEMA, "world": options.world.name, "arm": world.sizes.dynamics.arm,
        "recordings": options.recordings.name, "episodes": len(measured), "pictures": measured.pictures,
        "measured_on": which, "trained_steps": saved.notes.get("steps"), "blind": saved.notes.get("blind", False),
        "trained_by": read_manifest(options.world).created_by,
    }  # fmt: skip
    if world.tokenizer is not None:
        report["tokenizer"] = tokenizer_report(world.tokenizer, measured)
    say("actions")
    report["actions"] = action_report(world, measured, windows=options.windows)
    say("pictures of its own")
    report["ahead"] = roll_out_report(world, measured, windows=options.windows)
    if options.long_steps:
        say(f"{options.long_steps} pictures of its own")
        report["long"] = long_report(world, measured, steps=options.long_steps)
    if world.regime is not None:
        report["regime"] = regime_report(world, measured)
    report["speed"] = speed_report(saved, clock, 60)
    return report


def in_words(report: dict[str, Any]) -> list[str]:
    """A report's main figures as lines for people."""
    ahead, actions, speed = report["ahead"], report["actions"], report["speed"]
    lines = [f"{report['arm']} on {report['episodes']} episodes ({report['measured_on']})"]
    if "tokenizer" in report:
        t = report["tokenizer"]
        lines.append(
            f"tokenizer: {t['psnr_db']:.2f} dB, copy-last {t['copy_last_psnr_db']:.2f}; "
            f"{t['codes_perplexity']:.0f} codes by perplexity"
        )
    for n in (1, 4, 8):
        lines.append(
            f"{n} ahead, changed pixels: {ahead[f'changed_psnr_{n}_db']:.2f} dB, copy-last "
            f"{ahead[f'copy_last_changed_psnr_{n}_db']:.2f}; ΔPSNR {ahead[f'delta_psnr_{n}_db']:+.2f} dB"
        )
    lines.append(
        f"loss under shuffled actions {actions['loss_ratio_shuffled']:.2f} times, without actions "
        f"{actions['loss_ratio_no_actions']:.2f} times as much"
    )
    if "long" in report:
        long = report["long"]
        lines.append(
            f"after {long['steps']:.0f} pictures of its own: sharpness {long['sharpness_ratio']:.2f} of real, colours "
            f"{long['histogram_distance']:.2f} away (real ones {long['real_histogram_distance']:.2f})"
        )
    if "regime" in report:
        regime = report["regime"]
        shares = ", ".join(f"{v:.2f}" for k, v in regime.items() if k.startswith("share_"))
        nmi = f"NMI with menus {regime['nmi_menu']:.2f}, " if "nmi_menu" in regime else ""
        lines.append(f"regimes: {nmi}shares {shares}")
    pace = f"{speed['frames_per_s']:.0f} pictures/s, p99 {speed['p99_ms']:.1f} ms, one thread"
    lines.append(f"{pace}, {speed['cpu_ms']:.1f} ms of processor time each")
    return lines
