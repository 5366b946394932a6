"""Whatever a server does, a question ends within its deadlines with an answer or a named fault."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

import httpx  # noqa: F401 - imported before the loop runs, as an import blocks it
import msgspec
import ollama  # noqa: F401
import pytest

from agent.planning.backends import answer, look
from agent.planning.messages import FAULTS, Ask, Look, Server, Told
from tools.bench.planner.stand_in import MODES, StandIn

SCHEMA = b'{"type":"object","properties":{"plan":{"type":"array","items":{"type":"integer"}}},"required":["plan"]}'
LONG_S = 60.0
"""Long enough on a busy machine."""
LIMITS = {"hang": {"silence_s": 0.3}, "silent": {"silence_s": 0.3}, "drip": {"total_s": 0.6}}
"""What ends a question to a server that never does, by its mode."""
Kind = Literal["ollama", "openai"]
KINDS: tuple[Kind, ...] = ("ollama", "openai")
FAULT_OF = {
    "hang": "silent", "silent": "silent", "drip": "slow", "error": "http", "not_found": "no_model",
    "redirect": "redirect", "killed": "broken", "short": "broken", "huge": "too_large", "gzip": "encoded",
    "html": "garbage", "garbage": ("broken", "garbage"),
}  # fmt: skip
WHOLE = set(MODES) - set(FAULT_OF)


def server_at(port: int, kind: Kind = "ollama", model: str = "tiny") -> Server:
    return Server(kind, f"http://127.0.0.1:{port}" + ("/v1" if kind == "openai" else ""), model, api_key="canary-key")


def _ask(port: int, kind: Kind, **changes: object) -> Ask:
    ask = Ask(
        server=server_at(port, kind), system="You plan.", prompt="1. survive\n2. kill", schema=SCHEMA, think="omit",
        total_s=LONG_S, silence_s=LONG_S, max_bytes=4096,
    )  # fmt: skip
    return msgspec.structs.replace(ask, **changes)


def _asked(mode: str, kind: Kind, **changes: object) -> tuple[Told, StandIn]:
    async def ask() -> tuple[Told, StandIn]:
        async with StandIn(mode) as server:
            return await answer(_ask(server.port, kind, **LIMITS.get(mode, {}), **changes)), server

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", sorted(FAULT_OF))
def test_a_bad_server_gives_a_named_fault_within_the_deadline(mode: str, kind: Kind) -> None:
    began_s = time.monotonic()
    told, server = _asked(mode, kind)
    assert told.fault in FAULT_OF[mode] and told.fault in FAULTS and told.error
    assert time.monotonic() - began_s < 30.0  # without the deadlines four of them never end
    assert len(server.asked) == 1 and "/elsewhere" not in server.paths, "a redirect was followed, or asked again"


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_answer_comes_with_its_costs_whatever_it_says(kind: Kind) -> None:
    told, server = _asked("good", kind)
    assert (told.fault, told.content, told.prompt_tokens, told.reply_tokens) == ("", '{"plan": [1]}', 40, 8)
    assert told.took_s > 0
    body = server.asked[0]
    form = body["format"] if kind == "ollama" else body["response_format"]["json_schema"]["schema"]
    assert form == msgspec.json.decode(SCHEMA) and body["model"] == "tiny"
    for mode in WHOLE - {"good", "thinking", "empty"}:
        assert _asked(mode, kind)[0].content, mode
    thought, _ = _asked("thinking", kind)
    assert thought.content == "" and thought.thinking == '{"plan": [1]}'


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_is_told_key_temperature_and_length_and_no_proxy_hears_of_it(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    told, server = _asked("good", kind)
    assert told.fault == "" and "authorization: bearer canary-key\r\n" in server.heads[0].lower()
    body = server.asked[0]
    said = body["options"] if kind == "ollama" else body
    assert (said["temperature"], said["num_predict" if kind == "ollama" else "max_tokens"]) == (0.2, 256)


def test_think_is_left_out_false_or_low() -> None:
    said = [
        _asked("good", "ollama", think=think)[1].asked[0].get("think", "none") for think in ("omit", "false", "low")
    ]
    assert said == ["none", False, "low"]


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there_is_said_at_once(kind: Kind) -> None:
    async def ask() -> Told:
        async with StandIn() as server:
            port = server.port
        return await answer(_ask(port, kind))

    told = asyncio.run(ask())
    assert told.fault == "unreachable" and "canary" not in told.error


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_says_which_models_it_has(kind: Kind) -> None:
    async def see() -> tuple[str, tuple[str, ...], list[str]]:
        async with StandIn() as server:
            seen = await look(Look(server=server_at(server.port, kind), within_s=LONG_S))
            return seen.fault, seen.models, server.paths

    fault, models, paths = asyncio.run(see())
    assert (fault, models) == ("", ("tiny:latest",))
    assert not [p for p in paths if "pull" in p or "create" in p]


def test_without_a_name_ollamas_smallest_model_that_chats_on_its_own_machine_is_taken() -> None:
    listed: list[dict[str, Any]] = [
        {"model": "gpt-oss:120b-cloud", "size": 384, "remote_host": "https://ollama.com:443"},
        {"model": "glm:cloud", "size": 300},
        {"model": "nomic-embed-text:latest", "size": 274_000_000, "details": {"family": "nomic-bert"}},
        {"model": "all-minilm:latest", "size": 46_000_000, "details": {"family": "bert"}},
        {"model": "big:70b", "size": 40_000_000_000, "details": {"family": "llama"}},
        {"model": "small:1b", "size": 800_000_000, "details": {"family": "llama"}},
    ]

    async def see(model: str) -> tuple[str, ...]:
        async with StandIn() as server:
            server.listed = listed
            return (await look(Look(server=server_at(server.port, model=model), within_s=LONG_S))).models

    assert asyncio.run(see("")) == ("small:1b", "big:70b")
    assert asyncio.run(see("gpt-oss:120b-cloud")) == tuple(m["model"] for m in listed)


def test_what_a_server_says_of_itself_may_be_garbage() -> None:
    async def see() -> str:
        async with StandIn() as server:
            server.listed = [{"model": {"deep": 1}, "size": "big", "details": "none"}, {"model": "b", "size": 3}]
            good = await look(Look(server=server_at(server.port), within_s=LONG_S))
            wrong = Server("openai", f"http://127.0.0.1:{server.port}/v2")
            return f"{good.models} {(await look(Look(server=wrong, within_s=LONG_S))).fault}"

    assert asyncio.run(see()).endswith("no_model")
