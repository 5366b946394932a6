"""One question to an Ollama server or to any that speaks OpenAI's chat API, under deadlines and a size cap.

Runs in a process of its own (`llm_child`). Follows no redirect, pulls no model, reads no proxy from the environment,
and turns whatever a server does into an answer or a fault.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp

from agent.core.clock import SystemClock
from agent.planning.messages import Ask, Look, Seen, Server, Told

CONNECT_S: Final = 2.0
LOOK_BYTES: Final = 1 << 20
MAX_ERROR: Final = 200


class Fault(Exception):
    """A question without an answer: one of `FAULTS`, and in words."""

    def __init__(self, fault: str, error: str) -> None:
        super().__init__(error)
        self.fault = fault


async def answer(ask: Ask) -> Told:
    """The server's answer, or the fault that it ended with; takes no longer than `total_s`."""
    clock = SystemClock()
    began_s = clock.now_s()
    try:
        async with asyncio.timeout(ask.total_s):
            told = await (_ask_ollama(ask) if ask.server.backend == "ollama" else _ask_openai(ask))
    except TimeoutError:
        told = Told(fault="slow", error=f"no whole answer within {ask.total_s:g} s")
    except Fault as fault:
        told = Told(fault=fault.fault, error=_short(str(fault)))
    return Told(
        content=told.content, thinking=told.thinking, took_s=clock.now_s() - began_s,
        prompt_tokens=told.prompt_tokens, reply_tokens=told.reply_tokens, fault=told.fault, error=told.error,
    )  # fmt: skip


async def look(message: Look) -> Seen:
    """What the server says of itself, or the fault that it ended with; takes no longer than `within_s`."""
    server = message.server
    try:
        async with asyncio.timeout(message.within_s), _session(server, message.within_s) as session:
            if server.backend == "ollama":
                version = (await _get(session, f"{server.base_url}/api/version")).get("version", "")
                listed = (await _get(session, f"{server.base_url}/api/tags")).get("models", [])
                if not server.model and isinstance(listed, list):
                    listed = _own(listed)
                return Seen(version=str(version)[:40], models=_names(listed, "model", "name"))
            listed = (await _get(session, f"{server.base_url}/models")).get("data", [])
            return Seen(models=_names(listed, "id"))
    except TimeoutError:
        return Seen(fault="slow", error=f"{server.base_url} did not answer within {message.within_s:g} s")
    except Fault as fault:
        return Seen(fault=fault.fault, error=_short(str(fault)))


def _short(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MAX_ERROR]).split())[:MAX_ERROR]


def _own(listed: list[Any]) -> list[Any]:
    """Ollama's models that may be taken without being named, smallest first: none that another machine runs, which
    would be told of the game, and none that only embeds."""

    def chats_here(model: dict[str, Any]) -> bool:
        details = model.get("details")
        family = str(details.get("family")) if isinstance(details, dict) else ""
        name = str(model.get("model") or model.get("name"))
        is_remote = model.get("remote_host") or model.get("remote_model") or name.endswith(("-cloud", ":cloud"))
        return not is_remote and "embed" not in name and "bert" not in family

    own = [model for model in listed if isinstance(model, dict) and chats_here(model)]
    return sorted(own, key=lambda model: model["size"] if isinstance(model.get("size"), int) else 0)


def _names(listed: Any, *keys: str) -> tuple[str, ...]:
    """The models' names in a list of objects."""
    if not isinstance(listed, list):
        raise Fault("garbage", "its list of models is none")
    found = [next((str(m[k]) for k in keys if isinstance(m, dict) and m.get(k)), "") for m in listed[:1000]]
    return tuple(name[:200] for name in found if name)


# --- Ollama, by its client ------------------------------------------------------------------------------------------


async def _ask_ollama(ask: Ask) -> Told:
    try:
        import httpx
        import ollama
    except ImportError as error:
        raise Fault("no_client", 'pip install "metabonk-apex[llm]" for the client of Ollama') from error
    server = ask.server
    client = ollama.AsyncClient(
        host=server.base_url, follow_redirects=False, trust_env=False,
        timeout=httpx.Timeout(ask.silence_s, connect=min(CONNECT_S, ask.silence_s)),
        headers={"Accept-Encoding": "identity", **_authorization(server)}, transport=_capped(server, ask.max_bytes),
    )  # fmt: skip
    more = {} if ask.think == "omit" else {"think": False if ask.think == "false" else "low"}
    try:
        parts = await client.chat(  # type: ignore[call-overload]
            server.model, messages=_with_pictures(ask), format=json.loads(ask.schema), stream=True,
            options={"temperature": server.temperature, "num_predict": server.max_tokens}, **more,
        )  # fmt: skip
        return await _joined(parts)
    except httpx.TimeoutException as error:
        if isinstance(error, httpx.ConnectTimeout):
            raise Fault("unreachable", f"{server.base_url} did not take the connection") from error
        raise Fault("silent", f"no byte for {ask.silence_s:g} s") from error
    except httpx.ConnectError as error:
        raise Fault("unreachable", f"nothing listens at {server.base_url}") from error
    except httpx.DecodingError as error:
        raise Fault("encoded", str(error)) from error
    except httpx.HTTPError as error:
        raise Fault("broken", f"the connection ended in the reply: {error}") from error
    except ollama.ResponseError as error:
        raise _status_fault(error.status_code, error.error) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Fault("garbage", f"not what Ollama sends: {error}") from error
    finally:
        await client.close()  # type: ignore[no-untyped-call]


async def _joined(parts: AsyncIterator[Any]) -> Told:
    """The whole answer of a stream that ends as it should."""
    content, thinking, last = [], [], None
    async for part in parts:
        content.append(part.message.content or "")
        thinking.append(part.message.thinking or "")
        last = part
    if last is None or not last.done:
        raise Fault("broken", "the reply ended before it was done")
    return Told(
        content="".join(content), thinking="".join(thinking),
        prompt_tokens=last.prompt_eval_count or 0, reply_tokens=last.eval_count or 0,
    )  # fmt: skip


def _capped(server: Server, max_bytes: int) -> Any:
    """A transport of httpx that refuses redirects, encodings and more than so many bytes."""
    import httpx

    class Stream(httpx.AsyncByteStream):
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def __aiter__(self) -> AsyncIterator[bytes]:
            n_bytes = 0
            async for chunk in self._inner:
                n_bytes += len(chunk)
                if n_bytes > max_bytes:
                    raise Fault("too_large", f"more than {max_bytes} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._inner.aclose()

    class Transport(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            try:
                _check_head(response.status_code, response.headers)
            except Fault:
                await response.aclose()
                raise
            return httpx.Response(
                response.status_code,
                headers=response.headers,
                stream=Stream(response.stream),
                extensions=response.extensions,
            )

    return Transport(verify=server.base_url.startswith("https:"))  # where there is no TLS, no certificates are read


# --- OpenAI's chat API ----------------------------------------------------------------------------------------------


async def _ask_openai(ask: Ask) -> Told:
    server = ask.server
    body = {
        "model": server.model, "messages": _messages(ask), "temperature": server.temperature,
        "max_tokens": server.max_tokens, "stream": True, "stream_options": {"include_usage": True},
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "plan", "strict": True, "schema": json.loads(ask.schema)},
        },
    }  # fmt: skip
    async with _session(server, ask.silence_s) as session:
        url = f"{server.base_url}/chat/completions"
        raw, kind = await _fetch(session, "POST", url, ask.max_bytes, body)
    try:
        return _whole(raw) if kind == "application/json" else _from_events(raw)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise Fault("garbage", f"not what such a server sends: {type(error).__name__}: {error}") from error


def _whole(raw: bytes) -> Told:
    """An answer that came in one piece, from a server that does not stream."""
    document = json.loads(raw)
    message, usage = document["choices"][0]["message"], document.get("usage") or {}
    return _told(message.get("content"), message.get("reasoning_content"), usage)


def _from_events(raw: bytes) -> Told:
    """An answer that came as server-sent events."""
    content: list[str] = []
    thinking: list[str] = []
    usage: dict[str, Any] = {}
    done = False
    for line in raw.decode("utf-8").splitlines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or not data:
            continue
        if data == "[DONE]":
            done = True
            break
        part = json.loads(data)
        if "error" in part:
            raise Fault("http", f"the server says: {part['error']}")
        usage = part.get("usage") or usage
        for choice in part.get("choices") or []:
            delta = choice.get("delta") or {}
            content.append(delta.get("content") or "")
            thinking.append(delta.get("reasoning_content") or "")
    if not done:
        if not content:
            raise ValueError("no event of a chat")
        raise Fault("broken", "the reply ended before it was done")
    return _told("".join(content), "".join(thinking), usage)


def _told(content: str | None, thinking: str | None, usage: Mapping[str, Any]) -> Told:
    tokens = [int(usage.get(key) or 0) for key in ("prompt_tokens", "completion_tokens")]
    return Told(
        content=str(content or ""), thinking=str(thinking or ""), prompt_tokens=tokens[0], reply_tokens=tokens[1]
    )


# --- both -----------------------------------------------------------------------------------------------------------


def _messages(ask: Ask) -> list[dict[str, Any]]:
    return [{"role": "system", "content": ask.system}, {"role": "user", "content": ask.prompt}]


def _with_pictures(ask: Ask) -> list[dict[str, Any]]:
    """The messages as Ollama takes them."""
    system, user = _messages(ask)
    return [system, {**user, "images": list(ask.images)} if ask.images else user]


def _authorization(server: Server) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.api_key}"} if server.api_key else {}


def _session(server: Server, silence_s: float) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT_S, silence_s), sock_read=silence_s)
    headers = {"Accept-Encoding": "identity", **_authorization(server)}
    return aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=False, auto_decompress=False)


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    raw, _ = await _fetch(session, "GET", url, LOOK_BYTES)
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Fault("garbage", f"{url} answers no JSON") from error
    if not isinstance(document, dict):
        raise Fault("garbage", f"{url} answers no object")
    return document


async def _fetch(
    session: aiohttp.ClientSession, method: str, url: str, max_bytes: int, body: Any = None
) -> tuple[bytes, str]:
    """A body and its content type; raises Fault."""
    raw = bytearray()
    try:
        async with session.request(method, url, json=body, allow_redirects=False) as response:
            _check_head(response.status, response.headers)
            async for chunk in response.content.iter_any():
                raw += chunk
                if len(raw) > max_bytes:
                    raise Fault("too_large", f"more than {max_bytes} bytes")
            if response.status != 200:
                raise _status_fault(response.status, bytes(raw[:MAX_ERROR]).decode("utf-8", "replace"))
            return bytes(raw), response.content_type
    except aiohttp.ConnectionTimeoutError as error:
        raise Fault("unreachable", f"{url} did not take the connection") from error
    except aiohttp.ServerTimeoutError as error:
        raise Fault("silent", f"no byte for {session.timeout.sock_read:g} s") from error
    except aiohttp.ClientConnectorError as error:
        raise Fault("unreachable", f"nothing listens at {url}") from error
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, ConnectionError) as error:
        raise Fault("broken", f"the connection ended in the reply: {error}") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise Fault("garbage", f"no HTTP that can be read: {error}") from error


def _check_head(status: int, headers: Mapping[str, str]) -> None:
    if 300 <= status < 400:
        raise Fault("redirect", f"it redirects to {headers.get('Location', 'nowhere')[:MAX_ERROR]}, which is not done")
    if headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise Fault("encoded", f"its reply is encoded by {headers['Content-Encoding'][:40]}, which was not asked for")


def _status_fault(status: int, text: str) -> Fault:
    if status == 404:
        return Fault("no_model", f"status 404: {text}")
    return Fault("http", f"status {status}: {text}")
