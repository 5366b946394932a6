"""The navigator is a part where it is on, comes after the planner's cards, and its actions have its name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.app import build_session
from agent.control.arbiter import Verdict
from agent.control.kiter import Kiter
from agent.core.clock import SystemClock
from agent.core.types import NEUTRAL, Observation
from agent.link.endpoint import Endpoint
from agent.planning.menus.goal import menu_goal
from agent.planning.menus.part import Menus
from agent.planning.messages import Server
from agent.session.options import MenuOptions, SessionOptions
from agent.session.planning.menus import NAVIGATOR
from agent.session.planning.owners import Owners
from tests.core.goals.states import state

OPTIONS = SessionOptions(
    endpoints=(Endpoint("127.0.0.1", 9),), names=("game",), http_port=None, game="arena",
    menus=MenuOptions(goal=menu_goal("Start a run with Ogre"), folder=None),
)  # fmt: skip


def _built(**changes: Any) -> tuple[Menus | None, Any]:
    async def main() -> tuple[Menus | None, Any]:
        made = build_session(replace(OPTIONS, **changes), Kiter(), SystemClock())
        for closed in (*made.parts, *made.lanes):
            closed.close()
        return next((p for p in made.parts if isinstance(p, Menus)), None), made.actor._navigator

    return asyncio.run(main())


def test_the_navigator_is_a_part_that_is_on_or_off() -> None:
    menus, navigators = _built()
    assert menus is not None and navigators.asked == ((menus.navigator, NAVIGATOR),) and menus.model is None
    assert menus.status()["goal"] == "Start a run with Ogre" and menus.status()["backend"] == "builtin"
    assert _built(menus=None) == (None, None)


def test_each_game_has_screens_of_its_own_and_a_model_chooses_where_one_is_named(tmp_path: Path) -> None:
    wanted = replace(OPTIONS.menus, folder=tmp_path, vlm=Server("ollama", "http://127.0.0.1:1", "llava:7b"))  # type: ignore[type-var]
    menus, _ = _built(menus=wanted, endpoints=(Endpoint("127.0.0.1", 9),) * 2, names=("a", "b"))
    assert menus is not None and menus.model is not None and menus.status()["backend"] == "vlm"
    files = [game["graph"]["file"] for game in menus.status()["games"]]
    assert len(set(files)) == 2 and all(Path(f).parent == tmp_path for f in files)
    assert menus.status()["model"]["model"] == "llava:7b"


def test_the_change_of_owner_says_which_menu() -> None:
    said: list[str] = []
    menu = state(current_menu="Results", is_playing=False)
    seen = Observation(0, menu, None, 1, 0.0, 5.0, 0.0, False, False, False)
    Owners(("arena",), lambda kind, text, payload: said.append(text)).changed(
        seen, "motor", Verdict(NEUTRAL, NAVIGATOR)
    )
    assert said[0].startswith("navigator acts after motor: the menu Results is gone through")
