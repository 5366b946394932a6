"""A picture of the arena: the view, what lies over it, and the open menu.

Never changes the game. Keeps only buffers of its own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from agent.core.types import ByteArray, FloatArray, Menu
from agent.games.arena import state as layout
from agent.games.arena.pictures import draw, scene
from agent.games.arena.pictures.hud import draw_hud, draw_screen
from agent.games.arena.pictures.scene import Sprite
from agent.games.arena.pictures.sprites import Atlas, atlas
from agent.games.arena.stats import SIZE, W_RADIUS, W_SIZE
from agent.games.arena.terrain import height_at

_OVER_VIEW = (Menu.PLAY, Menu.LEVEL_UP, Menu.CHEST, Menu.ENCOUNTER, Menu.PAUSE, Menu.DEATH, Menu.RESULTS)
_SHOTS = ("fire", "bone", "blade", "fire", "steel", "steel", "bolt", "fire", "fire", "banana", "bolt", "rock", "mine")
_SHOT_SIZE_M = (0.7, 0.6, 0.0, 0.0, 1.0, 0.6, 2.4, 0.9, 0.9, 1.0, 0.0, 1.2, 0.6)
_THINGS = {
    layout.THING_CHEST: ("chest", 1.5),
    layout.THING_SHRINE: ("shrine", 2.2),
    layout.THING_GREED: ("greed", 2.2),
    layout.THING_PORTAL: ("portal", 4.0),
    layout.THING_EXIT: ("portal", 4.0),
    layout.THING_POT: ("pot", 1.0),
}
_DROPS = {layout.DROP_XP: ("xp", 0.6), layout.DROP_GOLD: ("gold", 0.55), layout.DROP_HEALTH: ("health", 0.8)}
_AURA, _FROST, _ARC, _TRAIL = 3, 10, 2, 7
_MENU_SKY = np.array((26, 30, 52), np.float32)
_MENU_GROUND = np.array((60, 34, 66), np.float32)


class Renderer:
    """Draws one game at one size."""

    def __init__(self, size_px: tuple[int, int]) -> None:
        width, height = size_px
        self._pixels: ByteArray = np.zeros((height, width, 3), np.uint8)
        self._depth: FloatArray = np.zeros((height, width), np.float32)
        self._atlas: Atlas = atlas()
        share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
        self._backdrop = (_MENU_SKY * (1 - share) + _MENU_GROUND * share).astype(np.uint8).repeat(width, axis=1)

    def draw(self, game: Any) -> ByteArray:
        """The picture of the game as it stands, u8 [h, w, 3]; a fresh array."""
        screen = game.screen
        name = screen.name if screen is not None else Menu.PLAY
        if name in _OVER_VIEW:
            self._view(game)
            if screen is not None:
                draw.dim(self._pixels, 0.45)
            elif game.world["hurt_wait_s"] > 0 and game.world["unhurt_s"] < 0.15:
                self._pixels[:, :, 1:] = self._pixels[:, :, 1:] // 2 + self._pixels[:, :, 1:] // 4
            if screen is None:
                draw_hud(self._pixels, game)
        else:
            np.copyto(self._pixels, self._backdrop)
        if screen is not None:
            draw_screen(self._pixels, screen)
        return self._pixels.copy()

    def _view(self, game: Any) -> None:
        world = game.world
        yaw, pitch = float(world["yaw"]), float(world["pitch"])
        x, y, z = float(world["x"]), float(world["y"]), float(world["z"])
        back = scene.BEHIND_M
        eye_x, eye_z = x - math.sin(yaw) * back, z - math.cos(yaw) * back
        eye_y = max(y + scene.ABOVE_M - pitch * 3.0, float(height_at(world, eye_x, eye_z)) + 1.2)
        eye = np.array((eye_x, eye_y, eye_z))
        h, w = self._depth.shape
        focal = 0.5 * w / math.tan(scene.FIELD_OF_VIEW / 2)
        horizon = 0.5 * h + math.tan(pitch) * focal
        view = np.array((math.sin(yaw), math.cos(yaw), focal, horizon))
        scene.draw_ground(self._pixels, self._depth, world["height"], eye, yaw, pitch)
        self._discs(world, game.worlds.catalog, eye, view)
        scene.draw_sprites(self._pixels, self._depth, self._atlas.tiles, self._sprites(game), eye, view)

    def _discs(self, world: Any, catalog: Any, eye: Any, view: Any) -> None:
        def disc(x: float, z: float, r: float, *colour: float) -> None:
            y = float(height_at(world, x, z))
            scene.draw_disc(self._pixels, self._depth, x, y, z, r, eye, view, np.array(colour))

        for slot in range(layout.SLOTS):
            weapon = int(world["weapon"][slot])
            way = int(catalog.rules.weapon_way[weapon]) if weapon >= 0 else -1
            if way in (_AURA, _FROST):
                stats = world["weapon_stats"][slot]
                radius = float(stats[W_RADIUS] * stats[W_SIZE] * world["stats"][SIZE])
                colour = (120.0, 200.0, 255.0, 0.25) if way == _FROST else (255.0, 210.0, 90.0, 0.25)
                disc(float(world["x"]), float(world["z"]), radius, *colour)
        for i in range(int(world["things"])):
            if world["thing_kind"][i] == layout.THING_SHRINE and not world["thing_used"][i]:
                share = float(world["thing_charge"][i])
                disc(
                    float(world["thing_x"][i]), float(world["thing_z"][i]), 4.5, 90.0, 220.0, 255.0, 0.15 + 0.5 * share
                )
        for i in range(int(world["shots"])):
            if world["shot_way"][i] == _TRAIL:
                radius = float(world["shot_radius"][i])
                disc(float(world["shot_x"][i]), float(world["shot_z"][i]), radius, 255.0, 120.0, 30.0, 0.5)

    def _sprites(self, game: Any) -> FloatArray:
        """Rows for `render_scene.draw_sprites`: everything that stands in the world."""
        world = game.world
        atlas_of, foes = self._atlas, game.worlds.catalog.rules.foes
        parts = [
            _hero(world, atlas_of),
            _foes(world, atlas_of, foes),
            _shots(world, atlas_of),
            _kinds(world, "drop", "drops", _DROPS, atlas_of),
            _kinds(world, "thing", "things", _THINGS, atlas_of),
            _trees(world, atlas_of),
        ]
        return np.concatenate(parts)


def _hero(world: Any, tiles: Atlas) -> FloatArray:
    tint = 1 if world["unhurt_s"] < 0.15 and world["taken"] > 0 else 0
    hero = tiles.heroes[int(world["character"])]
    return np.array([[hero, world["x"], world["y"], world["z"], 1.9, tint, 0.6]], np.float32)


def _foes(world: Any, tiles: Atlas, foes: Any) -> FloatArray:
    n = int(world["foes"])
    table = np.zeros((n, len(Sprite)), np.float32)
    kinds = world["foe_kind"][:n]
    radius = foes[kinds, 5] * np.where(world["foe_elite"][:n] != 0, 1.5, 1.0)
    table[:, Sprite.TILE] = np.asarray(tiles.foes)[kinds]
    table[:, Sprite.X], table[:, Sprite.Y], table[:, Sprite.Z] = (
        world["foe_x"][:n],
        world["foe_y"][:n],
        world["foe_z"][:n],
    )
    table[:, Sprite.SIZE] = radius * 2.4
    table[:, Sprite.TINT] = np.where(world["foe_elite"][:n] != 0, 2, 0)
    table[:, Sprite.SHADOW] = radius
    return table


def _shots(world: Any, tiles: Atlas) -> FloatArray:
    n = int(world["shots"])
    ways = world["shot_way"][:n]
    table = np.zeros((n, len(Sprite)), np.float32)
    table[:, Sprite.TILE] = np.array([tiles.others[name] for name in _SHOTS])[ways]
    table[:, Sprite.X], table[:, Sprite.Y] = world["shot_x"][:n], world["shot_y"][:n]
    table[:, Sprite.Z] = world["shot_z"][:n]
    table[:, Sprite.SIZE] = np.where(ways == _ARC, world["shot_radius"][:n], np.array(_SHOT_SIZE_M)[ways])
    shown: FloatArray = table[(ways != _TRAIL) & (table[:, Sprite.SIZE] > 0)]
    return shown


def _kinds(world: Any, prefix: str, count: str, pictures: dict[int, tuple[str, float]], tiles: Atlas) -> FloatArray:
    n = int(world[count])
    kinds, xs, zs = world[f"{prefix}_kind"][:n], world[f"{prefix}_x"][:n], world[f"{prefix}_z"][:n]
    shown = (xs - world["x"]) ** 2 + (zs - world["z"]) ** 2 < scene.FAR_M**2
    if prefix == "thing":
        shown &= world["thing_used"][:n] == 0
    table = np.zeros((int(shown.sum()), len(Sprite)), np.float32)
    tile_of, size_of = np.zeros(16), np.zeros(16)
    for kind, (name, size) in pictures.items():
        tile_of[kind], size_of[kind] = tiles.others[name], size
    table[:, Sprite.TILE], table[:, Sprite.SIZE] = tile_of[kinds[shown]], size_of[kinds[shown]]
    table[:, Sprite.X], table[:, Sprite.Z] = xs[shown], zs[shown]
    table[:, Sprite.Y] = scene.heights(world["height"], xs[shown], zs[shown])
    table[:, Sprite.SHADOW] = table[:, Sprite.SIZE] * 0.3
    return table


def _trees(world: Any, tiles: Atlas) -> FloatArray:
    n = int(world["trees"])
    table = np.zeros((n, len(Sprite)), np.float32)
    table[:, Sprite.TILE] = tiles.others["tree"]
    table[:, Sprite.X], table[:, Sprite.Z] = world["tree_x"][:n], world["tree_z"][:n]
    half = layout.GRID // 2
    rows = np.clip((table[:, Sprite.Z] / layout.CELL_M + half).round().astype(int), 0, layout.GRID - 1)
    columns = np.clip((table[:, Sprite.X] / layout.CELL_M + half).round().astype(int), 0, layout.GRID - 1)
    table[:, Sprite.Y] = world["height"][rows, columns]
    table[:, Sprite.SIZE] = world["tree_r"][:n] * 6.0
    table[:, Sprite.SHADOW] = world["tree_r"][:n]
    return table
