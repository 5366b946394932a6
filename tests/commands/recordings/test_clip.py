"""`clip` asks the session that plays, or takes the end of a recording; what it cannot do is one line."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.commands.cli import run
from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.http.decoding import Decoder
from agent.http.part import MAX_VIDEOS, ClipApi
from agent.http.server import serve
from agent.journal.clip import read_clip
from agent.journal.export.mp4 import frame_times_us
from agent.session.clips.maker import MadeClip
from tests.http.api_side import TOKEN, Source
from tests.journal.export.test_npz import recording


class Maker:
    """Says that it made a clip, of so many seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[float]()
        self.refuses = ""

    async def make(self, seconds: float, *, after_last: bool = False) -> MadeClip:
        self.asked.append(seconds)
        if self.refuses:
            raise RecordingError(self.refuses)
        return MadeClip(self.folder / "clips" / "x", 0.01, len(self.asked) == 1, 0.0, seconds)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Maker, int]]:
    """The server of a session on a thread of its own."""
    monkeypatch.setenv("METABONK_HTTP_TOKEN", TOKEN)
    monkeypatch.setenv("METABONK_RECORDINGS_DIR", str(tmp_path))
    maker, ports, ended = Maker(tmp_path), list[int](), threading.Event()
    listening = threading.Event()

    def ready(port: int) -> None:
        ports.append(port)
        listening.set()

    async def main() -> None:
        routes = ClipApi(maker, Decoder(), lambda *told: None).routes()  # type: ignore[arg-type]
        serving = serve(Source(), port=0, token=TOKEN, clock=SystemClock(), extra_routes=routes, ready=ready)
        task = asyncio.ensure_future(serving)
        while not ended.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert listening.wait(60)
    yield maker, ports[0]
    ended.set()
    thread.join()


def test_the_session_that_plays_saves_the_last_seconds(
    session: tuple[Maker, int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, port = session
    assert run(["clip", "--http-port", str(port)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'clips' / 'x'}\n"
    assert run(["clip", "--http-port", str(port), "--seconds", "5"]) == 0
    assert "its beginning is gone" in capsys.readouterr().out
    assert maker.asked == [30.0, 5.0]
    maker.refuses = f"{tmp_path / 'secret' / 'a'}: the disk takes nothing"
    assert run(["clip", "--http-port", str(port)]) == 2
    said = capsys.readouterr().err
    assert "the disk takes nothing" in said and "secret" not in said
    monkeypatch.setenv("METABONK_HTTP_TOKEN", "u" * 43)
    assert run(["clip", "--http-port", str(port)]) == 2
    assert "send Authorization" in " ".join(capsys.readouterr().err.split())


def test_only_so_many_clips_wait_for_their_videos(session: tuple[Maker, int]) -> None:
    maker, port = session
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/clip", b'{"mp4": true}', headers)
    for _ in range(MAX_VIDEOS):
        urllib.request.urlopen(request, timeout=60).close()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    assert caught.value.code == 503 and b"x is saved; too many wait" in caught.value.read()
    assert len(maker.asked) == MAX_VIDEOS + 1


def test_without_a_session_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METABONK_HTTP_TOKEN", TOKEN)
    assert run(["clip", "--http-port", "9"]) == 2
    assert "no session answers at port 9" in capsys.readouterr().err
    assert run(["clip", "--seconds", "0"]) == 2
    assert "--seconds 0: between 1 and 600" in capsys.readouterr().err
    assert run(["clip", str(tmp_path / "none")]) == 2
    assert "name the folder of a recording" in capsys.readouterr().err


def test_the_end_of_a_recording_with_its_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METABONK_RECORDINGS_DIR", str(tmp_path / "recordings"))
    rec: Any = recording(tmp_path / "rec")
    assert run(["clip", str(rec), "--seconds", "1", "--mp4"]) == 0
    folder = tmp_path / "recordings" / "clips" / "rec-end"
    video = folder / "rec-end.mp4"
    assert capsys.readouterr().out.splitlines()[-1] == str(video)
    made = read_clip(folder)
    assert made is not None and made.to_s - made.from_s == pytest.approx(1.0)
    times = frame_times_us(video)
    assert times[0] == 0 and 0.8e6 < times[-1] <= 1.01e6
