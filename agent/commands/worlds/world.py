"""The commands `world record`, `world train` and `world validate`: a world that is learned from recordings."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App
from rich.console import Console

from agent.commands.options import FLAT
from agent.concurrency.output import printable
from agent.core.errors import SettingsError
from agent.games.options import GameOptions
from agent.training.pixels.options import ValidateOptions, WorldOptions

app = App(name="world", help="Worlds that are learned from recordings: record games, train, measure.")


@dataclass(frozen=True)
class RecordOptions(GameOptions):
    """Which game, who plays, and where its episodes are kept."""

    _: KW_ONLY
    out: Path
    """The folder of the episodes."""
    policy: str = "random"
    """Who plays. random, of a Gymnasium environment: its own choices, each held for one to six decisions."""
    episodes: int = 100
    """So many; those that the folder has are left."""
    max_frames: int = 600
    """Pictures of an episode, at most."""
    hz: float = 10.0
    """Pictures per second of the arena; of an environment, each decision has one."""
    resize_px: int = 0
    """Keep pictures as squares of so many pixels; 0: as they are."""
    seed: int = 0
    """Seed of the first episode."""
    menus: bool = False
    """Begin at the arena's main menu, not in a run."""


@app.command
def record(options: Annotated[RecordOptions, FLAT]) -> int:
    """Play a hosted game in lock-step and keep each episode as .npz, as fast as the game goes."""
    from agent.commands.players import check_sight
    from agent.control.policies import build_policy
    from agent.games.hosting import build_game
    from agent.games.options import MAX_PICTURE_PX, MIN_PICTURE_PX, check_bounds, check_view, is_gymnasium
    from agent.training.pixels.record import Recorder, write_episodes

    check_view(options)
    check_bounds("--episodes", options.episodes, 1, 1_000_000)
    check_bounds("--max-frames", options.max_frames, 2, 100_000)
    check_bounds("--resize-px", options.resize_px or MIN_PICTURE_PX, MIN_PICTURE_PX, MAX_PICTURE_PX)
    check_bounds("--hz", options.hz, 0.1, 60)
    if options.out.exists() and not options.out.is_dir():
        raise SettingsError(f"--out {options.out}: is a file; name a folder")
    is_environment = is_gymnasium(options.game)
    check_sight(options.policy, options.game)
    game = build_game(options.from_run(options.seed))
    skip = max(1, options.frame_skip or 1) if is_environment else 1
    every = 1 if is_environment else max(1, round(1.0 / (options.hz * game.tick_s)))
    policy = None if is_environment and options.policy == "random" else build_policy(options.policy, seed=options.seed)
    recorder = Recorder(
        game,
        policy,
        every=every,
        max_frames=options.max_frames,
        start="menu" if options.menus else "run",
        size_px=options.resize_px,
    )
    meta = {"hz": 1.0 / (game.tick_s * every * skip), "game": options.game, "policy": options.policy,
            "seed": options.seed, "frame_skip": skip}  # fmt: skip
    console = Console(stderr=True)

    def said(index: int, pictures: int) -> None:
        if index % 10 == 9:
            console.print(f"{index + 1} of {options.episodes} episodes, {pictures:,} pictures", highlight=False)

    try:
        pictures = write_episodes(
            recorder, options.out, prefix=options.policy.replace(":", "-"), episodes=options.episodes,
            seed=options.seed, meta=meta, on_episode=said,
        )  # fmt: skip
    finally:
        game.close()
    print(printable(f"{options.out}: {pictures} pictures recorded"))
    return 0


@app.command
def train(options: Annotated[WorldOptions, FLAT]) -> int:
    """Learn a world from recordings: the tokenizer, the dynamics, and where asked for the regimes."""
    from agent.core.clock import SystemClock
    from agent.training.pixels.train import train_world

    train_world(options, SystemClock(), Console(stderr=True))
    return 0


@app.command
def validate(options: Annotated[ValidateOptions, FLAT]) -> int:
    """Measure a world on episodes that it never saw; prints a JSON report."""
    from agent.core.clock import SystemClock
    from agent.core.files import check_output
    from agent.training.pixels.validate import in_words, validate_world

    if options.report is not None:
        check_output("--report", options.report)
    console = Console(stderr=True)

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    report = validate_world(options, SystemClock(), say)
    for line in in_words(report):
        say(line)
    text = json.dumps(report, indent=2)
    if options.report is not None:
        options.report.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0
