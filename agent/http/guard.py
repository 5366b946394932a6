"""What every request passes before its handler: who asks, from where, with what.

Against pages of other origins (CSRF, DNS rebinding) on the user's own machine; see SECURITY.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from agent.http.steering.access import Access
from agent.learner.bodies import MSGPACK
from agent.learner.tensor_bodies import SAFETENSORS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_BODY_TYPES = ("application/json", MSGPACK, SAFETENSORS)
_READS = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
log = structlog.get_logger(__name__)


def may_write(request: web.Request, token: str, access: Access | None) -> bool:
    """True where a request has the token, or the cookie of a browser that opened a link."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(_bytes_of(given), _bytes_of(token)):
        return True
    return access is not None and "Origin" in request.headers and access.knows(request)


def refusal(
    request: web.Request, port: int, token: str, access: Access | None = None, *, is_open: bool = False
) -> tuple[int, str] | None:
    """Status and reason of a request that may not pass, None for one that may.

    is_open: other machines reach this server, by names that it does not know. Then every request needs the token, and
    none may come from a page: a page cannot have the token.
    """
    if is_open:
        return _refusal_of_another_machine(request, token)
    hosts = {f"{host}:{port}" for host in LOCAL_HOSTS} | (set(LOCAL_HOSTS) if port == 80 else set())
    if request.headers.getall("Host", []) not in [[host] for host in hosts]:
        return 421, "this server answers to its own address only"
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return 403, "a page of another origin asks"
    origin = request.headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in hosts}:
        return 403, "a page of another origin asks"
    if request.method in _READS:
        return None
    if request.content_type not in _BODY_TYPES:
        return 415, "send application/json or application/msgpack; rollouts may be application/vnd.safetensors"
    if not may_write(request, token, access):
        return 401, "send Authorization: Bearer with the token, or open the page by the link that play shows"
    return None


def _refusal_of_another_machine(request: web.Request, token: str) -> tuple[int, str] | None:
    if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none":
        return 403, "a page asks; this server answers programs alone"
    if not may_write(request, token, None):
        return 401, "send Authorization: Bearer with the token; it is in METABONK_HTTP_TOKEN on both machines"
    if request.method not in _READS and request.content_type not in _BODY_TYPES:
        return 415, "send application/json or application/msgpack; rollouts may be application/vnd.safetensors"
    return None


def _bytes_of(text: str) -> bytes:
    """The bytes of a header's text, also where they were no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def guard(port_of: Callable[[], int], token: str, access: Access | None = None, *, is_open: bool = False) -> Middleware:
    """The middleware that refuses, that hides failures' insides, and that sets the headers of every answer."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = refusal(request, port_of(), token, access, is_open=is_open)
        response: web.StreamResponse
        if refused is not None:
            status, reason = refused
            log.info("request_refused", status=status, reason=reason, method=request.method)
            response = web.json_response({"error": reason}, status=status)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.json_response({"error": error.reason}, status=error.status)
                if "Allow" in error.headers:
                    response.headers["Allow"] = error.headers["Allow"]
        response.headers.update(HEADERS)
        return response

    return middleware
