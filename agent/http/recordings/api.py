"""Routes of recordings and clips, as a part of a session."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from agent.concurrency.child import Child
from agent.concurrency.lane import Lane
from agent.core.errors import RecordingError, RequestError
from agent.core.part import Part, Route
from agent.http.recordings.messages import At, Listed, ListRecordings, Moment, Overview, Seen
from agent.http.workers import answer, number_of, routes_of
from agent.journal.clip import CLIPS, read_clip

READ_S: Final = 60.0
MAX_SECONDS: Final = 10.0 * 24 * 3600
MAX_CLIPS: Final = 200
NO_FOLDER: Final = "this session knows no folder of recordings"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


@dataclass(frozen=True)
class RecordingsApi(Part):
    """What was recorded, for the page. folder: of the recordings, None where the session knows none. Owns a process."""

    name = "recordings api"
    folder: Path | None
    disk: Lane
    child: Child = field(default_factory=lambda: Child("replayer", "agent.http.recordings.child", max_waiting=16))

    def close(self) -> None:
        """End the process."""
        self.child.close()

    def _root(self) -> Path:
        if self.folder is None:
            raise RequestError(404, NO_FOLDER)
        return self.folder

    async def _found(self, name: str) -> Path:
        """The folder of a recording or clip by its name; raises RequestError(404)."""
        root = self._root()
        if not _NAME.match(name):
            raise RequestError(404, "there is no recording of this name")
        for path in (root / name, root / CLIPS / name):
            if await self.disk.run(lambda: path.is_dir() and any(path.glob("segment-*"))):  # noqa: B023
                return path
        raise RequestError(404, f"there is no recording {name}")

    async def _recordings(self, request: web.Request) -> web.StreamResponse:
        asked = ListRecordings(folder=str(self._root()))
        found, _ = await self.child.call(asked, Listed, timeout_s=READ_S)
        return answer(request, {"recordings": found.recordings})

    async def _replay(self, request: web.Request) -> web.StreamResponse:
        path, game = await self._found(request.match_info["id"]), number_of(request, "game", 0)
        if "t" not in request.query:
            seen, _ = await self.child.call(Overview(path=str(path), game=game), Seen, timeout_s=READ_S)
            return answer(request, {"id": path.name, "game": game, **_plain(seen)})
        moment, picture = await self._moment(path, game, request)
        has = {"has_picture": bool(picture)}
        return answer(request, {"id": path.name, "game": game, **has, **_plain(moment)})

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        path, game = await self._found(request.match_info["id"]), number_of(request, "game", 0)
        _, picture = await self._moment(path, game, request)
        if not picture:
            raise RequestError(404, "there is no picture at this time")
        return web.Response(body=picture, content_type="image/jpeg")

    async def _moment(self, path: Path, game: int, request: web.Request) -> tuple[Moment, bytes]:
        text = request.query.get("t", "0")[:32]
        try:
            seconds = float(text)
        except ValueError as error:
            raise RequestError(400, f"t={text!r}: seconds since the beginning are needed") from error
        if not math.isfinite(seconds) or not 0.0 <= seconds <= MAX_SECONDS:
            raise RequestError(400, f"t={text}: from 0 to {MAX_SECONDS:.0f} seconds")
        return await self.child.call(At(path=str(path), game=game, seconds=seconds), Moment, timeout_s=READ_S)

    async def _clips(self, request: web.Request) -> web.StreamResponse:
        return answer(request, {"clips": await self.disk.run(lambda: clips_of(self._root() / CLIPS))})

    async def _clip(self, request: web.Request) -> web.StreamResponse:
        path = await self._found(request.match_info["id"])
        video = await self.disk.run(lambda: video_of(path))
        if video is None:
            raise RequestError(404, f"{path.name} has no video yet: ask for one with mp4, and wait for `clip_video`")
        return web.FileResponse(video, headers={"Content-Type": "video/mp4", "Content-Disposition": "inline"})

    def routes(self) -> Sequence[Route]:
        """Recordings, moments of one, clips and their videos."""
        return routes_of(
            ("GET", "/api/v1/recordings", self._recordings),
            ("GET", "/api/v1/replay/{id}", self._replay),
            ("GET", "/api/v1/replay/{id}/frame.jpg", self._picture),
            ("GET", "/api/v1/clips", self._clips),
            ("GET", "/api/v1/clips/{id}", self._clip),
        )


def _plain(message: Seen | Moment) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(message)
    del found["type"]
    return found


def video_of(folder: Path) -> Path | None:
    """A clip's finished video, of its first game; None where there is none."""
    found = sorted(path for path in folder.glob("*.mp4") if not path.name.endswith(".part.mp4"))
    return found[0] if found else None


def clips_of(folder: Path) -> list[dict[str, Any]]:
    """The clips, newest first: name, seconds, and whether there is a video."""
    found = sorted((path for path in folder.glob("*") if _NAME.match(path.name)), reverse=True)[:MAX_CLIPS]
    return [shown for path in found if (shown := _clip_values(path)) is not None]


def _clip_values(path: Path) -> dict[str, Any] | None:
    try:
        clip = read_clip(path)
    except RecordingError:
        return {"id": path.name, "seconds": None, "video": False, "replays": False, "session": ""}
    if clip is None:
        return None
    return {
        "id": path.name, "seconds": round(clip.to_s - clip.from_s, 2), "video": video_of(path) is not None,
        "replays": clip.is_whole, "session": clip.session,
    }  # fmt: skip
