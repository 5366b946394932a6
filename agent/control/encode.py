"""Game states to arrays of fixed shape, all positions turned into the camera's frame.

Owns no network. What a state lacks (no BLX2, no cards, no run) is zero. The layout is part of every policy file:
`LAYOUT` goes into its manifest, and a file of another layout is refused.
"""

from __future__ import annotations

import math
import zlib
from functools import lru_cache
from typing import Final

import cv2
import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from agent.control.arrays import surroundings
from agent.control.layout import (
    CARD_FEATURES,
    CARDS,
    ENEMIES,
    FRAME_PX,
    LAYOUT,
    OBJECTS,
    RING_FEATURES,
    SECTORS,
    SELF_FEATURES,
    TOKEN_FEATURES,
    TOKENS,
    describe,
)
from agent.core.clock import TICK_HZ
from agent.core.columns import EnemyColumn, RingColumn, SelfColumn, TokenColumn
from agent.core.types import Action, ByteArray, FloatArray, Frame, GameState, Menu, ObjectKind

__all__ = [
    "CARDS", "CARD_FEATURES", "ENEMIES", "FRAME_PX", "LAYOUT", "OBJECTS", "RING_FEATURES", "SECTORS", "SELF_FEATURES",
    "TOKENS", "TOKEN_FEATURES", "Encoded", "caption_features", "describe", "encode_frame", "encode_state", "fill_self",
    "fill_tokens",
]  # fmt: skip
SIGHT_M: Final = 45.0
MAP_HALF_M: Final = 96.0
PORTAL: Final = int(ObjectKind.PORTAL)
_MENUS: Final = (
    Menu.MAIN, Menu.CHARACTER, Menu.MAP, Menu.LOADING, Menu.LEVEL_UP, Menu.CHEST, Menu.ENCOUNTER, Menu.PAUSE,
    Menu.DEATH, Menu.RESULTS,
)  # fmt: skip


class Encoded(msgspec.Struct, frozen=True, eq=False):
    """One batch: self [B, 36], tokens [B, 80, 12], mask [B, 80] (1 where there is one), rings [B, 160] and
    cards [B, 3, 64] are f32; a card row of zeros is no card.
    """

    self_: FloatArray
    tokens: FloatArray
    mask: FloatArray
    rings: FloatArray
    cards: FloatArray

    @staticmethod
    def empty(batch: int) -> Encoded:
        """Zeros for a batch."""
        return Encoded(
            np.zeros((batch, SELF_FEATURES), np.float32),
            np.zeros((batch, TOKENS, TOKEN_FEATURES), np.float32),
            np.zeros((batch, TOKENS), np.float32),
            np.zeros((batch, SECTORS * RING_FEATURES), np.float32),
            np.zeros((batch, CARDS, CARD_FEATURES), np.float32),
        )


def encode_state(state: GameState, elapsed_s: float, last: Action, out: Encoded, row: int) -> None:
    """Write one state into row `row` of a batch; `last` is the action before it."""
    scene, run = state.scene, state.run
    yaw = scene.camera_yaw_rad if scene is not None else 0.0
    around = surroundings(state)
    x, y, z = state.position
    fill_tokens(
        x, y, z, yaw, *around,
        out.tokens[row], out.mask[row], out.rings[row].reshape(SECTORS, RING_FEATURES),
    )  # fmt: skip
    counters = (float(run.level), run.xp_fraction, float(run.kills), float(run.gold)) if run is not None else (0.0,) * 4
    menu = _MENUS.index(state.current_menu) + 1 if state.current_menu in _MENUS else 0
    held = last.fire + 2 * last.ability + 4 * last.interact
    fill_self(
        out.self_[row], x, z, yaw, scene.camera_pitch_rad if scene is not None else 0.0, state.velocity,
        state.health, state.max_health, state.game_time_s, counters, len(state.enemies), menu, elapsed_s,
        (*last.move, *last.look), held,
    )  # fmt: skip
    cards = out.cards[row]
    cards[:] = 0.0
    for index, caption in enumerate(state.level_up_options[:CARDS]):
        cards[index] = caption_features(caption)


@lru_cache(maxsize=4096)
def caption_features(caption: str) -> FloatArray:
    """Signed hashes of a caption's words before its numbers, f32 [64] of length one; 0 for no words."""
    features = np.zeros(CARD_FEATURES, np.float32)
    for word in caption.lower().replace("(", " ").replace(")", " ").replace(":", " ").replace(",", " ").split():
        if not word.isalpha():
            continue
        code = zlib.crc32(word.encode())
        features[code % (CARD_FEATURES - 1)] += 1.0 if code & 0x10000 else -1.0
    length = float(np.linalg.norm(features))
    if length > 0:
        features /= length
    features[-1] = 1.0
    features.flags.writeable = False
    return features


def encode_frame(frame: Frame) -> ByteArray:
    """The picture at 64 × 64, u8 [64, 64, 3]."""
    return np.asarray(cv2.resize(frame.pixels, (FRAME_PX, FRAME_PX), interpolation=cv2.INTER_AREA), np.uint8)


@njit(cache=True)
def fill_self(
    out: FloatArray,
    x: float,
    z: float,
    yaw: float,
    pitch: float,
    velocity: tuple[float, float, float],
    health: float,
    maximum: float,
    time_s: float,
    counters: tuple[float, float, float, float],
    enemies: int,
    menu: int,
    elapsed_s: float,
    axes: tuple[float, float, float, float],
    held: int,
) -> None:
    """Features of the player and the run; `counters` are level, XP share, kills, gold; `menu` 0 is play."""
    sin, cos = math.sin(yaw), math.cos(yaw)
    out[:] = 0.0
    out[SelfColumn.RIGHT_SPEED] = (velocity[0] * cos - velocity[2] * sin) * 0.1
    out[SelfColumn.AHEAD_SPEED] = (velocity[0] * sin + velocity[2] * cos) * 0.1
    out[SelfColumn.UP_SPEED] = velocity[1] * 0.1
    out[SelfColumn.HEALTH] = health / max(maximum, 1.0)
    out[SelfColumn.MAX_HEALTH] = math.log1p(max(maximum, 0.0)) * 0.2
    out[SelfColumn.TIME] = min(time_s / 600.0, 4.0)
    out[SelfColumn.LEVEL] = counters[0] * 0.02
    out[SelfColumn.XP] = counters[1]
    out[SelfColumn.KILLS] = math.log1p(max(counters[2], 0.0)) * 0.1
    out[SelfColumn.GOLD] = math.log1p(max(counters[3], 0.0)) * 0.1
    out[SelfColumn.ENEMIES] = enemies * 0.01
    for k in range(4):
        # Room to walk in each of the camera's four directions.
        dx, dz = (sin, cos) if k == 0 else (cos, -sin) if k == 1 else (-sin, -cos) if k == 2 else (-cos, sin)
        room = SIGHT_M
        if abs(dx) > 1e-6:
            room = min(room, (MAP_HALF_M - x if dx > 0 else MAP_HALF_M + x) / abs(dx))
        if abs(dz) > 1e-6:
            room = min(room, (MAP_HALF_M - z if dz > 0 else MAP_HALF_M + z) / abs(dz))
        out[SelfColumn.ROOM + k] = max(room, 0.0) / SIGHT_M
    out[SelfColumn.PITCH] = pitch
    out[SelfColumn.PLAYING + menu] = 1.0
    out[SelfColumn.ELAPSED] = min(elapsed_s * TICK_HZ, 10.0) * 0.1
    for k in range(4):
        out[SelfColumn.LAST_AXES + k] = axes[k]
    for k in range(3):
        out[SelfColumn.LAST_BUTTONS + k] = (held >> k) & 1
    out[SelfColumn.ONE] = 1.0


@njit(cache=True)
def _nearest(d2: FloatArray, maximum: int) -> NDArray[np.int64]:
    """Indices of the `maximum` smallest, in ascending order."""
    order = np.argsort(d2)
    return order[:maximum]


@njit(cache=True)
def fill_tokens(
    x: float,
    y: float,
    z: float,
    yaw: float,
    enemies: FloatArray,
    enemy_kinds: ByteArray,
    object_kinds: ByteArray,
    places: FloatArray,
    tokens: FloatArray,
    mask: FloatArray,
    rings: FloatArray,
) -> None:
    """Fill tokens [80, 12], mask [80] and rings [16, 10] of one state; sector k: the camera's angle k/16 turn."""
    tokens[:] = 0.0
    mask[:] = 0.0
    rings[:] = 0.0
    sin, cos = np.float32(math.sin(yaw)), np.float32(math.cos(yaw))
    n, m = len(enemies), len(object_kinds)
    d2 = np.empty(n, np.float32)
    for i in range(n):
        dx, dz = enemies[i, EnemyColumn.X] - x, enemies[i, EnemyColumn.Z] - z
        d2[i] = dx * dx + dz * dz
        elite = i < len(enemy_kinds) and enemy_kinds[i] >= 128
        _ring(rings, dx * cos - dz * sin, dx * sin + dz * cos, 9 if elite else 0)
    chosen = _nearest(d2, ENEMIES)
    for k in range(len(chosen)):
        i = chosen[k]
        kind = enemy_kinds[i] if i < len(enemy_kinds) else 0
        dx, dz = enemies[i, EnemyColumn.X] - x, enemies[i, EnemyColumn.Z] - z
        dy = enemies[i, EnemyColumn.Y] - y
        _token(tokens[k], dx * cos - dz * sin, dy, dx * sin + dz * cos)
        tokens[k, TokenColumn.HEALTH] = math.log1p(max(enemies[i, EnemyColumn.HEALTH], np.float32(0.0))) * 0.15
        tokens[k, TokenColumn.ENEMY] = 1.0
        tokens[k, TokenColumn.ELITE] = 1.0 if kind >= 128 else 0.0
        mask[k] = 1.0
    far = np.empty(m, np.float32)
    for i in range(m):
        dx, dz = places[i, 0] - x, places[i, 2] - z
        far[i] = dx * dx + dz * dz
        if object_kinds[i] <= 6:
            _ring(rings, dx * cos - dz * sin, dx * sin + dz * cos, int(object_kinds[i]))
    chosen = _nearest(far, OBJECTS)
    for k in range(len(chosen)):
        i = chosen[k]
        if far[i] > SIGHT_M * SIGHT_M:
            break
        dx, dz = places[i, 0] - x, places[i, 2] - z
        row = tokens[ENEMIES + k]
        _token(row, dx * cos - dz * sin, places[i, 1] - y, dx * sin + dz * cos)
        kind = object_kinds[i]
        row[TokenColumn.DROP] = 1.0 if kind <= 2 else 0.0
        row[TokenColumn.HEALTH_DROP] = 1.0 if kind == 3 else 0.0
        row[TokenColumn.PLACE] = 1.0 if kind >= 4 and kind <= 6 else 0.0
        mask[ENEMIES + k] = 1.0


@njit(cache=True)
def _token(row: FloatArray, right: float, up: float, ahead: float) -> None:
    d = math.sqrt(right * right + ahead * ahead) + 1e-3
    row[TokenColumn.RIGHT], row[TokenColumn.AHEAD] = right / 20.0, ahead / 20.0
    row[TokenColumn.UP] = max(min(up / 5.0, 4.0), -4.0)
    row[TokenColumn.RIGHT_SHARE], row[TokenColumn.AHEAD_SHARE] = right / d, ahead / d
    row[TokenColumn.NEARNESS] = math.exp(-d / 4.0)


@njit(cache=True)
def _ring(rings: FloatArray, right: float, ahead: float, what: int) -> None:
    """Add one thing to the sectors beside its direction: enemies by three ranges, others by nearness.

    what: 0 enemy, 9 strong enemy, else `ObjectKind`. Portals are seen from everywhere, the rest to `SIGHT_M`.
    """
    d = math.sqrt(right * right + ahead * ahead) + 1e-3
    if d > SIGHT_M and what != PORTAL:
        return
    turn = math.atan2(right, ahead) / (2 * math.pi) * SECTORS
    low = math.floor(turn)
    share = turn - low
    a, b = int(low) % SECTORS, (int(low) + 1) % SECTORS
    for sector, weight in ((a, 1.0 - share), (b, share)):
        if what == 0 or what == 9:
            rings[sector, RingColumn.NEAR] += weight * math.exp(-d / 2.0)
            rings[sector, RingColumn.MIDDLE] += weight * math.exp(-d / 6.0) * 0.3
            rings[sector, RingColumn.FAR] += weight * math.exp(-d / 18.0) * 0.1
            if what == 9:
                rings[sector, RingColumn.STRONG] += weight * math.exp(-d / 8.0)
        else:
            rings[sector, RingColumn.STRONG + what] += weight / (1.0 + (0.05 if what == PORTAL else 0.3) * d)
