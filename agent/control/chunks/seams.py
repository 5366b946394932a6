"""Where one chunk gives way to the next: which actions were executed, and which are certain before the next is made.

Decisions are counted, never seconds: a chunk that took d decisions to make begins where d of its actions were executed.
"""

from __future__ import annotations

import msgspec
import numpy as np

from agent.core.types import FloatArray


class Running(msgspec.Struct):
    """A chunk that is executed action by action: `rows` [H, A], of which the first `taken` were."""

    rows: FloatArray
    taken: int = 0

    @property
    def left(self) -> int:
        """Actions that are not executed yet."""
        return len(self.rows) - self.taken

    def take(self) -> FloatArray:
        """The next action [A], which counts as executed; raises IndexError where none is left."""
        action: FloatArray = self.rows[self.taken]
        self.taken += 1
        return action

    def ahead(self, decisions: int) -> tuple[FloatArray, FloatArray]:
        """What is certain of a chunk that begins now, with `decisions` to go before it acts: actions [W], known [H].

        Zeros after them. Raises ValueError where so many are not left: then nobody knows what is executed meanwhile.
        """
        if decisions > self.left:
            raise ValueError(f"{decisions} decisions ahead, {self.left} actions are left")
        actions, known = np.zeros_like(self.rows), np.zeros(len(self.rows), np.float32)
        actions[:decisions] = self.rows[self.taken : self.taken + decisions]
        known[:decisions] = 1.0
        return actions.reshape(-1), known

    def rest(self) -> FloatArray:
        """What is left, as a whole chunk [W]: its last action goes on where it is short."""
        left = self.rows[min(self.taken, len(self.rows) - 1) :]
        whole: FloatArray = np.concatenate([left, np.repeat(self.rows[-1:], len(self.rows) - len(left), 0)])
        return whole.reshape(-1)

    def follow(self, rows: FloatArray, meanwhile: int) -> None:
        """Go on with a new chunk [H, A], whose first `meanwhile` actions were executed while it was made."""
        self.rows, self.taken = rows, meanwhile
