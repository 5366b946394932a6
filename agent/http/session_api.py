"""Routes by which a person steers the session itself: take a game over, save what just happened.

Owns no socket; the server is `http.server`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from agent.core.clock import Clock
from agent.core.errors import RecordingError, RequestError
from agent.core.part import Route
from agent.core.types import Action, Vector2
from agent.http.decoding import Decoder, read_body
from agent.http.snapshots import without_folders
from agent.http.workers import answer, routes_of
from agent.learner.bodies import decode
from agent.session.clips.maker import DEFAULT_S, MAX_S, ClipMaker
from agent.session.human.takeover import click_of
from agent.session.sense import Feed

BODY_BYTES: Final = 4096


class PostTakeover(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/v1/takeover: what a person does; it is held for half a second, send it again before.

    Axes −1 … 1; click 0 … 1, origin top-left. release: let go of everything; the policy plays a second later.
    """

    game: int = 0
    move: Vector2 = (0.0, 0.0)
    look: Vector2 = (0.0, 0.0)
    fire: bool = False
    ability: bool = False
    interact: bool = False
    click: Vector2 | None = None
    release: bool = False


class PostClip(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /api/v1/clip: save the last seconds of the recording. mp4: a video as well, made after the answer.

    after_last: nothing of the clip before, which it would overlap.
    """

    seconds: float = DEFAULT_S
    mp4: bool = False
    after_last: bool = False


async def body_of(request: web.Request, decoder: Decoder, kind: type[Any]) -> Any:
    """A small body as `kind`, nothing for none; raises RequestError."""
    with decoder.memory.request() as held:
        body = await read_body(request, BODY_BYTES, held)
        return decode(kind, body or b"{}", request.content_type if body else "application/json")


def takeover_routes(feeds: Sequence[Feed], decoder: Decoder, clock: Clock) -> list[Route]:
    """The route by which a page plays a game."""

    async def take_over(request: web.Request) -> web.StreamResponse:
        body: PostTakeover = await body_of(request, decoder, PostTakeover)
        if not 0 <= body.game < len(feeds):
            raise RequestError(400, f"game: 0 to {len(feeds) - 1}, not {body.game}")
        feed = feeds[body.game]
        if body.release:
            feed.human.let_go()
        else:
            feed.human.press(action_of(body, feed), clock.now_s())
        return answer(request, {"ok": True, "game": body.game, **feed.human.status()})

    return routes_of(("POST", "/api/v1/takeover", take_over))


def clip_routes(clips: ClipMaker | None, decoder: Decoder, video: Callable[[Path], None]) -> list[Route]:
    """The route that saves the last seconds. video: asked to make a clip's MP4; raises QueueFull."""

    async def save(request: web.Request) -> web.StreamResponse:
        body: PostClip = await body_of(request, decoder, PostClip)
        if not 1.0 <= body.seconds <= MAX_S:
            raise RequestError(400, f"seconds: from 1 to {MAX_S:g}")
        if clips is None:
            raise RequestError(409, "nothing is recorded: it was started with --no-record")
        try:
            made = await clips.make(body.seconds, after_last=body.after_last)
        except RecordingError as error:
            raise RequestError(507, without_folders(str(error))) from error
        if body.mp4:
            try:
                video(made.folder)
            except asyncio.QueueFull as error:
                raise RequestError(503, f"{made.folder.name} is saved; too many wait for videos, ask later") from error
        told = {
            "clip": made.folder.name, "ready_s": round(made.ready_s, 4), "replays": made.is_whole,
            "seconds": round(made.to_s - made.from_s, 3), "from_s": round(made.from_s, 4), "to_s": round(made.to_s, 4),
        }  # fmt: skip
        response = answer(request, {"ok": True, **told}, 202 if body.mp4 else 200)
        response.headers["Location"] = f"/api/v1/clips/{made.folder.name}"
        return response

    return routes_of(("POST", "/api/v1/clip", save))


def action_of(body: PostTakeover, feed: Feed) -> Action:
    """What a body asks for; raises RequestError."""
    for name, axes in (("move", body.move), ("look", body.look)):
        if not all(math.isfinite(v) and abs(v) <= 1.0 for v in axes):
            raise RequestError(400, f"{name}: two numbers from -1 to 1 are needed")
    click, state = None, feed.latest_state
    if body.click is not None:
        if not all(math.isfinite(v) and 0.0 <= v <= 1.0 for v in body.click):
            raise RequestError(400, "click: two numbers from 0 to 1 are needed")
        click = click_of(state, body.click) if state is not None else None
        if click is None:
            raise RequestError(409, "click: the game does not say how large its pictures are")
    return Action(body.move, body.look, body.fire, body.ability, body.interact, click)
