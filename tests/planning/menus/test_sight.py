"""A menu is known by labels in the middle or by its texts; the counters of play are none."""

from __future__ import annotations

import msgspec

from agent.planning.menus.graph import ScreenGraph
from agent.planning.menus.sight import is_menu
from agent.planning.screen.elements import Screen
from tools.bench.menus.pairs import screen_of


def _at(texts: list[str], *places: tuple[int, int]) -> Screen:
    screen = screen_of(texts)
    moved = [
        msgspec.structs.replace(e, box=(x, y, x + 60, y + 20))
        for e, (x, y) in zip(screen.elements, places, strict=True)
    ]
    return msgspec.structs.replace(screen, elements=tuple(moved))


def test_labels_in_the_middle_are_a_menu_and_while_it_moves_more_of_them_are_needed() -> None:
    graph, menu = ScreenGraph("g", None), screen_of(["Play", "Options"])
    assert is_menu(menu, graph, settled=True) and is_menu(menu, graph, settled=False)
    one = _at(["Continue"], (600, 360))
    assert is_menu(one, graph, settled=True) and not is_menu(one, graph, settled=False)


def test_counters_at_the_edges_are_play_unless_their_screen_is_known() -> None:
    graph = ScreenGraph("g", None)
    hud = _at(["12 gold", "LVL 3", "Find the portal"], (10, 20), (1200, 30), (600, 690))
    assert not is_menu(hud, graph, settled=True) and not is_menu(_at([]), graph, settled=True)
    graph.locate(hud)
    assert is_menu(hud, graph, settled=True)


def test_after_the_first_press_a_few_texts_of_play_are_no_menu_without_a_word_of_menus() -> None:
    graph, play = ScreenGraph("g", None), _at(["Warmup", "wait for others"], (600, 200), (600, 260))
    assert is_menu(play, graph, settled=True) and not is_menu(play, graph, settled=True, is_first=False)
    assert is_menu(_at(["Warmup", "Back"], (600, 200), (600, 260)), graph, settled=True, is_first=False)
