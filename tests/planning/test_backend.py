"""A server that settings name must work; `auto` takes what is there, and says once that nothing is."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from agent.core.clock import VirtualClock
from agent.core.errors import SettingsError
from agent.core.settings import LlmSettings, Settings
from agent.planning.backend import OLLAMA_URL, Backend, LlmConfig, llm_config, probe_question, servers_of
from agent.planning.messages import Seen, Told
from tests.planning.test_llm import Carried


def _config(**values: Any) -> LlmConfig:
    return llm_config(Settings(llm=LlmSettings(**values)))


def test_servers_are_tried_in_the_order_that_settings_give() -> None:
    assert servers_of(_config(backend="builtin")) == []
    assert [(s.backend, s.base_url) for s in servers_of(_config(base_url=""))] == [("ollama", OLLAMA_URL)]
    both = servers_of(_config(base_url="http://h:1/v1/", model="m"))
    assert [(s.backend, s.base_url, s.model) for s in both] == [
        ("ollama", "http://h:1/v1", "m"), ("openai", "http://h:1/v1", "m")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"backend": "openai"}, "needs METABONK_LLM_BASE_URL"),
        ({"base_url": "h:11434"}, "http://HOST:PORT is needed"),
        ({"base_url": "file:///etc/passwd"}, "http://HOST:PORT is needed"),
        ({"base_url": "http://me:secret@h"}, "http://HOST:PORT is needed"),
        ({"base_url": "http://h:99999"}, "METABONK_LLM_BASE_URL"),
    ],
)
def test_an_address_that_is_none_is_refused(values: dict[str, str], part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        _config(**values)


class Silent(Carried):
    """A server that is not there."""

    async def look(self, look: Any) -> Seen:
        return Seen(fault="unreachable", error="nothing listens at http://here")


def _backend(courier: Carried, backend: Any = "ollama", url: str = "") -> Backend:
    return Backend(LlmConfig(backend, base_url=url), VirtualClock(), courier=lambda: courier)


def test_a_named_server_that_is_not_there_or_breaks_the_schema_stops_the_start_and_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match=r"BACKEND=ollama: unreachable: nothing listens.*ollama serve"):
        asyncio.run(_backend(Silent()).begin())
    with pytest.raises(SettingsError, match=r"no model"):
        asyncio.run(_backend(Carried(models=())).begin())
    with pytest.raises(SettingsError, match=r"think low"):
        asyncio.run(_backend(Carried(*[Told(content="Sure!")] * 3)).begin())


def test_a_named_server_that_works_is_probed_with_the_schema_of_play() -> None:
    courier = Carried(Told(content='{"plan":[1]}'))
    backend = _backend(courier)
    asyncio.run(backend.begin())
    assert backend.model is not None and backend.model.ready and backend.status()["ready"]
    assert courier.asked[0].schema == probe_question().schema and b"enum" in courier.asked[0].schema


def test_a_model_that_is_given_up_is_asked_no_more_and_the_reason_is_shown() -> None:
    courier = Carried(Told(content='{"plan":[1]}'))
    backend = _backend(courier)

    async def main() -> tuple[str, str]:
        await backend.begin()
        return await backend.give_up("too much memory is in use"), await backend.give_up("again")

    first, second = asyncio.run(main())
    assert backend.model is None and "builtin planner plans" in first and second == ""
    assert backend.why == "too much memory is in use" and not backend.status().get("ready")


def test_a_server_that_cannot_plan_is_let_go_of_off_the_loop_and_one_that_is_looked_at_is_not_forgotten() -> None:
    closed_by: list[str] = []

    class Closed(Carried):
        def close(self) -> None:
            closed_by.append(threading.current_thread().name)

    with pytest.raises(SettingsError):
        asyncio.run(_backend(Closed(models=())).begin())
    assert closed_by and closed_by[0] != threading.main_thread().name, "its process was waited for on the loop of play"

    async def cancelled() -> None:
        courier = Closed()
        courier.look = lambda look: asyncio.Event().wait()  # type: ignore[assignment, return-value]
        backend = _backend(courier)
        task = asyncio.ensure_future(backend.begin())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        closed_by.clear()
        backend.close()

    asyncio.run(cancelled())
    assert len(closed_by) == 1, "its process stays"


@pytest.mark.parametrize("port", ["nobody", "another program"])
def test_auto_without_a_server_is_the_builtin_planner_and_says_why(port: str) -> None:
    async def run() -> Backend:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if port == "nobody":
            server.close()
        backend = _backend(Silent(), "auto", url)
        await backend.begin()
        await backend.find()
        server.close()
        return backend

    backend = asyncio.run(run())
    assert backend.model is None and "nothing listens" in backend.why and backend.status()["backend"] == "builtin"


def test_the_builtin_planner_looks_for_nothing() -> None:
    courier = Carried()
    backend = _backend(courier, "builtin")
    asyncio.run(backend.begin())
    asyncio.run(backend.find())
    assert backend.model is None and not courier.asked and backend.status()["why"] == "METABONK_LLM_BACKEND=builtin"
