"""Widths of the networks: what builds them, and what travels with their weights. Imports no torch."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

SMALL_PX: Final = 36
"""Pictures of a shorter side have a network of their own."""
FLAT_KIND: Final = "flat-policy"
FRAME_KIND: Final = "frame-policy"
"""Kinds of weights that training on an environment writes."""


class EncoderSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Widths of inputs and layers."""

    self_features: int
    tokens: int
    token_features: int
    rings: int
    hidden: int = 128
    token_hidden: int = 48
    picture: int = 64


class PilotSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All widths of a pilot; part of its file's manifest.

    decision_ticks: ticks of the game, of a sixtieth of a second, from one decision to the next.
    """

    encoder: EncoderSizes
    cards: int
    card_features: int
    units: int = 128
    backbone: int = 128
    decision_ticks: int = 4


FlatBody = Literal["towers", "shared"]
FrameBody = Literal["by-size", "small", "nature", "residual"]


class FlatSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Widths of a flat policy; `units` of memory, 0 for none. features: of the last `frames` observations together."""

    features: int
    continuous: int
    branches: tuple[int, ...]
    hidden: int = 64
    units: int = 0
    body: FlatBody = "towers"
    frames: int = 1


class FrameSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture of `height` × `width` with `channels`, `numbers` beside it, and the widths behind them.

    channels, numbers: of the last `frames` observations together; units: of memory, 0 for none.
    """

    height: int
    width: int
    branches: tuple[int, ...]
    channels: int = 3
    filters: int = 16
    hidden: int = 128
    numbers: int = 0
    continuous: int = 0
    body: FrameBody = "by-size"
    frames: int = 1
    units: int = 0


class WorldSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Widths: `obs` features, `action` numbers (see ActionSpec.width), `masks` choices that can be forbidden (or 0)."""

    obs: int
    action: int
    masks: int = 0
    deter: int = 512
    blocks: int = 8
    hidden: int = 256
    stoch: int = 32
    classes: int = 16
    units: int = 256
    layers: int = 2
    bins: int = 255
    unimix: float = 0.01

    @property
    def features(self) -> int:
        """Width of what the heads read."""
        return self.deter + self.stoch * self.classes


TINY: Final = {"deter": 128, "blocks": 1, "hidden": 128, "stoch": 8, "classes": 8, "units": 128, "bins": 63}
"""Widths for games of a few numbers, on one core."""


class OutcomeSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Widths: features of an option, outcomes, features of the situation (0 for none)."""

    option: int
    outcomes: int
    context: int = 0
    hidden: int = 64
    units: int = 64
    members: int = 5


class CpqeSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Widths of a motor's networks on `features` numbers of what is seen and remembered, and `goal` of a subgoal.

    A chunk is `chunk` decisions of `action` numbers in −1 … 1; the critics read its first `executed`. bins: of a
    critic's values between `low` and `high`. hidden: of critics and value.
    """

    features: int
    action: int = 7
    chunk: int = 8
    executed: int = 4
    goal: int = 0
    student_hidden: int = 256
    hidden: int = 128
    layers: int = 3
    members: int = 5
    bins: int = 51
    low: float = 0.0
    high: float = 1.0
