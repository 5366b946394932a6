"""A link works once, becomes a cookie of this session, and the cookie counts only from the page's own origin."""

from __future__ import annotations

import asyncio
from typing import Any

from agent.core.clock import VirtualClock
from agent.http.steering.access import LINK_S, MAX_LINKS, Access
from tests.http.live.side import LiveSide, live_side


async def opened(side: LiveSide, path: str) -> tuple[int, str]:
    async with side.http.get(path, allow_redirects=False) as reply:
        return reply.status, reply.headers.get("Set-Cookie", "")


async def posted(side: LiveSide, **headers: str) -> int:
    async with side.http.post("/nothing", json={}, headers=headers) as reply:
        return reply.status


def test_a_link_works_once_and_its_cookie_steers_from_the_page_alone() -> None:
    async def main() -> None:
        async with live_side() as side:
            link, own = side.access.link(), side.address
            assert await posted(side, Origin=own) == 401
            async with side.http.head(link) as reply:
                assert reply.status == 200, "who looks at it does not use it up"
            status, cookie = await opened(side, link)
            assert status == 303 and "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
            port, value = own.rpartition(":")[2], cookie.partition(";")[0]
            assert value.startswith(f"metabonk_{port}=")
            side.http.cookie_jar.clear()
            assert (await opened(side, link))[0] == 403, "it was opened before"
            assert (await opened(side, "/login"))[0] == (await opened(side, "/login?key=%ff"))[0] == 403
            assert await posted(side, Cookie=value, Origin=own) == 404, "it may write; there is just no such address"
            refused: list[dict[str, str]] = [
                {"Cookie": value}, {"Cookie": f"metabonk_{port}=x", "Origin": own}, {"Cookie": "", "Origin": own},
            ]  # fmt: skip
            assert [await posted(side, **each) for each in refused] == [401] * 3
            assert await posted(side, Cookie=value, Origin="http://other.test") == 403
            headers: dict[str, Any] = {"Cookie": value, "Origin": own, "Sec-Fetch-Site": "cross-site"}
            assert await posted(side, **headers) == 403

    asyncio.run(main())


def test_old_links_and_all_but_the_newest_work_no_longer() -> None:
    clock = VirtualClock(5.0)
    access = Access(clock)
    links = [access.link().partition("=")[2] for _ in range(MAX_LINKS + 1)]
    assert access.redeem(links[0]) is None and access.redeem(links[1]) is not None
    asyncio.run(clock.advance(LINK_S + 1))
    assert access.redeem(links[2]) is None
