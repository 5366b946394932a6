"""The page of a real `play`: its address and a link that works once are said, and the state is that of the game."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from agent.link.imaging import decode_frame

ROOT = Path(__file__).resolve().parents[2]


class _Stays(urllib.request.HTTPRedirectHandler):
    """Shows a redirection instead of following it."""

    def redirect_request(self, *told: Any) -> None:
        return None


def _read(request: str | urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=240) as answer:
        read: bytes = answer.read()
    return read


@pytest.mark.slow
def test_play_says_where_its_page_is_and_gives_one_browser_the_right_to_steer(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [
        sys.executable, "-m", "agent", "play", "--game", "arena", "--seconds", "90", "--http-port", "0",
        "--no-open-page", "--no-learn", "--report", str(report),
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as player:
        try:
            assert player.stderr is not None
            url = next(text for text in player.stderr if "Watch it at" in text).split()[-1]
            link = next(text for text in player.stderr if "/login?key=" in text).split()[-1]
            assert link.startswith(f"{url}login?key=")
            for _ in range(200):
                state = json.loads(_read(f"{url}api/v1/state"))
                if state["status"]["games"][0]["frame_hz"] > 0:
                    break
                time.sleep(0.1)
            picture = _read(f"{url}frame.jpg")
            page = _read(url).decode()
            opener = urllib.request.build_opener(_Stays)
            with pytest.raises(urllib.error.HTTPError) as first:
                opener.open(link, timeout=240)
            with pytest.raises(urllib.error.HTTPError) as second:
                opener.open(link, timeout=240)
            for refused in (first, second):
                refused.value.close()
            cookie = first.value.headers["Set-Cookie"].partition(";")[0]
            headers = {"Content-Type": "application/json", "Origin": url[:-1], "Cookie": cookie}
            goal = urllib.request.Request(f"{url}api/v1/goal", b'{"goal":"open 2 chests"}', headers)
            set_to = json.loads(_read(goal))
        finally:
            player.terminate()
            player.stderr.read()
            player.wait(240)
    assert (first.value.code, second.value.code) == (303, 403) and set_to["text"] == "open 2 chests"
    scene, decision = state["scenes"][0], state["decisions"][0]
    assert scene["max_health"] > 0 and decision["owner"] == "motor" and decision["weighed"]["value"] is not None
    assert page.count('class="panel ') == 10 and decode_frame(picture).shape == (180, 320, 3)
    assert json.loads(report.read_text(encoding="utf-8"))["schema"] == "metabonk-report/1"
