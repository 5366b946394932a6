"""Every file of the page is served, asks for nothing elsewhere, and what others wrote has its licence beside it."""

from __future__ import annotations

import re
from pathlib import Path

from agent.http.assets import ICON, OF_OTHERS, PAGES, SCRIPTS, STYLES, asset_routes, kinds

FOLDER = Path(__file__).resolve().parents[2] / "agent" / "http" / "page"
OWN = [path for path in FOLDER.iterdir() if path.is_file()]


def test_every_file_is_served_and_nothing_else() -> None:
    assert {path.name for path in OWN} == {*SCRIPTS, *STYLES, *PAGES.values(), ICON}
    there = {path.name for path in (FOLDER / "vendor").iterdir()}
    assert there == {*OF_OTHERS, "uplot-LICENSE.txt", "barlow-OFL.txt"}
    assert {route.path for route in asset_routes()} == set(kinds())


def test_what_the_page_names_is_there_and_of_this_server() -> None:
    for path in OWN:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        assert not re.search(r"""["'(]\s*(https?:)?//""", text), path
        named = re.findall(r"""(?:src|href)="/([\w.-]+)"|url\("/([\w.-]+)"\)|from "\./([\w.-]+)\"""", text)
        for name in {part for found in named for part in found if part}:
            assert f"/{name}" in kinds(), (path, name)


def test_nothing_that_a_game_says_is_written_as_markup() -> None:
    for name in SCRIPTS:
        text = (FOLDER / name).read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            name
        )
