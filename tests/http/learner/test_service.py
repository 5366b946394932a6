"""A learner that other machines reach: every request needs the token, no page may ask, and no start without a token."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from agent.core.errors import SettingsError
from agent.http.learner.service import check_host, learnable_of
from tests.learner.remote.side import TOKEN, learner

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def test_other_machines_are_served_with_a_token_alone() -> None:
    check_host("127.0.0.1", "")
    check_host("0.0.0.0", "sixteen-letters-")
    for host, token in (("0.0.0.0", ""), ("10.0.0.2", "short"), ("::", "")):
        with pytest.raises(SettingsError, match=f"--host {host}: .*METABONK_HTTP_TOKEN"):
            check_host(host, token)


def test_a_policy_that_does_not_learn_from_workers_is_refused_by_name() -> None:
    plays: Any = SimpleNamespace(name="kiter")
    with pytest.raises(SettingsError, match="--policy kiter does not learn from workers"):
        learnable_of(plays)
    motor: Any = SimpleNamespace(name="m", kind="motor")
    with pytest.raises(SettingsError, match="--policy m, a motor, does not"):
        learnable_of(SimpleNamespace(name="m", capabilities=SimpleNamespace(learnable=motor)))  # type: ignore[arg-type]


def test_an_open_learner_answers_nobody_without_the_token_and_no_page(tmp_path: Path) -> None:
    async def main() -> list[int]:
        async with learner(tmp_path, is_open=True) as side, aiohttp.ClientSession() as http:
            root = f"http://127.0.0.1:{side.port}"
            asked: list[dict[str, str]] = [
                {}, {"Authorization": "Bearer wrong"}, BEARER, BEARER | {"Host": "learner.example:1"},
                BEARER | {"Origin": root}, BEARER | {"Sec-Fetch-Site": "same-origin"},
            ]  # fmt: skip
            found = []
            for headers in asked:
                for path in ("/status", "/get_weights?policy_name=p"):
                    async with http.get(f"{root}{path}", headers=headers) as reply:
                        found.append(reply.status)
            async with http.post(f"{root}/push_rollout", json={}, headers={}) as reply:
                found.append(reply.status)
            async with http.get(f"{root}/", headers=BEARER) as reply:
                found.append(reply.status)
            return found

    assert asyncio.run(main()) == [401, 401, 401, 401, 200, 404, 200, 404, 403, 403, 403, 403, 401, 404]


def test_a_learner_of_this_machine_still_answers_to_its_own_address_only(tmp_path: Path) -> None:
    async def main() -> list[int]:
        async with learner(tmp_path) as side, aiohttp.ClientSession() as http:
            found = []
            for headers in ({}, {"Host": "evil.example"}):
                async with http.get(f"http://127.0.0.1:{side.port}/status", headers=headers) as reply:
                    found.append(reply.status)
            return found

    assert asyncio.run(main()) == [200, 421]
