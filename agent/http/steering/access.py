"""How a browser gets to steer: a link that works once becomes a cookie of this session.

The token never leaves its file for that. Links and cookies are random, live in memory alone and end with the session;
the guard takes a cookie only together with the page's own origin.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from typing import Final

from aiohttp import web

from agent.core.clock import Clock
from agent.core.part import Route

LINK_S: Final = 600.0
"""A link that nobody opened works no longer than this."""
MAX_LINKS: Final = 16
MAX_BROWSERS: Final = 32
COOKIE_S: Final = 30 * 24 * 3600


class Access:
    """The links that were given out, and the browsers that opened one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links: dict[str, float] = {}
        self._browsers: deque[str] = deque(maxlen=MAX_BROWSERS)

    def link(self) -> str:
        """Path and query of a new link."""
        key = secrets.token_urlsafe(24)
        self._links[key] = self._clock.now_s() + LINK_S
        while len(self._links) > MAX_LINKS:
            del self._links[next(iter(self._links))]
        return f"/login?key={key}"

    def redeem(self, key: str) -> str | None:
        """The cookie of a browser that opens a link for the first time; None for any other key."""
        until_s = self._links.pop(key, None)
        if until_s is None or self._clock.now_s() > until_s:
            return None
        cookie = secrets.token_urlsafe(32)
        self._browsers.append(cookie)
        return cookie

    def knows(self, request: web.Request) -> bool:
        """True where a request carries a cookie of this session."""
        given = request.cookies.get(cookie_name(request), "").encode("utf-8", "surrogateescape")
        return any([hmac.compare_digest(given, cookie.encode()) for cookie in self._browsers])

    def route(self) -> Route:
        """Where links lead: they set the cookie, and go on to the page."""

        async def login(request: web.Request) -> web.StreamResponse:
            if request.method == "HEAD":
                return web.Response()
            cookie = self.redeem(request.query.get("key", ""))
            if cookie is None:
                raise web.HTTPForbidden(
                    reason="this link was opened before, or is too old: get another by `python -m agent watch --link`"
                )
            response = web.Response(status=303, headers={"Location": "/"})
            response.set_cookie(cookie_name(request), cookie, max_age=COOKIE_S, httponly=True, samesite="Strict")
            return response

        return Route("GET", "/login", login)


def cookie_name(request: web.Request) -> str:
    """One for each port, since a browser keeps one jar for all ports of an address."""
    return f"metabonk_{request.host.rpartition(':')[2]}"
