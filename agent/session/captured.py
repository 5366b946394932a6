"""A whole step on a card as one CUDA graph: pinned inputs in, the step's kernels, pinned outputs out.

Inputs, outputs and weights keep their addresses; new weights are copied into the live ones between two steps. Replays
run on a stream of high priority, so that a learner on the same card waits for play and not the reverse. With `Dry` the
same happens without a card, but for the capture and the launch, with the kernels' references in between.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
import torch
from torch import Tensor

from agent.concurrency.card import Cuda, Dry
from agent.concurrency.supervise import Failure, attempt
from agent.control import encode
from agent.control.motor import Network, decide_on
from agent.control.reflex.network import AXES, BUTTONS, Decision, Reflex, Tensors
from agent.control.reflex.paths import FULL, Chosen, fastest, measure
from agent.core.errors import WeightsError
from agent.core.types import FloatArray
from agent.models.kernel_pilot import KernelPilot, StepInputs, StepOutputs
from kernels.library import ran


def live_tensors(owner: Any) -> list[Tensor]:
    """Every tensor that an object holds, in a fixed order: those that a graph knows by address."""
    if isinstance(owner, Tensor):
        return [owner]
    if isinstance(owner, dict):
        return [t for key in sorted(owner) for t in live_tensors(owner[key])]
    if isinstance(owner, tuple | list):
        return [t for part in owner for t in live_tensors(part)]
    return []


class CapturedStep:
    """A pilot's step of a fixed number of games, recorded once."""

    def __init__(self, pilot: KernelPilot, inputs: StepInputs, device: Cuda | Dry) -> None:
        """`inputs` are examples on the host: their shapes are the step's."""
        self._pilot, self._device = pilot, device
        self._host_in = StepInputs(*(self._host(t) for t in inputs))
        self._static = StepInputs(*(torch.empty_like(t, device=device.device) for t in inputs))
        before = ran.copy()
        example = pilot.step(StepInputs(*(t.to(device.device) for t in inputs)))
        self.paths = {name: count for name, count in (ran - before).items()}
        self._host_out = StepOutputs(*(self._host(t.float().cpu()) for t in example))
        device.capture(self._work)

    def _host(self, tensor: Tensor) -> Tensor:
        return tensor.clone().pin_memory() if self._device.pinned else tensor.clone()

    @torch.inference_mode()
    def _work(self) -> None:
        for static, host in zip(self._static, self._host_in, strict=True):
            static.copy_(host, non_blocking=True)
        for host, out in zip(self._host_out, self._pilot.step(self._static), strict=True):
            host.copy_(out, non_blocking=True)

    def step(self, inputs: StepInputs) -> StepOutputs:
        """One step; what is returned is overwritten by the next. Raises ValueError where a shape differs."""
        for host, given in zip(self._host_in, inputs, strict=True):
            if host.shape != given.shape:
                raise ValueError(f"a captured step takes {tuple(host.shape)}, not {tuple(given.shape)}")
            host.copy_(given)
        self._device.replay()
        return self._host_out

    def fits(self, other: KernelPilot) -> bool:
        """Whether another pilot's weights can take the place of the live ones."""
        live, new = live_tensors(self._pilot.weights()), live_tensors(other.weights())
        return [(t.shape, t.dtype) for t in live] == [(t.shape, t.dtype) for t in new]

    def reload(self, other: KernelPilot) -> None:
        """Copy another pilot's weights into the live ones; raises WeightsError, and changes nothing, if they differ."""
        if not self.fits(other):
            raise WeightsError("the new weights have other shapes or another format than those of the captured step")
        live, new = live_tensors(self._pilot.weights()), live_tensors(other.weights())

        def copy() -> None:
            for old, fresh in zip(live, new, strict=True):
                old.copy_(fresh)

        self._device.run(copy)

    def as_builtins(self) -> dict[str, Any]:
        """For `/status`: the kernels of one step under the names they ran by."""
        return {"path": "dry run" if isinstance(self._device, Dry) else "CUDA graph", "kernels": dict(self.paths)}


_NOT_SEEN: Final = np.zeros(0, np.float32)


def step_inputs(batch: encode.Encoded, picture: FloatArray, hidden: FloatArray, ticks: float) -> StepInputs:
    """One game's step as tensors on the host."""
    parts = (batch.self_[0], batch.tokens[0], batch.mask[0], batch.rings[0], batch.cards[0], picture, hidden, ticks)
    return StepInputs(*(torch.from_numpy(np.array(part, np.float32)[None]) for part in parts))


def decide_captured(
    captured: CapturedStep, batch: encode.Encoded, picture: FloatArray, hidden: FloatArray, ticks: float
) -> Decision:
    """One decision by a captured step."""
    out = captured.step(step_inputs(batch, picture, hidden, ticks))
    heads, cards, after = (t[0].numpy().copy() for t in out)
    return Decision(heads[:AXES], heads[AXES : AXES + BUTTONS], cards, float(heads[AXES + BUTTONS]), after, _NOT_SEEN)


class OnCard:
    """A `Place` for a pilot: a card where it works and is faster, else the processor.

    The step is captured at the first weights of four bits; later ones of the same form are copied under the recording.
    `device` makes the card, or None where there is none; `say` hears why a card that is there is not used. `measured`
    replaces the measure, µs a step.
    """

    def __init__(
        self,
        device: Callable[[], Cuda | Dry | None],
        now_s: Callable[[], float],
        say: Callable[[str], None],
        *,
        measured: dict[str, float] | None = None,
    ) -> None:
        self._make, self._now_s, self._say, self._given = device, now_s, say, measured
        self._device: Cuda | Dry | None = None
        self._captured: CapturedStep | None = None
        self._tried = False
        self._name, self._measured, self._reason = FULL, dict[str, float](), ""

    def __call__(self, tensors: Tensors, chosen: Chosen) -> tuple[Chosen, Callable[[], Network] | None]:
        """The weights' way, named by the kernels that ran, and what takes it up; raises nothing of the card's."""
        if not self._tried:
            self._tried = True
            failed = attempt(lambda: self._begin(tensors, chosen.reflex))
            if isinstance(failed, Failure):
                self._reason = self._refuse(failed.reason)
        captured, device = self._captured, self._device
        if captured is None or device is None:
            return msgspec.structs.replace(chosen, measured_us=self._measured, without_card=self._reason), None
        pilot = attempt(lambda: _pilot(tensors, device))
        if isinstance(pilot, Failure) or not captured.fits(pilot):
            reason = pilot.reason if isinstance(pilot, Failure) else "play began with weights of another form"
            return msgspec.structs.replace(chosen, without_card=self._refuse(reason)), None

        def take_up() -> Network:
            captured.reload(pilot)
            return partial(decide_captured, captured)

        return msgspec.structs.replace(chosen, path=self._name, measured_us=self._measured), take_up

    def _refuse(self, reason: str) -> str:
        self._say(f"The graphics card does not compute these weights, the processor does: {reason}")
        return reason

    def _begin(self, tensors: Tensors, reflex: Reflex) -> None:
        """Capture the step and measure it against the processor's; its tensors are its own, later ones copy there."""
        device = self._make()
        if device is None:
            return
        batch = encode.Encoded.empty(1)
        hidden, picture = np.zeros(reflex.gates.b.shape[0] // 4, np.float32), np.zeros_like(reflex.picture.b)
        captured = CapturedStep(_pilot(tensors, device), step_inputs(batch, picture, hidden, 4.0), device)
        shown = captured.as_builtins()
        ran_by = ", ".join(f"{kernel} ×{count}" for kernel, count in sorted(shown["kernels"].items()))
        name = f"{shown['path']}: {ran_by}"
        measured = self._given
        if measured is None:
            ways = {FULL: partial(decide_on, reflex), name: partial(decide_captured, captured)}
            measured = measure(ways, lambda decide: decide(batch, picture, hidden, 4.0), self._now_s)
        self._measured = measured
        if fastest(measured) != FULL:
            self._device, self._captured, self._name = device, captured, name


def _pilot(tensors: Tensors, device: Cuda | Dry) -> KernelPilot:
    dtype = torch.float32 if isinstance(device, Dry) else torch.float16
    return KernelPilot(tensors, device.device, dtype)
