"""The world that foresees pictures, in the learner's process; on a card on its stream of low priority."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from agent.core.errors import RequestError
from agent.learner.surprise.messages import Foresee, Foreseen, OpenWorld, WorldOpened
from agent.learning.pixels.generate import Generator
from agent.learning.pixels.world_file import SavedWorld, load_world


class Foreseer:
    """One world, and what it saw of each game."""

    def __init__(self, message: OpenWorld, device: torch.device) -> None:
        self._saved: SavedWorld = load_world(Path(message.path))
        self._saved.world.to(device)
        self._device = device
        self._games: dict[int, Generator] = {}

    def opened(self) -> WorldOpened:
        """What it is."""
        layout, world = self._saved.layout, self._saved.world
        controls: list[tuple[str, str, int]] = [
            (control.name, control.kind, control.choices) for control in layout.controls
        ]
        return WorldOpened(
            controls=controls, size_px=world.size_px, dt_s=layout.dt_s, length=world.length, place=str(self._device)
        )

    def foresee(self, message: Foresee, payload: bytes) -> Foreseen:
        """The surprise of a picture; raises RequestError for one of another size."""
        size, layout = self._saved.world.size_px, self._saved.action_layout
        if len(payload) != size * size * 3 or len(message.values) != len(layout.controls):
            raise RequestError(400, f"{len(payload)} bytes and {len(message.values)} values are no step of this world")
        pixels = np.frombuffer(payload, np.uint8).reshape(1, size, size, 3)
        frame = torch.from_numpy(pixels.copy()).to(self._device)
        action = torch.from_numpy(layout.encode(np.array(message.values, np.float32)))[None].to(self._device)
        generator = self._games.get(message.game)
        surprise = 0.0
        if generator is None or message.is_first:
            generator = self._games[message.game] = Generator(self._saved.world)
            generator.start(frame[:, None], action[:, None][:, :0])
        else:
            surprise = float(generator.observe(frame, action)[0])
        regime = generator.regime
        return Foreseen(surprise=surprise, regime=-1 if regime is None else int(regime[0].argmax()))
