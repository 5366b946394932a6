"""A replay of decisions as short windows: what a recurrent policy needs to learn from any of them again.

A window is `length` decisions of one game and what was seen after them, with the memory before the first. Windows lie
in a ring that is bounded in bytes; the oldest are overwritten. Owns no network and no file.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from agent.core.errors import WeightsError
from agent.core.rollout import ActionSpec, Rollout

HALF_MAX: Final = 6.0e4
"""Observations are kept in 16 bits, and cut to what these hold."""


class Windows(msgspec.Struct, frozen=True, eq=False):
    """W windows of L decisions; row L of obs, is_first, elapsed_s and allowed is what was seen after the last one.

    `weight` is 0 for padding. truncated: what followed the decision is not the next row.
    """

    obs: Float[Tensor, "W L1 D"]
    carry: Float[Tensor, "W U"]
    is_first: Bool[Tensor, "W L1"]
    elapsed_s: Float[Tensor, "W L1"]
    allowed: Bool[Tensor, "W L1 M"]
    axes: Float[Tensor, "W L C"]
    choices: Int64[Tensor, "W L N"]
    rewards: Float[Tensor, "W L"]
    terminated: Bool[Tensor, "W L"]
    truncated: Bool[Tensor, "W L"]
    weight: Float[Tensor, "W L"]

    def rows(self, part: slice) -> Windows:
        """Some of the windows."""
        return Windows(*(getattr(self, name)[part] for name in self.__struct_fields__))


def joined(parts: list[Windows]) -> Windows:
    """The windows of several batches in one."""
    return Windows(*(torch.cat([getattr(p, name) for p in parts]) for name in Windows.__struct_fields__))


def cut_windows(rollout: Rollout, length: int, carry: Float[Tensor, "W U"], allowed: Bool[Tensor, "T M"]) -> Windows:
    """A rollout as windows of `length`; `carry`: the memory before each of them."""
    steps = len(rollout)
    count = -(-steps // length)
    missing = count * length - steps

    def rows(values: Any, fill: float = 0.0) -> Tensor:
        x = torch.as_tensor(values)
        padding = torch.full((missing, *x.shape[1:]), fill, dtype=x.dtype)
        return torch.cat([x, padding]).reshape(count, length, *x.shape[1:])

    def and_after(values: Any, last: Any, fill: float = 0.0) -> Tensor:
        """Windows [W, L+1, …], with the row after each one."""
        x, end = torch.as_tensor(values), torch.as_tensor(last)[None]
        padding = torch.full((missing, *x.shape[1:]), fill, dtype=x.dtype)
        every = torch.cat([x, end, padding])
        starts = torch.arange(count)[:, None] * length + torch.arange(length + 1)
        return every[starts]

    cut = rollout.is_cut & ~rollout.terminated
    cut[-1] &= bool(rollout.truncated[-1])  # what followed the last row is there
    return Windows(
        obs=and_after(rollout.obs, rollout.final_obs[-1]), carry=carry,
        is_first=and_after(rollout.is_first, np.bool_(False), 1.0),
        elapsed_s=and_after(rollout.elapsed_s, rollout.elapsed_s[-1]),
        allowed=and_after(allowed, torch.ones(allowed.shape[1], dtype=torch.bool), 1.0),
        axes=rows(rollout.actions_cont), choices=rows(rollout.actions_disc), rewards=rows(rollout.rewards),
        terminated=rows(rollout.terminated), truncated=rows(cut), weight=rows(np.ones(steps, np.float32)),
    )  # fmt: skip


class WindowReplay:
    """A ring of windows in at most `max_bytes`; `decisions` counts all that were ever added."""

    def __init__(self, features: int, spec: ActionSpec, units: int, length: int, *, max_bytes: int) -> None:
        c, n, m = spec.continuous, len(spec.branches), sum(spec.branches)
        after = length + 1
        self._shapes: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
            "obs": ((after, features), np.float16), "carry": ((units,), np.float32), "is_first": ((after,), np.bool_),
            "elapsed_s": ((after,), np.float32), "allowed": ((after, m), np.bool_), "axes": ((length, c), np.float32),
            "choices": ((length, n), np.int16), "rewards": ((length,), np.float32),
            "terminated": ((length,), np.bool_), "truncated": ((length,), np.bool_), "weight": ((length,), np.float32),
        }  # fmt: skip
        window_bytes = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in self._shapes.values())
        self.window_bytes, self.length = window_bytes, length
        self.capacity = max(1, max_bytes // window_bytes)
        self.decisions = self._next = self._count = 0
        self._arrays = {name: np.zeros((0, *shape), dtype) for name, (shape, dtype) in self._shapes.items()}

    def __len__(self) -> int:
        return self._count

    @property
    def held(self) -> int:
        """Decisions that are in it now."""
        return int(self._arrays["weight"][: self._count].sum())

    def add(self, windows: Windows) -> None:
        """Take windows in; the oldest go where the ring is full."""
        for start in range(0, windows.obs.shape[0], self.capacity):
            self._add(windows, slice(start, start + self.capacity))
        self.decisions += int(windows.weight.sum())

    def _add(self, windows: Windows, part: slice) -> None:
        new = len(windows.obs[part])
        self._grow(min(self.capacity, self._count + new))
        at = (self._next + np.arange(new)) % self.capacity
        for name, array in self._arrays.items():
            values = getattr(windows, name)[part].numpy()
            array[at] = np.clip(values, -HALF_MAX, HALF_MAX) if name == "obs" else values
        self._next = int((self._next + new) % self.capacity)
        self._count = min(self.capacity, self._count + new)

    def _grow(self, count: int) -> None:
        """Make room for so many windows; memory is taken as it is needed."""
        held = len(self._arrays["obs"])
        if count > held:
            room = min(self.capacity, max(count, 2 * held, 64))
            for name, array in self._arrays.items():
                grown = np.zeros((room, *array.shape[1:]), array.dtype)
                grown[:held] = array
                self._arrays[name] = grown

    def sample(self, count: int, random: np.random.Generator) -> Windows:
        """So many windows, drawn evenly with replacement."""
        return self.rows(random.integers(0, self._count, count))

    def rows(self, index: NDArray[np.int64]) -> Windows:
        """The windows at these places."""
        found = {name: torch.from_numpy(array[index]) for name, array in self._arrays.items()}
        return Windows(**found | {"obs": found["obs"].float(), "choices": found["choices"].long()})

    def arrays(self, max_bytes: int) -> dict[str, NDArray[Any]]:
        """The newest windows that fit into `max_bytes`, the oldest first, and the count of decisions."""
        kept = min(self._count, max_bytes // self.window_bytes)
        at = (self._next - kept + np.arange(kept)) % self.capacity
        return {"decisions": np.array(self.decisions), **{n: array[at] for n, array in self._arrays.items()}}

    def check(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Raise WeightsError where `arrays` are not what another replay of these sizes gave."""
        if "decisions" not in arrays or arrays["decisions"].shape != ():
            raise WeightsError("the replay's decisions are missing")
        counts = set()
        for name, (shape, dtype) in self._shapes.items():
            array = arrays.get(name)
            if array is None or array.shape[1:] != shape or array.dtype != dtype:
                raise WeightsError(f"the replay's {name} is missing or not {np.dtype(dtype)} [*, {shape}]")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise WeightsError(f"the replay's {name} holds a number that is not finite")
            counts.add(len(array))
        if len(counts) != 1:
            raise WeightsError("the replay's arrays differ in length")

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Hold what `arrays` gave, the newest of it where it is too much; `check` it before."""
        kept = {name: arrays[name][-self.capacity :] for name in self._shapes}
        self._count = len(kept["obs"])
        self._arrays = {name: array.copy() for name, array in kept.items()}
        self._next = self._count % self.capacity
        self.decisions = int(arrays["decisions"])
