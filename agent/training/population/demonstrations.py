"""What recordings of an environment show and do, as rows for imitation.

A recorded decision counts where its packet shows the environment's own observation and its action is the environment's
own, as those of a policy that was trained on it are. Owns no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from agent.core.errors import ProtocolError, SettingsError
from agent.core.rollout import ActionSpec
from agent.core.types import EnvAction, EnvObservation, FloatArray
from agent.journal.read import records_of
from agent.journal.records import DecisionRecord, PacketRecord, Record
from agent.learning.imitation import Demonstrations
from agent.link.wire import Limits, decode_action, decode_state
from agent.models.frame_stack import FrameStack

LIMITS: Final = Limits(max_state_bytes=1 << 30, max_enemies=1 << 20)


class RowReader:
    """Rows of the records of one recording, by game; `passed_over` counts decisions that could not be used."""

    def __init__(self, features: int, spec: ActionSpec, frames: int) -> None:
        self._features, self._spec, self._frames = features, spec, frames
        self._seen: dict[int, tuple[int, EnvObservation | None]] = {}
        self._stacks: dict[int, FrameStack] = {}
        self.passed_over = 0
        self.rows: list[tuple[FloatArray, EnvAction]] = []

    def take(self, record: Record) -> None:
        """Take in one record."""
        if isinstance(record, PacketRecord):
            try:
                self._seen[record.game] = (record.number, decode_state(record.state, LIMITS).env)
            except ProtocolError:
                self._seen.pop(record.game, None)
        elif isinstance(record, DecisionRecord) and record.action:
            self._decision(record)

    def _decision(self, record: DecisionRecord) -> None:
        number, env = self._seen.get(record.game, (0, None))
        action = decode_action(record.action[4:])
        stack = self._stacks.setdefault(record.game, FrameStack(self._frames))
        done = action.env if action is not None else None
        if env is None or number != record.packet:
            self.passed_over += 1
            return
        row = stack.push(env, is_first=record.is_first)
        if done is None or len(row) != self._features or not self._fits(done):
            self.passed_over += 1
            return
        self.rows.append((row, done))

    def _fits(self, action: EnvAction) -> bool:
        spec = self._spec
        return len(action.axes) == spec.continuous and len(action.choices) == len(spec.branches) and all(
            0 <= choice < count for choice, count in zip(action.choices, spec.branches, strict=True)
        )  # fmt: skip

    def demonstrations(self) -> Demonstrations:
        """All rows so far."""
        spec, n = self._spec, len(self.rows)
        return Demonstrations(
            np.stack([row for row, _ in self.rows]).astype(np.float32),
            np.array([a.axes for _, a in self.rows], np.float32).reshape(n, spec.continuous),
            np.array([a.choices for _, a in self.rows], np.int64).reshape(n, len(spec.branches)),
        )


def read_demonstrations(paths: Sequence[Path], features: int, spec: ActionSpec, frames: int) -> Demonstrations:
    """The rows of some recordings; raises SettingsError where there are none, RecordingError for a damaged one."""
    rows: list[tuple[FloatArray, EnvAction]] = []
    passed_over = 0
    reader = RowReader(features, spec, frames)
    for path in paths:
        reader = RowReader(features, spec, frames)
        _read(reader, (item.record for item in records_of(path)))
        rows += reader.rows
        passed_over += reader.passed_over
    if not rows:
        named = ", ".join(path.name for path in paths)
        raise SettingsError(
            f"--demos {named}: no decision there shows and does what this game does ({passed_over} do not); record "
            "play of weights that were trained on it"
        )
    reader.rows = rows
    return reader.demonstrations()


def _read(reader: RowReader, records: Iterable[Record]) -> None:
    for record in records:
        reader.take(record)
