"""Replay of sequences: rollouts of many games in one ring, in the world model's order, with the latents last computed.

A row holds an observation and what led to it: the action of the step before, and its reward. An episode's end is a row
of its own, which no action leaves. Rows of one game are chained, across rollouts, by serial numbers; the ring
overwrites the oldest. Each stretch that is new is sampled once before others are drawn at random (online queue).
Owns no network.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.core.errors import WeightsError
from agent.core.rollout import ActionSpec, BoolArray, IntArray, Rollout
from agent.core.types import FloatArray

_WORD: Final = (1 << 64) - 1


class Rows(NamedTuple):
    """Steps in the world model's order. actions f32 [T, A]: axes and one-hot branches that led to obs, 0 where first;
    rewards f32 [T] arrived with obs; is_last: the episode ends here; is_terminal: for good. masks bool [T, M] belong
    to the choice at obs.
    """

    obs: FloatArray
    actions: FloatArray
    rewards: FloatArray
    is_first: BoolArray
    is_last: BoolArray
    is_terminal: BoolArray
    masks: BoolArray

    def at(self, index: IntArray | tuple[None]) -> Rows:
        """The rows at `index`, in its shape."""
        flags = self.is_first[index], self.is_last[index], self.is_terminal[index]
        return Rows(self.obs[index], self.actions[index], self.rewards[index], *flags, self.masks[index])


class Batch(NamedTuple):
    """B sequences of T rows, [B, T, …]; `serials` name the rows; deter, stoch: the latent before each sequence."""

    rows: Rows
    serials: IntArray
    deter: FloatArray
    stoch: FloatArray


def written_out(actions_cont: FloatArray, actions_disc: IntArray, spec: ActionSpec) -> FloatArray:
    """Actions as the model sees them, f32 [T, spec.width]: the axes, then every branch one-hot."""
    parts = [actions_cont]
    parts += [np.eye(n, dtype=np.float32)[actions_disc[:, branch]] for branch, n in enumerate(spec.branches)]
    return np.concatenate(parts, 1) if parts else np.zeros((len(actions_cont), 0), np.float32)


class Pending(NamedTuple):
    """The last step of a game's stream: its row, its action and reward; open while its episode goes on."""

    serial: int
    action: FloatArray
    reward: float
    is_open: bool


def to_rows(rollout: Rollout, spec: ActionSpec, pending: Pending | None) -> Rows:
    """A rollout in the world model's order.

    `pending` is the step before the rollout's first row, where that row goes on with its episode; without it the first
    row counts as the first of an episode.
    """
    steps, last = len(rollout), rollout.is_last
    place = np.arange(steps) + np.concatenate([[0], np.cumsum(last[:-1])]).astype(np.int64)
    ends = place[last] + 1
    total = steps + len(ends)
    action = written_out(rollout.actions_cont, rollout.actions_disc, spec)
    masks = np.ones((total, sum(spec.branches)), np.bool_)
    rows = Rows(
        np.empty((total, rollout.obs.shape[1]), np.float32), np.zeros((total, spec.width), np.float32),
        np.zeros(total, np.float32), np.zeros(total, np.bool_), np.zeros(total, np.bool_), np.zeros(total, np.bool_),
        masks,
    )  # fmt: skip
    rows.obs[place], rows.obs[ends] = rollout.obs, rollout.final_obs[last[rollout.is_cut]]
    if rollout.action_masks is not None:
        rows.masks[place] = rollout.action_masks
    rows.is_first[place] = rollout.is_first
    goes_on = ~np.append(rollout.is_first[1:], True) | last
    after = place[goes_on] + 1
    rows.actions[after], rows.rewards[after] = action[goes_on], rollout.rewards[goes_on]
    rows.is_last[ends], rows.is_terminal[ends] = True, rollout.terminated[last]
    if not rollout.is_first[0]:
        if pending is None:
            rows.is_first[0] = True
        else:
            rows.actions[0], rows.rewards[0] = pending.action, pending.reward
    return rows


class Replay:
    """A ring of `capacity` rows."""

    def __init__(
        self, features: int, spec: ActionSpec, deter: int, stoch: int, classes: int, *, capacity: int, seed: int = 0
    ) -> None:
        self.spec, self.capacity, self.classes = spec, capacity, classes
        self._rows = Rows(
            np.zeros((capacity, features), np.float32), np.zeros((capacity, spec.width), np.float32),
            np.zeros(capacity, np.float32), np.zeros(capacity, np.bool_), np.zeros(capacity, np.bool_),
            np.zeros(capacity, np.bool_), np.ones((capacity, sum(spec.branches)), np.bool_),
        )  # fmt: skip
        self._deter = np.zeros((capacity, deter), np.float32)
        self._stoch = np.full((capacity, stoch), -1, np.int16)
        self._before = np.full(capacity, -1, np.int64)
        self._after = np.full(capacity, -1, np.int64)
        self._tails: dict[str, Pending] = {}
        self._fresh: deque[int] = deque()
        self._random = np.random.default_rng(seed)
        self.pushed = 0
        self._floor = 0
        """Serial of the first row that was ever here."""

    def __len__(self) -> int:
        return self.pushed - self._oldest

    @property
    def _oldest(self) -> int:
        """Serial of the oldest row."""
        return max(self._floor, self.pushed - self.capacity)

    def _alive(self, serials: IntArray) -> BoolArray:
        alive: BoolArray = serials >= self._oldest
        return alive

    def push(self, rollout: Rollout, every: int) -> Rows:
        """Take in a rollout; a stretch is queued to be sampled from each `every`-th row. Returns its rows."""
        previous = self._tails.pop(rollout.instance, None)
        rows = to_rows(rollout, self.spec, previous if previous is not None and previous.is_open else None)
        if len(rows.obs) > self.capacity:
            raise ValueError(f"a rollout of {len(rows.obs)} rows does not fit a replay of {self.capacity}")
        serials = np.arange(self.pushed, self.pushed + len(rows.obs))
        slots = serials % self.capacity
        for ring, new in zip(self._rows, rows, strict=True):
            ring[slots] = new
        self._stoch[slots] = -1
        self._before[slots], self._after[slots] = serials - 1, serials + 1
        self.pushed += len(serials)
        self._after[slots[-1]] = -1
        self._before[slots[0]] = -1
        if previous is not None and self._alive(np.array([previous.serial]))[0]:
            self._before[slots[0]], self._after[previous.serial % self.capacity] = previous.serial, serials[0]
        action = written_out(rollout.actions_cont[-1:], rollout.actions_disc[-1:], self.spec)[0]
        self._tails[rollout.instance] = Pending(
            int(serials[-1]), action, float(rollout.rewards[-1]), not rollout.is_last[-1]
        )
        self._fresh.extend(serials[::every].tolist())
        return rows

    def _chains(self, starts: IntArray, length: int) -> tuple[IntArray, BoolArray]:
        """Serials [n, length] from each start on, and which chains are long enough and still there."""
        chain = np.empty((len(starts), length), np.int64)
        whole = self._alive(starts)
        at = starts
        for t in range(length):
            chain[:, t] = at
            at = np.where(whole, self._after[at % self.capacity], -1)
            if t < length - 1:
                whole &= self._alive(at)
        return chain, whole

    def sample(self, batch: int, length: int) -> Batch | None:
        """`batch` sequences of `length` rows, new stretches first; None while no stretch is that long."""
        found: list[IntArray] = []
        waiting = np.array([self._fresh.popleft() for _ in range(min(len(self._fresh), batch))], np.int64)
        if len(waiting):
            chain, whole = self._chains(waiting, length)
            found.append(chain[whole])
            grows = waiting[~whole & self._alive(waiting)]
            self._fresh.extend(grows[grows > self.pushed - 4 * length].tolist())
        for _ in range(64):
            missing = batch - sum(len(c) for c in found)
            if missing <= 0 or not len(self):
                break
            chain, whole = self._chains(self._random.integers(self._oldest, self.pushed, 2 * missing), length)
            found.append(chain[whole][:missing])
        serials = np.concatenate(found) if found else np.zeros((0, length), np.int64)
        return self._gather(serials) if len(serials) == batch else None

    def _gather(self, serials: IntArray) -> Batch:
        slots = serials % self.capacity
        rows = self._rows.at(slots)
        before = self._before[slots[:, 0]]
        at = before % self.capacity
        known = self._alive(before) & (self._stoch[at, 0] >= 0)
        rows.is_first[:, 0] |= ~known
        stoch = np.eye(self.classes, dtype=np.float32)[self._stoch[at]]
        return Batch(rows, serials, self._deter[at] * known[:, None], stoch * known[:, None, None])

    def store(self, serials: IntArray, deter: FloatArray, stoch: NDArray[np.int16]) -> None:
        """Keep the latents [B, T, …] (stoch as indices) that the model has just computed for a batch's rows."""
        there = self._alive(serials)
        slots = serials[there] % self.capacity
        self._deter[slots], self._stoch[slots] = deter[there], stoch[there]

    # --- what a restart needs ----------------------------------------------------------------------------------

    def _columns(self) -> dict[str, NDArray[Any]]:
        """Every array with a row for each slot."""
        columns: dict[str, NDArray[Any]] = dict(zip(Rows._fields, self._rows, strict=True))
        columns |= {"deter": self._deter, "stoch": self._stoch, "before": self._before, "after": self._after}
        return columns

    def arrays(self, max_bytes: int, max_tails: int) -> dict[str, NDArray[Any]]:
        """The newest rows that fit into `max_bytes`, oldest first, and all else; copies."""
        columns = self._columns()
        width = sum(column[:1].nbytes for column in columns.values())
        kept = min(len(self), max_bytes // width)
        slots = np.arange(self.pushed - kept, self.pushed) % self.capacity
        state: Any = self._random.bit_generator.state
        words = [state["state"][key] >> shift & _WORD for key in ("state", "inc") for shift in (0, 64)]
        found: dict[str, NDArray[Any]] = {f"rows.{name}": column[slots] for name, column in columns.items()}
        found["counts"] = np.array([self.pushed, kept], np.int64)
        found["fresh"] = np.array(self._fresh, np.int64)
        found["random"] = np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64)
        for name, tail in list(self._tails.items())[-max_tails:]:
            found[f"tail.{name}"] = np.array([tail.serial, tail.reward, tail.is_open, *tail.action], np.float64)
        return found

    def check(self, given: dict[str, NDArray[Any]]) -> None:
        """Raise WeightsError where `load` could not take these arrays up."""
        counts = given.get("counts")
        if counts is None or counts.shape != (2,) or not 0 <= counts[1] <= min(self.capacity, counts[0]):
            raise WeightsError(f"replay: counts {counts} do not fit a replay of {self.capacity} rows")
        wanted = {f"rows.{name}": ((int(counts[1]), *c.shape[1:]), c.dtype) for name, c in self._columns().items()}
        wanted["random"] = ((6,), np.dtype(np.uint64))
        for name, (shape, dtype) in wanted.items():
            array = given.get(name)
            if array is None or array.shape != shape or array.dtype != dtype:
                found = "missing" if array is None else f"{array.dtype} {list(array.shape)}"
                raise WeightsError(f"replay: {name} is {found}, not {dtype} {list(shape)}")

    def load(self, given: dict[str, NDArray[Any]]) -> None:
        """Take up what `arrays` gave and `check` passed."""
        self.pushed, kept = (int(n) for n in given["counts"])
        self._floor = self.pushed - kept
        slots = np.arange(self._floor, self.pushed) % self.capacity
        for name, column in self._columns().items():
            column[slots] = given[f"rows.{name}"]
        self._fresh = deque(int(s) for s in given["fresh"])
        low, high, low_inc, high_inc, has, last = (int(w) for w in given["random"])
        state = {"state": low | high << 64, "inc": low_inc | high_inc << 64}
        self._random.bit_generator.state = {
            "bit_generator": "PCG64", "state": state, "has_uint32": has, "uinteger": last
        }  # fmt: skip
        self._tails = {
            name.removeprefix("tail."): Pending(
                int(tail[0]), tail[3:].astype(np.float32), float(tail[1]), bool(tail[2])
            )
            for name, tail in given.items() if name.startswith("tail.")
        }  # fmt: skip
