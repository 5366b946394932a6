"""The process that makes the pictures of dreams that are games; run by `games.dream.env` with a world's file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from agent.concurrency.frames import Message
from agent.concurrency.serving import serve_calls
from agent.core.errors import RequestError
from agent.games.dream.messages import Asked, DreamControl, Leave, Open, Opened, Reset, Shown, Step
from agent.learning.pixels.generate import Generator
from agent.learning.pixels.world_file import SavedWorld, load_world

TEMPERATURE = 0.5


class Dreams:
    """The dreams of one world that are played, by their number."""

    def __init__(self, saved: SavedWorld) -> None:
        self._saved = saved
        self._played: dict[int, Generator] = {}

    def answer(self, message: Asked) -> tuple[Message, bytes]:
        """One answer, with its picture."""
        if isinstance(message, Open):
            layout = self._saved.layout
            controls = [DreamControl(c.name, c.kind, c.choices) for c in layout.controls]
            size_px = self._saved.world.size_px
            return Opened(controls=controls, size_px=size_px, dt_s=layout.dt_s, has_outcomes=layout.has_outcomes), b""
        if isinstance(message, Reset):
            return Shown(), self._reset(message)
        if isinstance(message, Leave):
            self._played.pop(message.number, None)
            return Shown(), b""
        return self._step(message)

    def _reset(self, message: Reset) -> bytes:
        saved = self._saved
        generator = self._played[message.number] = Generator(saved.world, temperature=TEMPERATURE, seed=message.seed)
        index = message.seed % len(saved.frames)
        generator.start(torch.from_numpy(saved.frames[index][None]), torch.from_numpy(saved.actions[index][None, :-1]))
        return generator.latest[0].numpy().tobytes()

    def _step(self, message: Step) -> tuple[Message, bytes]:
        generator, layout = self._played.get(message.number), self._saved.action_layout
        if generator is None or len(message.values) != len(layout.controls):
            raise RequestError(400, f"dream {message.number}: {len(message.values)} values, or it was not begun")
        before = generator.latest
        action = layout.encode(np.array(message.values, np.float32))
        made = generator.step(torch.from_numpy(action)[None])
        reward, end = 0.0, 0.0
        if self._saved.layout.has_outcomes:
            rewards, ends = generator.outcome(before, made)
            reward, end = float(rewards[0]), float(ends[0])
        return Shown(reward=reward, end=end), made[0].numpy().tobytes()


def main(path: Path) -> None:
    """Serve one world until the parent leaves; a file that cannot be loaded is the answer to the first call."""
    torch.set_num_threads(1)
    dreams: list[Dreams] = []

    def handler(message: Asked, payload: bytes) -> tuple[Message, bytes]:
        if not dreams:
            dreams.append(Dreams(load_world(path)))
        return dreams[0].answer(message)

    serve_calls(Asked, handler)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
