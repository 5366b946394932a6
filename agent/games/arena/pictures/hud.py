"""What lies over the view: bars, counters, slots, the map; and the menus.

Reads the game's values; owns none.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from agent.core.types import Menu
from agent.games.arena import state as layout
from agent.games.arena.pictures import draw
from agent.games.arena.screens import Button, Screen
from agent.games.arena.stats import MAX_HP, SHIELD, chest_price

_MAP_COLOURS = {
    layout.THING_CHEST: (250, 200, 70),
    layout.THING_SHRINE: (90, 220, 255),
    layout.THING_GREED: (250, 160, 60),
    layout.THING_PORTAL: (210, 110, 255),
    layout.THING_EXIT: (120, 255, 140),
}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(abs(seconds)), 60)
    return f"{minutes}:{rest:02d}"


def draw_hud(pixels: Any, game: Any) -> None:
    """XP, health, clock, counters, slots, objective, countdown, price, level and map."""
    world, catalog = game.world, game.worlds.catalog
    h, w = pixels.shape[:2]
    unit, scale = h / 180, max(0.3, h / 180 * 0.3)
    draw.bar(pixels, 0, 0, w - 1, 6 * unit, float(world["level_xp"] / world["next_xp"]), (80, 190, 255))
    left = 4 * unit
    draw.caption(pixels, _clock(world["time_s"]), left, 14 * unit, scale * 1.2)
    draw.caption(pixels, f"{int(world['gold'])} gold", left + 34 * unit, 14 * unit, scale, (250, 210, 80))
    draw.caption(pixels, f"{int(world['kills'])} kills", left + 78 * unit, 14 * unit, scale)
    maximum, hp = float(world["stats"][MAX_HP]), float(world["hp"])
    draw.bar(pixels, left, 21 * unit, left + 72 * unit, 31 * unit, hp / max(maximum, 1), (205, 50, 50))
    draw.caption(pixels, f"{hp:.0f}/{maximum:.0f}", left + 36 * unit, 26 * unit, scale, centred=True)
    if world["stats"][SHIELD] > 0:
        share = float(world["shield"] / world["stats"][SHIELD])
        draw.bar(pixels, left, 18 * unit, left + 72 * unit, 21 * unit, share, (70, 150, 250))
    _draw_slots(pixels, world, catalog, left, 35 * unit, unit, scale)
    timer = float(catalog.rules.timers_s[int(world["stage"])]) - float(world["stage_s"])
    sign = "" if timer >= 0 else "+"
    colour = draw.WHITE if timer > 60 else (255, 110, 90)
    draw.caption(pixels, sign + _clock(timer), w / 2, 15 * unit, scale * 1.5, colour, centred=True)
    right = w - 58 * unit
    price = int(chest_price(int(world["chests_bought"])))
    draw.caption(pixels, f"Chest {price}", right, 14 * unit, scale, (250, 210, 80))
    draw.caption(pixels, f"LVL {int(world['level'])}", right, 23 * unit, scale)
    _draw_map(pixels, world, w - 24 * unit, 50 * unit, 20 * unit)
    objective = {0: "Find the Boss Portal", 1: "Defeat the boss", 2: "Leave through the portal"}[
        int(world["boss_state"])
    ]
    if world["swarm_s"] > 0:
        objective = "FINAL SWARM"
    draw.caption(pixels, objective, w / 2, h - 8 * unit, scale, (255, 235, 160), centred=True)
    _draw_hint(pixels, world, price, unit, scale)


def _draw_hint(pixels: Any, world: Any, price: int, unit: float, scale: float) -> None:
    near = int(world["near_thing"])
    if near < 0:
        return
    words = {
        layout.THING_CHEST: f"Open chest ({price} gold)",
        layout.THING_GREED: "Greed shrine",
        layout.THING_PORTAL: "Call the boss",
        layout.THING_EXIT: "Enter the portal",
    }
    text = words.get(int(world["thing_kind"][near]), "")
    h, w = pixels.shape[:2]
    draw.caption(pixels, f"[E] {text}", w / 2, h - 24 * unit, scale * 1.1, centred=True)


def _draw_slots(pixels: Any, world: Any, catalog: Any, x: float, y: float, unit: float, scale: float) -> None:
    rows = [
        (world["weapon"], world["weapon_level"], [c["title"] for c in catalog.weapons]),
        (world["tome"], world["tome_level"], [c["name"].removesuffix(" Tome") for c in catalog.tomes]),
    ]
    for row, (slots, levels, names) in enumerate(rows):
        for slot in range(layout.SLOTS):
            what = int(slots[slot])
            if what >= 0:
                text = f"{names[what]} LVL {int(levels[slot])}"
                draw.caption(
                    pixels, text, x, y + (row * 4 + slot) * 7.5 * unit + 3 * unit, scale * 0.85, (225, 225, 235)
                )


def _draw_map(pixels: Any, world: Any, x: float, y: float, r: float) -> None:
    """A round map of 60 m around the player, north up."""
    cv2.circle(pixels, (round(x), round(y)), round(r), (30, 46, 34), -1)
    cv2.circle(pixels, (round(x), round(y)), round(r), (220, 220, 220), 1)
    reach = 60.0

    def dot(wx: float, wz: float, colour: tuple[int, int, int], size: int) -> None:
        dx, dz = (wx - float(world["x"])) / reach, (wz - float(world["z"])) / reach
        if dx * dx + dz * dz < 0.92:
            cv2.circle(pixels, (round(x + dx * r), round(y - dz * r)), size, colour, -1)

    size = max(1, round(r / 20))
    for i in range(int(world["things"])):
        colour = _MAP_COLOURS.get(int(world["thing_kind"][i]))
        if colour is not None and not world["thing_used"][i]:
            dot(float(world["thing_x"][i]), float(world["thing_z"][i]), colour, size)
    for i in range(0, int(world["foes"]), 2):
        dot(float(world["foe_x"][i]), float(world["foe_z"][i]), (230, 60, 60), max(1, size // 2))
    yaw = float(world["yaw"])
    tip = (round(x + np.sin(yaw) * r * 0.3), round(y - np.cos(yaw) * r * 0.3))
    cv2.line(pixels, (round(x), round(y)), tip, draw.WHITE, max(1, size))


def draw_screen(pixels: Any, screen: Screen) -> None:
    """A menu over what is already there."""
    h, w = pixels.shape[:2]
    scale = max(0.32, h / 180 * 0.36)
    if screen.name == Menu.LOADING:
        pixels[:] = (14, 14, 22)
        draw.caption(pixels, "LOADING...", w / 2, h / 2, scale * 1.4, centred=True)
        return
    title = (255, 222, 120) if screen.name != Menu.DEATH else (255, 80, 70)
    high = 0.1 if screen.name not in (Menu.MAIN, Menu.DEATH, Menu.PAUSE) else 0.18
    big = draw.fitting(screen.title, scale * 2.0, w * 0.9)
    draw.caption(pixels, screen.title, w / 2, h * high, big, title, centred=True)
    for index, button in enumerate(screen.buttons):
        chosen = button.meaning in screen.selected
        _draw_button(pixels, button, scale, focused=index == screen.focus, chosen=chosen)
    _draw_texts(pixels, screen, scale)


def _draw_texts(pixels: Any, screen: Screen, scale: float) -> None:
    h, w = pixels.shape[:2]
    places = {Menu.CHARACTER: (0.66, 0.25), Menu.MAP: (0.74, 0.28), Menu.CHEST: (0.3, 0.4), Menu.RESULTS: (0.36, 0.28)}
    x, y = places.get(screen.name, (0.1, 0.3))
    for row, text in enumerate(screen.texts):
        size = draw.fitting(text, scale, w * (0.98 - x))
        draw.caption(pixels, text, w * x, h * (y + 0.1 * row), size)


def _draw_button(pixels: Any, button: Button, scale: float, *, focused: bool, chosen: bool) -> None:
    h, w = pixels.shape[:2]
    x0, y0, x1, y1 = button.rect
    colour = draw.TINTS[button.tint] if button.enabled else (40, 40, 46)
    edge = (255, 230, 90) if focused else (120, 220, 140) if chosen else (90, 92, 104)
    draw.box(pixels, x0 * w, y0 * h, x1 * w, y1 * h, colour, edge)
    if focused:
        draw.box(pixels, x0 * w - 2, y0 * h, x0 * w + max(2, w / 160), y1 * h, edge)
    ink = draw.WHITE if button.enabled else draw.GREY
    room = (x1 - x0) * w * 0.94
    if not button.lines:
        size = draw.fitting(button.caption, scale, room)
        draw.caption(pixels, button.caption, (x0 + x1) / 2 * w, (y0 + y1) / 2 * h, size, ink, centred=True)
        return
    left = x0 * w + room * 0.04
    top = y0 + (y1 - y0) * 0.3
    draw.caption(pixels, button.caption, left, top * h, draw.fitting(button.caption, scale * 1.1, room), ink)
    for row, line in enumerate(button.lines):
        at = y0 + (y1 - y0) * (0.7 + 0.25 * row)
        draw.caption(pixels, line, left, at * h, draw.fitting(line, scale * 0.9, room), (215, 225, 240))
