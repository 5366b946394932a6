"""The command `dream`: a world that was learned from recordings, played in the browser."""

from __future__ import annotations

import asyncio
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from agent.commands.options import FLAT
from agent.core.errors import SettingsError


@dataclass(frozen=True)
class DreamOptions:
    """Which world, and how it is played."""

    world: Path
    """The world's file."""
    _: KW_ONLY
    port: int = 8041
    """TCP port on 127.0.0.1; 0 picks one and prints it."""
    recording: Path | None = None
    """Replay this recording beside what the world foresees of it, until a key is pressed."""
    hz: float | None = None
    """Pictures a second. Default: as in the recordings."""
    temperature: float = 0.5
    """How freely a transformer draws; 0 takes the likeliest. The CNN draws nothing."""
    seed: int = 0
    """Seed of where it begins and of what is drawn."""


def dream(options: Annotated[DreamOptions, FLAT]) -> int:
    """Play a world in the browser: keys in, its own pictures out, until interrupted."""
    from agent.core.clock import SystemClock
    from agent.games.options import check_bounds
    from agent.http.dream.server import serve_dream
    from agent.learning.pixels.load import open_episodes
    from agent.learning.pixels.world_file import load_world
    from agent.training.pixels.player import DreamPlayer

    check_bounds("--hz", options.hz, 0.1, 240)
    check_bounds("--temperature", options.temperature, 0, 5)
    saved, episode = load_world(options.world), None
    if options.recording is not None:
        found = open_episodes(options.recording, size_px=saved.world.size_px).labelled()
        if found.layout != saved.action_layout:
            raise SettingsError(f"--recording {options.recording}: its actions are not those of {options.world}")
        episode = found.items[0]
    player = DreamPlayer(saved, seed=options.seed, temperature=options.temperature, episode=episode)
    dt_s = saved.layout.dt_s if options.hz is None else 1.0 / options.hz

    def ready(port: int) -> None:
        print(f"http://127.0.0.1:{port}/", flush=True)

    asyncio.run(serve_dream(player, dt_s=dt_s, port=options.port, clock=SystemClock(), ready=ready))
    return 0
