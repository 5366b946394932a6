"""From the main menu to play with what the goal names, told or hidden; on after a death; out of the way otherwise."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.core.errors import ChildGone
from agent.core.types import Action, Menu
from agent.games.arena import state as layout
from agent.games.arena.game import ArenaGame
from agent.planning.menus.graph import PLAY
from agent.planning.menus.seat import STUCK_S
from tests.planning.menus.written import Written
from tools.bench.menus.arena import turning
from tools.bench.menus.changed import one
from tools.bench.menus.played import InProcess, Played

GOAL = "Start Tier 3 run with Calcium"


def _played(goal: str = GOAL, *, hidden: bool = True, **more: Any) -> tuple[ArenaGame, Played]:
    game = ArenaGame(capture_px=(320, 180))
    return game, Played(game, goal, hidden=hidden, policy=turning, caller=InProcess(Written(game)), **more)


def _runs(game: ArenaGame) -> bool:
    return game.screen is None


@pytest.mark.parametrize("hidden", [True, False])
def test_the_goal_is_reached_from_a_cold_start_and_by_its_shortest_way_once_it_is_known(
    tmp_path: Path, hidden: bool
) -> None:
    clicks = []
    for _ in range(2):
        game, played = _played(hidden=hidden, path=tmp_path / "screens.json")

        async def main(game: ArenaGame = game, played: Played = played) -> None:
            async with played.running():
                assert await played.until(lambda: _runs(game), 60.0), (played.seat.status(), played.events)
                assert await played.until(lambda: bool(played.events), 5.0)

        asyncio.run(main())
        name = game.worlds.catalog.characters[int(game.world["character"])]["name"]
        assert name == "Calcium" and game.tier == 2
        assert played.events[0][0] == "navigator_reached", played.events
        clicks.append(len(played.clicks))
    assert clicks[1] <= 6 and (tmp_path / "screens.json").stat().st_size > 100
    assert any(PLAY in e.led_to for node in played.graph.nodes.values() for e in node.edges.values())


def test_death_results_and_the_next_run_are_gone_through_and_cards_are_left_to_others() -> None:
    game, played = _played(hidden=False)

    async def main() -> None:
        async with played.running():
            assert await played.until(lambda: _runs(game), 60.0)
            for _ in range(2):
                game.world["phase"] = layout.DEAD
                assert await played.until(lambda: game.screen is not None and game.screen.name == Menu.DEATH, 20.0)
                assert await played.until(lambda: _runs(game), 60.0), played.seat.status()

    asyncio.run(main())
    assert game.tier == 2 and played.navigator.counts["missed"] == 0 and played.navigator.counts["gave_up"] == 0


def test_after_giving_up_for_memory_menus_are_the_policys() -> None:
    from tests.core.goals.states import state
    from tests.planning.menus.test_seat import seen

    _, played = _played(hidden=False)
    menu = seen(state(current_menu="MainMenu", is_playing=False))
    assert played.navigator.propose(menu) is not None
    assert asyncio.run(played.navigator.give_up("too much is in use")) != ""
    assert played.navigator.propose(menu) is None and played.navigator.status()["off"] == "too much is in use"
    played.navigator.close()


@pytest.mark.parametrize("menu", [Menu.LEVEL_UP, Menu.CHEST, Menu.ENCOUNTER, Menu.LOADING, Menu.PLAY])
def test_cards_loading_and_play_are_not_the_navigators(menu: str) -> None:
    from tests.core.goals.states import state
    from tests.planning.menus.test_seat import seen

    _, played = _played(hidden=False)
    assert played.navigator.propose(seen(state(current_menu=menu))) is None
    assert played.navigator.propose(seen(state(current_menu="MainMenu", is_playing=False))) is not None
    played.navigator.close()


def test_without_a_goal_the_policy_passes_menus_and_the_navigator_helps_where_it_is_stuck() -> None:
    game, played = _played("", hidden=False)
    played.policy = Action

    async def main() -> None:
        async with played.running():
            assert not await played.until(lambda: bool(played.clicks), STUCK_S - 1.0)
            assert await played.until(lambda: bool(played.events), 20.0), played.seat.status()

    asyncio.run(main())
    assert _runs(game) and len(played.clicks) == 3 and played.navigator.counts["reached"] == 1


def test_it_gives_up_with_a_reason_as_an_event_and_in_the_status_and_lets_the_policy_act() -> None:
    class Dead:
        def answered(self, message: Any, payload: bytes) -> Any:
            raise ChildGone("screen reader: its process ended with -9")

    game, played = _played(hidden=False)
    played.caller.reading = Dead()

    async def main() -> None:
        async with played.running():
            assert await played.until(lambda: bool(played.events), 20.0)

    asyncio.run(main())
    kind, text, _ = played.events[0]
    assert kind == "navigator_gave_up" and "its process ended" in text
    seat = played.navigator.status()["games"][0]
    assert seat["phase"] == "gave up" and "its process ended" in seat["gave_up"] and not played.clicks


def test_while_what_reads_hangs_the_game_gets_a_neutral_action_for_each_packet_and_then_the_policys() -> None:
    """A reading that never comes costs no packet its answer; the call has an end, see `concurrency.child`."""
    game, played = _played(hidden=False)
    hung = asyncio.Event()

    class Hangs(InProcess):
        async def call(self, *rest: Any, **more: Any) -> Any:
            await hung.wait()
            raise ChildGone("screen reader: no answer within 20 s; its process was ended")

    played.reader._caller = Hangs()
    actions: list[Action | None] = []
    propose = played.navigator.propose
    played.navigator.propose = lambda seen: actions.append(propose(seen)) or actions[-1]  # type: ignore[method-assign, func-returns-value]

    async def main() -> None:
        async with played.running():
            for _ in range(200):
                await played.tick()
            hung.set()
            assert await played.until(lambda: bool(played.events), 5.0)
            await played.tick()

    asyncio.run(main())
    waited = actions[:200]
    assert all(a == Action(answers=i + 1) for i, a in enumerate(waited)) and actions[-1] is None


def test_a_goal_that_is_refused_is_given_up_before_a_picture_is_read() -> None:
    _, played = _played("quit the game", hidden=False)

    async def main() -> None:
        async with played.running():
            assert await played.until(lambda: bool(played.events), 5.0)

    asyncio.run(main())
    assert "refused (quit)" in played.events[0][1] and not played.caller.asked


def test_a_model_that_fails_is_replaced_by_the_builtin_chooser() -> None:
    class Broken:
        async def choose(self, *rest: Any) -> Any:
            raise ChildGone("gone")

        def status(self) -> dict[str, Any]:
            return {"model": "broken"}

    game, played = _played(hidden=False, model=lambda clock: Broken())

    async def main() -> None:
        async with played.running():
            assert await played.until(lambda: _runs(game), 60.0)

    asyncio.run(main())
    status = played.navigator.status()
    assert status["model_failed"] >= 5 and status["by_model"] == 0 and status["model"] == {"model": "broken"}


def test_no_click_lands_on_a_screen_that_changed_after_the_look() -> None:
    """A model that takes up to 7 s, and screens that change meanwhile; some change too late to matter."""
    landed = [hit for number in range(16) for hit in asyncio.run(one(number))[0]]
    assert all(text == "Play" and not changed for text, changed in landed), landed
