"""Gradients of a loss over inputs of one shape: computed as they come, or recorded once and replayed.

A training step of a recurrent model is thousands of small kernels; on a card their launches cost more than their
arithmetic, and a CUDA graph launches them all at once. What records is handed in (`concurrency.card.Cuda`; `Dry`, which
does everything but record): this room has no streams. Optimisers stay outside, since their rates change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Work = Callable[[Sequence[Tensor]], list[Tensor]]


class GraphRecorder(Protocol):
    """Records one piece of work and launches it again. The work must not read a value back, or wait for one."""

    def capture(self, work: Callable[[], None]) -> None:
        """Do the work some times, then record it."""
        ...

    def replay(self) -> None:
        """Do what was recorded, and wait for its end."""
        ...


class Place(NamedTuple):
    """Where networks learn: a device, and what makes recorders there, if steps are recorded at all."""

    device: torch.device = torch.device("cpu")
    recorder: Callable[[], GraphRecorder] | None = None


ON_CPU = Place()


class Recorded:
    """Calls `work` on tensors whose shapes never change. `kept` are buffers that it changes in place.

    Recording does the work more than once; `kept` and torch's random numbers are then as if it had not.
    """

    def __init__(self, work: Work, place: Place, kept: Sequence[Tensor] = ()) -> None:
        self._work, self._make, self._kept = work, place.recorder, kept
        self._recorder: GraphRecorder | None = None
        self._static: list[Tensor] = []
        self._out: list[Tensor] = []

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """What `work` makes of the inputs; raises ValueError where a shape is not that of the first call."""
        if self._make is None:
            return self._work(inputs)
        if self._recorder is None:
            self._recorder = self._record(self._make(), inputs)
        for static, given in zip(self._static, inputs, strict=True):
            if static.shape != given.shape:
                raise ValueError(f"a recorded step takes {tuple(static.shape)}, not {tuple(given.shape)}")
            static.copy_(given)
        self._recorder.replay()
        return [tensor.clone() for tensor in self._out]

    def _record(self, recorder: GraphRecorder, inputs: Sequence[Tensor]) -> GraphRecorder:
        self._static = [tensor.clone() for tensor in inputs]
        before, rng = [tensor.clone() for tensor in self._kept], torch.get_rng_state()

        def work() -> None:
            self._out = self._work(self._static)

        recorder.capture(work)
        torch.set_rng_state(rng)
        for tensor, was in zip(self._kept, before, strict=True):
            tensor.copy_(was)
        return recorder
