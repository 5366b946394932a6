"""The OpenAPI 3.1 document of every route: what it takes, what it answers, and with which status.

Bodies are the types that decode them (`learner.bodies`). A test compares the document with the routes. Owns nothing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from agent.http.assets import kinds
from agent.http.goals import PostGoal, PostSubgoal
from agent.http.merging import PostMerge
from agent.http.session_api import PostClip, PostTakeover
from agent.http.steering.part import PostLearning, PostLink, PostRollback
from agent.learner.bodies import MSGPACK, PostEvent, PushDemo, PushRollout, Register
from agent.learner.tensor_bodies import SAFETENSORS

JSON: Final = "application/json"
JPEG, TEXT, STREAM, MP4 = "image/jpeg", "text/plain", "text/event-stream", "video/mp4"
_REASONS: Final = {
    101: "the stream begins", 200: "it is done, or this is what was asked for",
    202: "it is begun; Location names where what comes of it will be", 204: "nothing is newer",
    206: "the part that was asked for", 303: "go on to the page, with a cookie",
    400: "a field or the body is wrong; the message says which", 401: "no token, or a wrong one",
    403: "a page of another origin asks", 404: "there is none", 405: "another method is needed; Allow names it",
    408: "the body did not come in time",
    409: "it does not fit what is there; the message says why", 413: "the body or an array of it is too large",
    415: "the content type is none that is taken", 416: "the file has no such part",
    421: "this server answers to its own address only", 426: "ask for a WebSocket",
    501: "this process does not do it; the error says which does",
    503: "too many wait, or too much memory is held; ask again later",
    507: "the disk takes no more",
}  # fmt: skip
_READ: Final = (403, 405, 421)
_WRITE: Final = (400, 401, 403, 405, 408, 413, 415, 421, 503)
_BODIES: Final[dict[str, Any]] = {
    "/register_worker": Register, "/push_rollout": PushRollout, "/push_demo": PushDemo, "/events": PostEvent,
    "/api/v1/takeover": PostTakeover, "/api/v1/goal": PostGoal, "/api/v1/clip": PostClip,
    "/merge_policies": PostMerge,
    "/api/v1/subgoal": PostSubgoal, "/api/v1/weights/rollback": PostRollback, "/api/v1/learning": PostLearning,
    "/api/v1/link": PostLink,
}  # fmt: skip
_POLICY: Final = {"name": "policy_name", "in": "query", "required": True, "schema": {"type": "string", "maxLength": 64}}
_SINCE: Final = {"name": "since_version", "in": "query", "schema": {"type": "integer", "default": -1}}
_LIMIT: Final = {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 100}}
_LOSSES_OF: Final = {"name": "policy_name", "in": "query", "schema": {"type": "string"}}


_GAME: Final = {"name": "game", "in": "query", "schema": {"type": "integer", "default": 0}}
_NEWEST: Final = {"name": "limit", "in": "query", "schema": {"type": "integer", "default": 240}}
_KEY: Final = {"name": "key", "in": "query", "schema": {"type": "string"}}
_ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 128}}
_AT: Final = {"name": "t", "in": "query", "schema": {"type": "number", "minimum": 0}}
_SHOW: Final = {"name": "show", "in": "query", "schema": {"type": "string", "default": "goal,plan,q"}}
_SCALE: Final = {"name": "scale", "in": "query", "schema": {"type": "number", "default": 1}}
_FPS: Final = {"name": "fps", "in": "query", "schema": {"type": "number", "default": 10}}
_LAST_EVENT: Final = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer", "minimum": 0}}


_FILES: Final = {"/": "The page", "/overlay": "Parts of the page for a stream, transparent"}


class _Operation(msgspec.Struct, frozen=True):
    """One route: `kinds` are the content types of its good answer; `more` statuses beside those of every such route.

    also: other good statuses, with the same answer.
    """

    method: str
    path: str
    summary: str
    kinds: tuple[str, ...] = (JSON,)
    more: tuple[int, ...] = ()
    parameters: tuple[dict[str, Any], ...] = ()
    good: int | None = 200
    also: tuple[int, ...] = ()


_OPERATIONS: Final = (
    *(
        _Operation(
            "get", path, _FILES.get(path, "A file of the page"), (kind,), (), (_SHOW, _SCALE) * (path == "/overlay")
        )
        for path, kind in kinds().items()
    ),
    _Operation("get", "/login", "Open a link that works once", (), (), (_KEY,), 303),
    _Operation("get", "/openapi.json", "This document"),
    _Operation("get", "/status", "Everything about this session"),
    _Operation("get", "/healthz", "Whether it answers"),
    _Operation(
        "get", "/metrics", "Prometheus, or the losses by policy as JSON", (TEXT, JSON), parameters=(_LOSSES_OF,)
    ),
    _Operation("get", "/frame.jpg", "The newest picture", (JPEG,), (404,)),
    _Operation("post", "/register_worker", "A worker says hello", (JSON, MSGPACK), (409, 507)),
    _Operation(
        "get",
        "/get_weights",
        "The newest weights of a policy",
        (JSON, MSGPACK),
        (204, 400, 404, 503),
        (_POLICY, _SINCE),
    ),
    _Operation(
        "get",
        "/get_cpqe_weights",
        "What a motor's learner made last; version 0 is what acts",
        (JSON, MSGPACK),
        (204, 400, 404, 503),
        (_POLICY, _SINCE),
    ),
    _Operation("post", "/push_rollout", "Learn from a rollout", (JSON, MSGPACK), (409, 507)),
    _Operation("post", "/push_demo", "Imitate a demonstration", (JSON, MSGPACK), (409, 507)),
    _Operation("get", "/events", "The newest events, oldest first", (JSON,), (400,), (_LIMIT,)),
    _Operation("post", "/events", "Add an event", (JSON, MSGPACK)),
    _Operation("post", "/api/v1/takeover", "A person plays a game", (JSON, MSGPACK), (409,)),
    _Operation("get", "/api/v1/goal", "The goal, and what is understood of it", (JSON, MSGPACK), (404,)),
    _Operation("post", "/api/v1/goal", "Plan for another goal", (JSON, MSGPACK), (404,)),
    _Operation("get", "/api/v1/plan", "What each game pursues, why, and what came before", (JSON, MSGPACK), (404,)),
    _Operation("post", "/api/v1/clip", "Save the last seconds", (JSON, MSGPACK), (409, 507), also=(202,)),
    _Operation("post", "/api/v1/subgoal", "Hold on to what a game pursues, or skip it", (JSON, MSGPACK), (404, 409)),
    _Operation("get", "/api/v1/state", "Everything that the page shows, ten times a second at most", (JSON, MSGPACK)),
    _Operation(
        "get",
        "/api/v1/decisions",
        "A minute of a game's decisions, four a second",
        (JSON,),
        (400, 404),
        (_GAME, _NEWEST),
    ),
    _Operation(
        "get", "/api/v1/live", "Pictures and states as they come: a WebSocket", (), (400, 426, 503), (_FPS, _GAME), 101
    ),
    _Operation("get", "/api/v1/weights", "The versions of the weights that are kept", (JSON, MSGPACK), (409, 507)),
    _Operation("post", "/api/v1/weights/rollback", "Go back to older weights", (JSON, MSGPACK), (409,), good=202),
    _Operation("post", "/api/v1/learning", "Pause learning from play, or go on", (JSON, MSGPACK), (409,)),
    _Operation("post", "/api/v1/link", "A link by which one browser may steer", (JSON, MSGPACK)),
    _Operation("get", "/api/v1/recordings", "Recordings, newest first", (JSON, MSGPACK), (404, 503)),
    _Operation(
        "get",
        "/api/v1/replay/{id}",
        "What a recording went through; with t, what was there then",
        (JSON, MSGPACK),
        (400, 404, 409, 503),
        (_ID, _AT, _GAME),
    ),
    _Operation(
        "get",
        "/api/v1/replay/{id}/frame.jpg",
        "The picture of a moment",
        (JPEG,),
        (400, 404, 409, 503),
        (_ID, _AT, _GAME),
    ),
    _Operation("get", "/api/v1/clips", "Clips, newest first", (JSON, MSGPACK), (404,)),
    _Operation(
        "get", "/api/v1/clips/{id}", "A clip's video, whole or in part", (MP4,), (404, 416), (_ID,), also=(206,)
    ),
    _Operation("get", "/events/stream", "Events as they happen, without end", (STREAM,), (503,), (_LAST_EVENT,)),
    _Operation("post", "/merge_policies", "Merge policies of one base", (JSON, MSGPACK), (404, 507)),
)


def document(version: str) -> dict[str, Any]:
    """The document, as plain values."""
    bodies, components = msgspec.json.schema_components(
        list(_BODIES.values()), ref_template="#/components/schemas/{name}"
    )
    schemas = dict(zip(_BODIES, bodies, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in _OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation, schemas)
    refusal = {
        "type": "object", "required": ["error"],
        "properties": {"ok": {"const": False}, "error": {"type": "string"}},
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MetaBonk Apex", "version": version,
            "description": "One session of play, on this machine alone. Requests that write need the token.",
        },
        "paths": paths,
        "components": {
            "schemas": {**components, "Refusal": refusal},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def _described(operation: _Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    """One operation in OpenAPI's words."""
    writes = operation.method == "post"
    statuses = sorted({*(_WRITE if writes else _READ), *operation.more})
    responses = {str(status): _response(status) for status in statuses}
    if operation.good is not None:
        content: dict[str, Any] = {kind: {"schema": _schema_of(kind)} for kind in operation.kinds}
        for status in (operation.good, *operation.also):
            responses[str(status)] = {"description": _REASONS[status], **({"content": content} if content else {})}
    described: dict[str, Any] = {"summary": operation.summary, "responses": responses}
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if writes:
        described["security"] = [{"token": []}]
        kinds = (JSON, MSGPACK, SAFETENSORS) if operation.path.startswith("/push_") else (JSON, MSGPACK)
        body = schemas.get(operation.path, {"type": "object"})
        content = {kind: {"schema": {} if kind == SAFETENSORS else body} for kind in kinds}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _schema_of(kind: str) -> dict[str, Any]:
    if kind in (JSON, MSGPACK):
        return {"type": "object"}
    return {"type": "string"} if kind.startswith("text/") else {}


def _response(status: int) -> dict[str, Any]:
    found: dict[str, Any] = {"description": _REASONS[status]}
    if status != 204:
        found["content"] = {kind: {"schema": {"$ref": "#/components/schemas/Refusal"}} for kind in (JSON, MSGPACK)}
    return found
