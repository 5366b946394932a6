"""The live API says who may steer: nobody without the token or the cookie."""

from __future__ import annotations

import asyncio

from tests.http.live.side import live_side, receive
from tests.http.live.test_stream import BEARER, LIVE


def test_hello_tells_whether_this_client_may_steer() -> None:
    async def main() -> None:
        async with live_side() as side:
            login = side.access.link()
            found = []
            for headers in ({}, BEARER, {"Authorization": "Bearer wrong"}):
                async with side.http.ws_connect(LIVE, headers=headers) as socket:
                    found.append((await receive(socket))[2]["may_write"])
            async with side.http.get(login, allow_redirects=False) as reply:
                assert reply.status == 303
                cookie = reply.headers["Set-Cookie"].partition(";")[0]
            async with side.http.ws_connect(LIVE, headers={"Origin": side.address, "Cookie": cookie}) as socket:
                found.append((await receive(socket))[2]["may_write"])
            async with side.http.get(LIVE, headers={"Origin": "http://other.test"}) as reply:
                assert reply.status == 403
        assert found == [False, True, False, True]

    asyncio.run(main())
