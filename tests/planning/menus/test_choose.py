"""The builtin chooser: what the goal names, then the known way, then what may lead on; never what is refused."""

from __future__ import annotations

import msgspec

from agent.planning.menus.choose import Choice, Journey, choose, is_main_menu, pressable
from agent.planning.menus.goal import menu_goal
from agent.planning.menus.graph import PLAY, ScreenGraph, action_key
from agent.planning.menus.words import Refused
from agent.planning.screen.elements import Screen
from tools.bench.menus.pairs import screen_of

GOAL = "Start Tier 3 run with Calcium"


def _chosen(
    texts: list[str], journey: Journey, graph: ScreenGraph | None = None, refused: Refused | None = None
) -> Choice:
    graph, screen = graph or ScreenGraph("g", None), screen_of(texts)
    return choose(screen, graph.locate(screen), graph, journey, refused or Refused(), {})


def _text(choice: Choice) -> str:
    return choice.element.text if choice.element is not None else choice.do


def test_what_the_goal_names_is_pressed_before_what_leads_on_and_once_only() -> None:
    journey, texts = Journey(menu_goal(GOAL)), ["CHOOSE A HERO", "Fox", "Calcium", "CONFIRM", "BACK"]
    first = _chosen(texts, journey)
    assert _text(first) == "Calcium" and "the goal names it" in first.why
    journey.done |= first.names
    assert _text(_chosen(texts, journey)) == "CONFIRM"


def test_after_a_death_the_menu_is_gone_to_first_where_something_must_be_chosen_and_else_the_run_restarts() -> None:
    texts = ["RESULTS", "Kills 3", "RESTART", "MENU"]
    assert _text(_chosen(texts, Journey(menu_goal(GOAL)))) == "MENU"
    assert _text(_chosen(texts, Journey(menu_goal(GOAL), fulfilled=True))) == "RESTART"
    assert _text(_chosen(texts, Journey(menu_goal("")))) == "RESTART"


def test_refused_texts_chat_and_sentences_are_never_pressed() -> None:
    screen = screen_of(["Quit", "Delete save", "Accept"])
    kinds = [msgspec.structs.replace(e, kind="chat") for e in screen_of(["Play"]).elements]
    assert (
        pressable(screen, Refused()) == []
        and pressable(Screen(tuple(kinds), (1, 1), 0.0, screen.brightness), Refused()) == []
    )
    left = _chosen(["Quit", "Delete save", "Accept"], Journey(menu_goal("")))
    assert left.do in ("back", "give_up")
    allowed = _chosen(["Quit", "Delete save", "Accept"], Journey(menu_goal("")), refused=Refused(frozenset({"accept"})))
    assert _text(allowed) == "Accept"


def test_where_nothing_leads_on_it_says_what_is_refused() -> None:
    graph, screen = ScreenGraph("g", None), screen_of(["Quit"])
    node = graph.locate(screen)
    graph.note(node, "(back)", node.id)
    graph.note(node, "(back)", node.id)
    choice = choose(screen, node, graph, Journey(menu_goal(GOAL)), Refused(), {})
    assert choice.do == "give_up" and "'Quit' (quit)" in choice.why and "tier 3 calcium" in choice.why


def test_a_known_way_is_taken_before_a_hopeful_one() -> None:
    graph = ScreenGraph("g", None)
    texts = ["Play", "Adventure", "Options"]
    screen = screen_of(texts)
    node = graph.locate(screen)
    for _ in range(2):
        graph.note(node, action_key(screen.elements[0], screen.size_px), node.id)
    graph.note(node, action_key(screen.elements[1], screen.size_px), PLAY)
    assert _text(choose(screen, node, graph, Journey(menu_goal("")), Refused(), {})) == "Adventure"


def test_what_the_goal_names_on_another_screen_is_gone_to_by_the_graph() -> None:
    graph = ScreenGraph("g", None)
    main, chars = screen_of(["Play", "Heroes", "Options"]), screen_of(["Fox", "Calcium", "Return"])
    here, there = graph.locate(main), graph.locate(chars)
    graph.note(here, action_key(main.elements[1], main.size_px), there.id)
    choice = choose(main, here, graph, Journey(menu_goal(GOAL)), Refused(), {})
    assert _text(choice) == "Heroes"


def test_texts_that_look_disabled_are_put_off_and_embeddings_decide_between_strangers() -> None:
    screen = screen_of(["Alpha", "Beta"])
    grey = Screen((msgspec.structs.replace(screen.elements[0], state="disabled"), screen.elements[1]), (1280, 720), 0.0,
                  screen.brightness)  # fmt: skip
    graph, journey = ScreenGraph("g", None), Journey(menu_goal(""))
    assert _text(choose(grey, graph.locate(grey), graph, journey, Refused(), {})) == "Beta"
    asked = Journey(menu_goal("open the gallery of pictures"))
    assert _text(choose(screen, graph.locate(screen), graph, asked, Refused(), {"Beta": 0.6})) == "Beta"
    assert _text(choose(screen, graph.locate(screen), graph, asked, Refused(), {"Alpha": 0.6})) == "Alpha"


def test_the_main_menu_is_known_by_its_words_and_a_pause_is_none() -> None:
    assert is_main_menu(["Play", "Options", "Credits"]) and not is_main_menu(["Resume", "Options", "Main Menu"])
    title = Journey(menu_goal("back to the title screen"))
    assert _chosen(["Play", "Options"], title).do == "wait"
    assert _text(_chosen(["Resume", "Options", "Main Menu"], title)) == "Main Menu"


def test_what_led_nowhere_is_tried_again_where_a_text_is_new() -> None:
    graph, screen = ScreenGraph("g", None), screen_of(["Play Game", "world one", "Credits"])
    node = graph.locate(screen)
    graph.note(node, action_key(screen.elements[0], screen.size_px), graph.locate(screen_of(["Xyzzy", "Qwrt"])).id)
    rest = screen, node, graph, Journey(menu_goal("Play")), Refused(), {"world one": 0.3}

    assert _text(choose(*rest)) == "world one"
    assert _text(choose(*rest, changed=True)) == "Play Game"


def test_words_that_are_read_wrong_count_as_the_nearest_and_large_titles_are_put_off() -> None:
    assert _text(_chosen(["Super", "Stort Gone", "Cretids"], Journey(menu_goal("Start a new game")))) == "Stort Gone"
    screen = screen_of(["Super", "One", "Two"])
    title = msgspec.structs.replace(screen.elements[0], box=(400, 0, 800, 160))
    screen = msgspec.structs.replace(screen, elements=(title, *screen.elements[1:]))
    graph = ScreenGraph("g", None)
    assert _text(choose(screen, graph.locate(screen), graph, Journey(menu_goal("")), Refused(), {})) == "One"


def test_for_a_goal_that_is_a_screen_ways_out_of_dialogs_go_before_captions_and_play() -> None:
    goal = Journey(menu_goal("Open the settings"))
    assert _text(_chosen(["Language", "Deutsch", "Play", "Ok"], goal)) == "Ok"
    assert _text(_chosen(["Name:", "Play", "Somewhere"], goal)) == "Somewhere"


def test_where_something_is_to_be_chosen_a_choice_of_levels_goes_before_a_story() -> None:
    texts = ["Story mode", "Contrib levels", "Back"]
    assert _text(_chosen(texts, Journey(menu_goal("Play Community Island")))) == "Contrib levels"
    assert _text(_chosen(texts, Journey(menu_goal("Play")))) == "Story mode"
