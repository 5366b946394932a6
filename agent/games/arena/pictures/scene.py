"""The third-person view of the world: a height field marched column by column, sprites with depth.

Compiled; knows pixels and metres, no menus. Method: Comanche-style column marching (NovaLogic 1992) with a depth
buffer for the sprites.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit

from agent.games.arena.state import CELL_M, GRID
from agent.games.arena.terrain import HALF_M

_F = np.float32
FIELD_OF_VIEW = 1.25
BEHIND_M, ABOVE_M = 7.5, 3.6
FAR_M = 85.0
NEAR_M = 0.8
SPRITES_FROM_M = 3.5


class Sprite(IntEnum):
    """Columns of a table of sprites; metres but for the tile and the tint."""

    TILE = 0
    X = 1
    Y = 2
    Z = 3
    SIZE = 4
    TINT = 5
    SHADOW = 6


@njit(cache=True)
def _sky(pixels: Any, horizon: float) -> None:
    h, w = pixels.shape[0], pixels.shape[1]
    for y in range(h):
        up = min(max((horizon - y) / h, 0.0), 1.0)
        r, g, b = int(170 - 90 * up), int(205 - 65 * up), int(235 - 20 * up)
        for x in range(w):
            pixels[y, x, 0], pixels[y, x, 1], pixels[y, x, 2] = r, g, b


@njit(cache=True)
def draw_ground(pixels: Any, depth: Any, height: Any, eye: Any, yaw: float, pitch: float) -> None:
    """Draw sky and ground. eye: x, y, z in metres; depth: f32 [h, w], metres along the view."""
    h, w = pixels.shape[0], pixels.shape[1]
    focal = 0.5 * w / math.tan(FIELD_OF_VIEW / 2)
    horizon = 0.5 * h + math.tan(pitch) * focal
    _sky(pixels, horizon)
    depth[:, :] = _F(1e9)
    sin, cos = math.sin(yaw), math.cos(yaw)
    for column in range(w):
        side = (column + 0.5 - 0.5 * w) / focal
        dx, dz = sin + cos * side, cos - sin * side
        lowest = h
        d, step = NEAR_M, 0.25
        while d < FAR_M and lowest > 0:
            x, z = eye[0] + dx * d, eye[2] + dz * d
            u, v = (x + HALF_M) / CELL_M, (z + HALF_M) / CELL_M
            if u < 0 or v < 0 or u >= GRID - 1 or v >= GRID - 1:
                if d > 20:
                    break
                d += step
                continue
            j, i = int(u), int(v)
            fu, fv = u - j, v - i
            top = height[i, j] + (height[i, j + 1] - height[i, j]) * fu
            low = height[i + 1, j] + (height[i + 1, j + 1] - height[i + 1, j]) * fu
            ground = top + (low - top) * fv
            y = int(horizon + (eye[1] - ground) / d * focal)
            if y < lowest:
                slope = height[i, j + 1] - height[i, j] + (height[i + 1, j] - height[i, j]) * 0.5
                light = min(max(0.86 + slope * 0.22, 0.45), 1.25)
                check = ((int(x + 1000.0) >> 1) + (int(z + 1000.0) >> 1)) & 1
                light *= 1.0 if check else 0.93
                rock = min(max((ground - 3.0) * 0.25, 0.0), 1.0)
                fog = min(d / FAR_M, 1.0)
                fog *= fog
                r = (86 + 60 * rock) * light * (1 - fog) + 170 * fog
                g = (138 - 10 * rock) * light * (1 - fog) + 205 * fog
                b = (62 + 60 * rock) * light * (1 - fog) + 235 * fog
                for row in range(max(y, 0), lowest):
                    pixels[row, column, 0], pixels[row, column, 1], pixels[row, column, 2] = int(r), int(g), int(b)
                    depth[row, column] = _F(d)
                lowest = max(y, 0)
            d += step
            step *= 1.035


@njit(cache=True)
def draw_sprite(
    pixels: Any, depth: Any, tile: Any, x: float, y: float, z: float, size: float, eye: Any, view: Any, tint: int
) -> None:
    """Draw one upright square tile standing at (x, y, z), `size` metres high; tint 1 reddens, 2 gilds it.

    view: sin and cos of yaw, focal length and horizon in pixels.
    """
    h, w = pixels.shape[0], pixels.shape[1]
    rx, rz = x - eye[0], z - eye[2]
    d = rx * view[0] + rz * view[1]
    if d < SPRITES_FROM_M or d > FAR_M:
        return
    side = rx * view[1] - rz * view[0]
    scale = view[2] / d
    px = 0.5 * w + side * scale
    bottom = view[3] + (eye[1] - y) * scale
    extent = size * scale
    if extent < 1.0:
        return
    x0, x1 = int(px - extent / 2), int(px + extent / 2) + 1
    y0, y1 = int(bottom - extent), int(bottom) + 1
    if x1 < 0 or y1 < 0 or x0 >= w or y0 >= h:
        return
    side_px = tile.shape[0]
    fog = (d / FAR_M) ** 2
    nearer = d - 0.6
    for row in range(max(y0, 0), min(y1, h)):
        v = int((row - (bottom - extent)) / extent * side_px)
        if v < 0 or v >= side_px:
            continue
        for column in range(max(x0, 0), min(x1, w)):
            u = int((column - (px - extent / 2)) / extent * side_px)
            if u < 0 or u >= side_px or tile[v, u, 3] == 0 or depth[row, column] < nearer:
                continue
            r, g, b = float(tile[v, u, 0]), float(tile[v, u, 1]), float(tile[v, u, 2])
            if tint == 1:
                r, g, b = 0.5 * r + 127, 0.5 * g, 0.5 * b
            elif tint == 2:
                r, g, b = 0.7 * r + 76, 0.7 * g + 50, 0.7 * b
            pixels[row, column, 0] = int(r * (1 - fog) + 170 * fog)
            pixels[row, column, 1] = int(g * (1 - fog) + 205 * fog)
            pixels[row, column, 2] = int(b * (1 - fog) + 235 * fog)
            depth[row, column] = _F(d)


@njit(cache=True)
def draw_disc(
    pixels: Any, depth: Any, x: float, y: float, z: float, r: float, eye: Any, view: Any, colour: Any
) -> None:
    """Blend a flat disc on the ground (a shadow, an aura, a zone); colour: r, g, b and its share in 0…1."""
    h, w = pixels.shape[0], pixels.shape[1]
    rx, rz = x - eye[0], z - eye[2]
    d = rx * view[0] + rz * view[1]
    if d < NEAR_M + r * 0.5 or d > FAR_M:
        return
    side = rx * view[1] - rz * view[0]
    scale = view[2] / d
    px, py = 0.5 * w + side * scale, view[3] + (eye[1] - y) * scale
    a = r * scale
    b = max(a * min(max((eye[1] - y) / d, 0.08), 0.9), 1.0)
    share = colour[3]
    for row in range(max(int(py - b), 0), min(int(py + b) + 1, h)):
        t = (row - py) / b
        if t * t >= 1:
            continue
        half = a * math.sqrt(1 - t * t)
        for column in range(max(int(px - half), 0), min(int(px + half) + 1, w)):
            if depth[row, column] < d - r - 0.8:
                continue
            for k in range(3):
                pixels[row, column, k] = int(pixels[row, column, k] * (1 - share) + colour[k] * share)


@njit(cache=True)
def draw_sprites(pixels: Any, depth: Any, tiles: Any, table: Any, eye: Any, view: Any) -> None:
    """Draw sprites from far to near; table f32 [n, 7], see `Sprite`."""
    n = table.shape[0]
    distance = np.empty(n, np.float32)
    for i in range(n):
        distance[i] = -((table[i, Sprite.X] - eye[0]) * view[0] + (table[i, Sprite.Z] - eye[2]) * view[1])
    order = np.argsort(distance)
    shade = np.array([10.0, 20.0, 10.0, 0.35])
    for k in range(n):
        i = order[k]
        x, y, z = table[i, Sprite.X], table[i, Sprite.Y], table[i, Sprite.Z]
        if table[i, Sprite.SHADOW] > 0:
            draw_disc(pixels, depth, x, y, z, table[i, Sprite.SHADOW], eye, view, shade)
        tile, tint = tiles[int(table[i, Sprite.TILE])], int(table[i, Sprite.TINT])
        draw_sprite(pixels, depth, tile, x, y, z, table[i, Sprite.SIZE], eye, view, tint)


@njit(cache=True)
def heights(height: Any, xs: Any, zs: Any) -> Any:
    """Height of the ground under many points, f32 [n]."""
    out = np.empty(xs.shape[0], np.float32)
    for k in range(xs.shape[0]):
        u = min(max((xs[k] + HALF_M) / CELL_M, 0.0), GRID - 1.001)
        v = min(max((zs[k] + HALF_M) / CELL_M, 0.0), GRID - 1.001)
        j, i = int(u), int(v)
        fu, fv = u - j, v - i
        top = height[i, j] + (height[i, j + 1] - height[i, j]) * fu
        low = height[i + 1, j] + (height[i + 1, j + 1] - height[i + 1, j]) * fu
        out[k] = _F(top + (low - top) * fv)
    return out
