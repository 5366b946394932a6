"""The arena's menus as values: buttons with captions and places, a focus, and what a press means.

Draws nothing and knows no rules; `game` fills the screens and obeys what they return.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from agent.core.types import Menu

Rect = tuple[float, float, float, float]
SETTLE_TICKS = 6
REPEAT_TICKS = 18
_STICK = 0.5


class Button(msgspec.Struct, frozen=True):
    """A place to press: what it means, its caption, and its rectangle (x0, y0, x1, y1) in 0…1 from the top left."""

    meaning: str
    caption: str
    rect: Rect
    enabled: bool = True
    lines: tuple[str, ...] = ()
    tint: str = "plain"


class Screen(msgspec.Struct):
    """One menu: its wire name, title, texts, buttons and focus (an index into `buttons`)."""

    name: str
    title: str
    buttons: list[Button]
    focus: int = 0
    texts: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    age_ticks: int = 0
    held: tuple[int, int] = (0, 0)
    held_ticks: int = 0

    def at(self, x: float, y: float) -> Button | None:
        """The enabled button under a point in 0…1, None where nothing is."""
        for button in self.buttons:
            x0, y0, x1, y1 = button.rect
            if button.enabled and x0 <= x <= x1 and y0 <= y <= y1:
                return button
        return None

    def focused(self) -> Button:
        """The button that a submit presses."""
        return self.buttons[self.focus]

    def steer(self, move: tuple[float, float]) -> None:
        """Move the focus on an edge of the stick, and every 0.3 s while it is held."""
        direction = (
            (move[0] > _STICK) - (move[0] < -_STICK),
            (move[1] > _STICK) - (move[1] < -_STICK),
        )
        fresh = direction != self.held
        self.held_ticks = 0 if fresh else self.held_ticks + 1
        self.held = direction
        if direction != (0, 0) and (fresh or self.held_ticks % REPEAT_TICKS == 0):
            self._shift(*direction)

    def _shift(self, right: int, up: int) -> None:
        """Focus the nearest enabled button in a direction; stay where there is none."""
        x0, y0, x1, y1 = self.focused().rect
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        best, chosen = float("inf"), self.focus
        for index, button in enumerate(self.buttons):
            if index == self.focus or not button.enabled:
                continue
            bx0, by0, bx1, by1 = button.rect
            dx, dy = (bx0 + bx1) / 2 - cx, (by0 + by1) / 2 - cy
            along = dx * right - dy * up
            aside = abs(dx * up) + abs(dy * right)
            if along > 0.02 and along + 2.5 * aside < best:
                best, chosen = along + 2.5 * aside, index
        self.focus = chosen


def _column(entries: Sequence[tuple[str, str, bool]], x: Rect, top: float, step: float) -> list[Button]:
    """Buttons under one another; `x` is (left, unused, right, height)."""
    left, _, right, height = x
    return [
        Button(meaning, caption, (left, top + i * step, right, top + i * step + height), enabled)
        for i, (meaning, caption, enabled) in enumerate(entries)
    ]


def main_menu() -> Screen:
    """The first screen; only what is built can be pressed."""
    entries = [
        ("play", "PLAY", True),
        ("shop", "Shop", False),
        ("unlocks", "Unlocks", False),
        ("quests", "Quests", False),
        ("settings", "Settings", False),
        ("credits", "Credits", False),
    ]
    return Screen(Menu.MAIN, "MEGABONK ARENA", _column(entries, (0.36, 0, 0.64, 0.09), 0.3, 0.11))


def character_select(names: Sequence[str], texts: Sequence[tuple[str, ...]], chosen: int) -> Screen:
    """The grid of characters with a panel for the chosen one; the focus is on CONFIRM."""
    buttons = []
    for i, name in enumerate(names):
        column, row = i % 3, i // 3
        x, y = 0.04 + column * 0.19, 0.2 + row * 0.19
        buttons.append(Button(f"character {i}", name, (x, y, x + 0.175, y + 0.16)))
    buttons.append(Button("confirm", "CONFIRM", (0.66, 0.84, 0.96, 0.95), tint="go"))
    buttons.append(Button("back", "BACK", (0.04, 0.86, 0.2, 0.95), tint="stop"))
    return Screen(Menu.CHARACTER, "CHOOSE A CHARACTER", buttons, len(names), texts[chosen], (f"character {chosen}",))


def map_select(map_name: str, tiers: int, chosen: int, text: tuple[str, ...]) -> Screen:
    """Map and tier; the focus is on CONFIRM."""
    buttons = [
        Button("map", map_name.upper(), (0.06, 0.22, 0.4, 0.36)),
        Button("desert", "DESERT", (0.06, 0.39, 0.4, 0.53), enabled=False),
        Button("graveyard", "GRAVEYARD", (0.06, 0.56, 0.4, 0.7), enabled=False),
    ]
    for i in range(tiers):
        buttons.append(Button(f"tier {i}", f"TIER {i + 1}", (0.5, 0.22 + 0.15 * i, 0.7, 0.34 + 0.15 * i)))
    buttons.append(Button("confirm", "CONFIRM", (0.66, 0.84, 0.96, 0.95), tint="go"))
    buttons.append(Button("back", "BACK", (0.04, 0.86, 0.2, 0.95), tint="stop"))
    return Screen(Menu.MAP, "CHOOSE A MAP", buttons, len(buttons) - 2, text, ("map", f"tier {chosen}"))


def level_up(offers: Sequence[str], refreshes: int, skips: int, banishes: int, *, banishing: bool) -> Screen:
    """Three cards under one another, and BANISH, SKIP, REFRESH with what is left of them."""
    buttons = [_card(f"take {i}", offer, i, banishing) for i, offer in enumerate(offers)]
    buttons += [
        Button("banish", f"BANISH {banishes}", (0.2, 0.86, 0.38, 0.96), banishes > 0, tint="stop"),
        Button("skip", f"SKIP {skips}", (0.41, 0.86, 0.59, 0.96), skips > 0, tint="go"),
        Button("reroll", f"REFRESH {refreshes}", (0.62, 0.86, 0.8, 0.96), refreshes > 0, tint="cool"),
    ]
    return Screen(Menu.LEVEL_UP, "BANISH WHICH?" if banishing else "UPGRADE OFFERS", buttons)


def _card(meaning: str, offer: str, row: int, warn: bool = False) -> Button:
    head, _, body = offer.partition(": ")
    y = 0.2 + row * 0.215
    return Button(meaning, head, (0.2, y, 0.8, y + 0.195), lines=(body,), tint="stop" if warn else rarity_tint(head))


def rarity_tint(text: str) -> str:
    """The colour name of a card by the rarity in its caption."""
    for rarity in ("Uncommon", "Rare", "Epic", "Legendary", "New"):
        if f"({rarity})" in text:
            return rarity.lower()
    return "common"


def chest(offer: str) -> Screen:
    """A chest's item: take it or leave it."""
    head, _, body = offer.partition(": ")
    buttons = [
        Button("take 0", "TAKE", (0.3, 0.7, 0.48, 0.82), tint="go"),
        Button("take 1", "LEAVE", (0.52, 0.7, 0.7, 0.82), tint="stop"),
    ]
    return Screen(Menu.CHEST, "CHEST", buttons, texts=(head, body))


def encounter(offers: Sequence[str]) -> Screen:
    """A shrine's three offers."""
    buttons = [_card(f"take {i}", offer, i) for i, offer in enumerate(offers)]
    buttons.append(Button("skip", "DECLINE", (0.4, 0.86, 0.6, 0.96), tint="stop"))
    return Screen(Menu.ENCOUNTER, "SHRINE", buttons)


def pause() -> Screen:
    """Resume, restart, or leave to the main menu."""
    entries = [("resume", "RESUME", True), ("restart", "RESTART", True), ("menu", "EXIT", True)]
    return Screen(Menu.PAUSE, "PAUSED", _column(entries, (0.36, 0, 0.64, 0.12), 0.34, 0.15))


def death() -> Screen:
    """The run is over."""
    return Screen(Menu.DEATH, "you ded", [Button("continue", "CONTINUE", (0.38, 0.7, 0.62, 0.82), tint="go")])


def run_texts(world: Any) -> tuple[str, ...]:
    """What a run came to, a line each."""
    minutes, seconds = divmod(int(world["time_s"]), 60)
    return (
        f"Time {minutes}:{seconds:02d}",
        f"Kills {int(world['kills'])}",
        f"Level {int(world['level'])}",
        f"Gold {int(world['gold'])}",
        f"Damage {int(world['dealt'])}",
    )


def results(texts: tuple[str, ...], *, won: bool) -> Screen:
    """What the run came to; the focus is on RESTART."""
    buttons = [
        Button("restart", "RESTART", (0.28, 0.84, 0.48, 0.95), tint="go"),
        Button("menu", "MENU", (0.52, 0.84, 0.72, 0.95)),
    ]
    return Screen(Menu.RESULTS, "VICTORY" if won else "RESULTS", buttons, texts=texts)
