"""Options that several commands share, and how a dataclass of options becomes a command's.

A command's options are one dataclass: type, default and help stand there once. The text below a field is its help.
The command line flattens the dataclass into options and hands the same object to the code that does the work. A room
that does the work keeps the dataclass itself, as `games.options` and `training.options` do; those modules import
nothing that is slow to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cyclopts import Parameter

FLAT: Final = Parameter(name="*")
"""Each field of the dataclass is an option of the command."""


@dataclass(frozen=True, kw_only=True)
class PolicyOptions:
    """Who plays."""

    policy: str | None = None
    """random, kiter, router, motor, motor-best-of-8, dreamer, or a name that contains pilot: the shipped weights,
    unless it is untrained. MODULE:FACTORY is a policy of your own, found in the current folder or installed. Default:
    what the weights are, else pilot."""
    weights: Path | None = None
    """A sealed .safetensors file, as `train` writes it: a pilot, a motor, a dreamer, or a policy of a Gymnasium
    environment."""
