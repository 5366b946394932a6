"""Recordings, moments, clips and their videos over HTTP; the process that reads them is started once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from agent.concurrency.lane import Lane
from agent.core.clock import SystemClock
from agent.http.part import HttpServer
from agent.http.recordings.api import RecordingsApi, clips_of
from agent.journal.clip import CLIPS, Clip
from tests.http.api_side import TOKEN, Source
from tests.http.recordings.written import grey, written


def asked(folder: Path | None, *paths: str, headers: dict[str, str] | None = None) -> list[tuple[int, Any, Any]]:
    async def main() -> list[tuple[int, Any, Any]]:
        disk, found = Lane("disk"), []
        api, port = RecordingsApi(folder, disk), asyncio.get_running_loop().create_future()
        server = HttpServer(Source(), 0, TOKEN, SystemClock(), api.routes(), dict, port.set_result)
        task = asyncio.ensure_future(server.run())
        async with aiohttp.ClientSession(f"http://127.0.0.1:{await port}") as http:
            for path in paths:
                async with http.get(path, headers=headers) as reply:
                    body = await (reply.json() if reply.content_type == "application/json" else reply.read())
                    found.append((reply.status, body, reply.headers))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert api.child.starts <= 1
        api.close()
        disk.close()
        return found

    return asyncio.run(main())


@pytest.mark.slow
def test_recordings_are_listed_scrubbed_and_shown(tmp_path: Path) -> None:
    written(tmp_path / "20260101-000000-1", packets=30)
    base = "/api/v1/replay/20260101-000000-1"
    every = asked(
        tmp_path, "/api/v1/recordings", base, f"{base}?t=1.25", f"{base}/frame.jpg?t=1.25", f"{base}?t=1.25&game=1",
        f"{base}?t=x", f"{base}?t=-1", f"{base}?t=nan", "/api/v1/replay/none", "/api/v1/replay/..%2f..%2fetc?t=1",
    )  # fmt: skip
    assert [status for status, _, _ in every] == [200, 200, 200, 200, 404, 400, 400, 400, 404, 404]
    assert every[0][1]["recordings"][0]["id"] == "20260101-000000-1" and every[1][1]["length_s"] == pytest.approx(2.9)
    moment = every[2][1]
    assert (moment["number"], moment["has_picture"]) == (13, True) and moment["values"]["decision"]["owner"] == "motor"
    assert every[3][2]["Content-Type"] == "image/jpeg" and every[3][1][:2] == grey(0)[:2]


def test_clips_are_listed_and_their_videos_come_whole_or_in_part(tmp_path: Path) -> None:
    clip = tmp_path / CLIPS / "20260101-000030"
    written(clip, packets=2, turns=())
    (clip / "clip.json").write_bytes(msgspec.json.encode(Clip("s", 10.0, 40.0, True)))
    video = bytes(range(256)) * 4
    (clip / "x.part.mp4").write_bytes(b"not yet")
    path = f"/api/v1/clips/{clip.name}"
    assert asked(tmp_path, path)[0][0] == 404, "it is still being made"
    (clip / f"{clip.name}.mp4").write_bytes(video)
    listed, whole = asked(tmp_path, "/api/v1/clips", path)
    assert listed[1]["clips"] == [
        {"id": clip.name, "seconds": 30.0, "video": True, "replays": True, "session": "s"}
    ] == clips_of(clip.parent)  # fmt: skip
    assert whole[1] == video and whole[2]["Content-Type"] == "video/mp4" and whole[2]["Accept-Ranges"] == "bytes"
    ((status, part, _),) = asked(tmp_path, path, headers={"Range": "bytes=100-199"})
    assert (status, part) == (206, video[100:200])
    assert asked(tmp_path, path, headers={"Range": "bytes=9000-"})[0][0] == 416


def test_a_session_that_knows_no_folder_says_so() -> None:
    for status, body, _ in asked(None, "/api/v1/recordings", "/api/v1/clips", "/api/v1/replay/x"):
        assert status == 404 and "no folder" in body["error"]
