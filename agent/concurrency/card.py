"""A CUDA card as what records work and launches it again, and the same without a card.

The pilot's step has a stream of high priority, the learner one of low priority.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

WARM_UPS = 3
HIGH, LOW = -1, 0


class Cuda:
    """A card. `work` must be free of synchronisation and of anything that reads a value back."""

    pinned = True

    def __init__(self, device: torch.device, stream: Any = None) -> None:
        """`stream`: where the work runs; one of high priority of its own where none is given."""
        self.device = device
        self._stream = torch.cuda.Stream(device, priority=HIGH) if stream is None else stream  # type: ignore[no-untyped-call]
        self._graph = torch.cuda.CUDAGraph()

    def capture(self, work: Callable[[], None]) -> None:
        """Warm up on the stream, then record."""
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                work()
        self._stream.synchronize()
        with torch.cuda.graph(self._graph, stream=self._stream):
            work()

    def replay(self) -> None:
        """Launch the graph and wait for its outputs."""
        with torch.cuda.stream(self._stream):
            self._graph.replay()
        self._stream.synchronize()

    def run(self, work: Callable[[], None]) -> None:
        """Do work on the stream of the replays, after what was begun on the thread's own, and wait for it."""
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            work()
        self._stream.synchronize()


class Dry:
    """No card: the work itself takes the place of its recording."""

    pinned = False

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.replays = 0
        self._work: Callable[[], None] | None = None

    def capture(self, work: Callable[[], None]) -> None:
        """Warm up, and keep the work."""
        for _ in range(WARM_UPS):
            work()
        self._work = work

    def replay(self) -> None:
        """Do the work again."""
        assert self._work is not None, "replayed before it was captured"
        self._work()
        self.replays += 1

    def run(self, work: Callable[[], None]) -> None:
        """Do work."""
        work()
