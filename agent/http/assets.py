"""The files of the page and of the overlay, read once when the server starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Final

from aiohttp import web

from agent.core.part import Route

VENDOR: Final = "vendor"
"""The folder of what others wrote, each with its licence."""
SCRIPTS: Final = ("page.js", "parts.js", "scene.js", "charts.js", "steer.js", "replay.js", "wire.js", "overlay.js")
STYLES: Final = ("page.css", "overlay.css")
ICON: Final = "icon.svg"
OF_OTHERS: Final = {
    "uplot.js": "text/javascript", "uplot.css": "text/css", "barlow-400.woff2": "font/woff2",
    "barlow-600.woff2": "font/woff2",
}  # fmt: skip
PAGES: Final = {"/": "index.html", "/overlay": "overlay.html"}


def kinds() -> dict[str, str]:
    """The content type of each path."""
    own = {name: "text/javascript" for name in SCRIPTS} | {name: "text/css" for name in STYLES}
    own |= {ICON: "image/svg+xml"}
    return dict.fromkeys(PAGES, "text/html") | {f"/{name}": kind for name, kind in (own | OF_OTHERS).items()}


def asset_routes() -> list[Route]:
    """The routes of all files; reads them."""
    return [Route("GET", path, _asset(path, kind)) for path, kind in kinds().items()]


def _asset(path: str, kind: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    name = PAGES.get(path, path[1:])
    folder = resources.files("agent").joinpath("http", "page")
    body = (folder.joinpath(VENDOR, name) if name in OF_OTHERS else folder.joinpath(name)).read_bytes()
    charset = "utf-8" if kind.startswith("text/") else None

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind, charset=charset)

    return handler
