"""The graph knows screens again, remembers where actions led, finds the way, and survives on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.planning.menus.graph import MAX_NODES, PLAY, ScreenGraph, action_key, alike, graph_path
from tools.bench.menus.pairs import screen_of

MAIN, SETUP = screen_of(["Play", "Options", "Credits"]), screen_of(["Easy", "Hard", "Start", "Back"])


def _key(texts: list[str], text: str) -> str:
    screen = screen_of(texts)
    return action_key(next(e for e in screen.elements if e.text == text), screen.size_px)


def test_a_screen_is_known_again_with_counters_and_misread_letters_and_another_one_is_not() -> None:
    graph = ScreenGraph("g", None)
    first = graph.locate(screen_of(["Play", "Options", "Credits", "Gold 12", "Level 3"]))
    assert graph.locate(screen_of(["PIay", "Options", "Credlts", "Gold 9034", "Level 4"])) is first and first.seen == 2
    assert graph.locate(SETUP) is not first and len(graph.nodes) == 2


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [(set(), set(), 1.0), ({"play"}, set(), 0.0), ({"play", "options"}, {"p1ay", "optlons"}, 1 / 3)],
)
def test_likeness_is_jaccards_index_of_texts_of_which_long_ones_may_be_misread(
    a: set[str], b: set[str], value: float
) -> None:
    assert alike(a, b) == pytest.approx(value, abs=0.01) or (len(a) == 2 and alike(a, b) >= 1 / 3)


def test_the_way_that_led_to_play_is_found_and_a_dead_end_is_left_after_two_tries() -> None:
    graph = ScreenGraph("g", None)
    main, setup = graph.locate(MAIN), graph.locate(SETUP)
    graph.note(main, _key(["Play", "Options", "Credits"], "Options"), setup.id)
    graph.note(setup, _key(["Easy", "Hard", "Start", "Back"], "Hard"), PLAY)
    dead = _key(["Play", "Options", "Credits"], "Play")
    graph.note(main, dead, main.id)
    assert not graph.is_dead(main, dead)
    graph.note(main, dead, main.id)
    assert graph.is_dead(main, dead)

    def worth(node: str, action: str) -> float:
        return float(node == PLAY)

    values = graph.values(worth, lambda key, text: 0.1)
    rated = {a: graph.action_value(main, a, values, worth, lambda key, text: 0.1) for a in main.actions}
    assert max(rated, key=lambda a: rated[a]).startswith("optlons") and rated[dead] == 0.0
    assert values[setup.id] > values[main.id] > 0.5


def test_an_action_that_changed_nothing_anywhere_is_hoped_less_of() -> None:
    graph = ScreenGraph("g", None)
    one, two = graph.locate(MAIN), graph.locate(SETUP)
    graph.note(one, "title@1,0", one.id)
    assert graph.luck("title@1,0") == -0.5
    graph.note(two, "title@1,0", two.id)
    assert graph.luck("title@1,0") == -1.0 and graph.luck("never") == 0.0


def test_what_was_learned_is_kept_and_a_damaged_file_is_learned_anew(tmp_path: Path) -> None:
    path = graph_path(tmp_path, "arena")
    graph = ScreenGraph("arena", path)
    node = graph.locate(MAIN)
    graph.note(node, "p", PLAY)
    graph.save()
    again = ScreenGraph("arena", path).load()
    assert again.locate(MAIN).edges["p"].led_to == {PLAY: 1} and len(again.nodes) == 1
    path.write_bytes(path.read_bytes()[:-9])
    broken = ScreenGraph("arena", path).load()
    assert not broken.nodes and str(path) in broken.refused and "learned anew" in broken.status()["refused"]
    path.write_text('{"schema":"other","game":"g","visits":0,"nodes":[]}')
    assert "schema other" in ScreenGraph("arena", path).load().refused
    ScreenGraph("nowhere", None).load().save()


def test_at_most_200_screens_are_kept_and_the_oldest_goes() -> None:
    graph = ScreenGraph("g", None)
    first = graph.locate(screen_of(["first", "second", "third"]))
    for i in range(MAX_NODES):
        letters = "".join(chr(97 + int(d)) * 4 for d in str(i))
        graph.locate(screen_of([f"{letters}x", f"{letters}y", f"{letters}z"]))
    assert len(graph.nodes) <= MAX_NODES and first.id not in graph.nodes


def test_two_games_have_two_files(tmp_path: Path) -> None:
    assert (
        graph_path(tmp_path, "bonklink://h:1") != graph_path(tmp_path, "bonklink://h:2")
        and graph_path(tmp_path, "../../x").parent == tmp_path
    )


def test_people_see_the_newest_screens_by_what_can_be_pressed_with_the_ways_that_lead_on() -> None:
    graph = ScreenGraph("g", None)
    main, setup = graph.locate(MAIN), graph.locate(SETUP)
    graph.note(main, _key(["Play", "Options", "Credits"], "Options"), setup.id)
    graph.note(main, _key(["Play", "Options", "Credits"], "Play"), main.id)
    graph.note(setup, _key(["Easy", "Hard", "Start", "Back"], "Start"), PLAY)
    here, there = graph.status()["shown"]
    assert here == {
        "name": "Easy, Hard, Start", "seen": 1, "is_here": True, "ways": [{"by": "Start", "to": PLAY}]
    }  # fmt: skip
    assert not there["is_here"] and there["ways"] == [{"by": "Options", "to": "Easy, Hard, Start"}]
