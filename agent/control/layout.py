"""The sizes of what policies observe, and the layout's name in their files. `control.encode` fills it.

Imports nothing compiled: the learner's process needs the sizes alone.
"""

from __future__ import annotations

from typing import Any, Final

from agent.core.columns import ENEMY_TOKENS

LAYOUT: Final = "entities-1"
ENEMIES: Final = ENEMY_TOKENS
OBJECTS: Final = 32
TOKENS: Final = ENEMIES + OBJECTS
TOKEN_FEATURES: Final = 12
SECTORS: Final = 16
RING_FEATURES: Final = 10
CARDS: Final = 3
CARD_FEATURES: Final = 64
FRAME_PX: Final = 64
SELF_FEATURES: Final = 36


def describe() -> dict[str, Any]:
    """The layout as plain values, for manifests."""
    return {
        "layout": LAYOUT,
        "self": SELF_FEATURES,
        "tokens": [TOKENS, TOKEN_FEATURES],
        "rings": SECTORS * RING_FEATURES,
        "cards": [CARDS, CARD_FEATURES],
        "frame": [FRAME_PX, FRAME_PX, 3],
    }
