"""What readers share: snapshots and pictures are made a few times a second, however many ask."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.core.clock import VirtualClock
from agent.http import snapshots
from agent.http.events import EventLog
from tests.http.test_server import Source, served


def test_a_snapshot_is_built_four_times_a_second_at_most_whoever_asks_and_a_picture_is_encoded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[tuple[int, ...]] = []
    real = snapshots.encode_jpeg
    monkeypatch.setattr(snapshots, "encode_jpeg", lambda pixels: (encoded.append(pixels.shape), real(pixels))[1])

    async def main() -> None:
        clock, source = VirtualClock(), Source()
        source.frame = np.zeros((2000, 2000, 3), np.uint8)
        async with served(source, clock) as (_, http):

            async def read(path: str) -> bytes:
                async with http.get(path) as answer:
                    assert answer.status == 200
                    return await answer.read()

            for built in (1, 2):
                same = await asyncio.gather(*(read(path) for path in ["/status", "/metrics", "/frame.jpg"] * 20))
                assert len(set(same)) == 3 and source.built == built
                assert encoded == [(960, 960, 3)], "shrunk to what a page shows"
                await clock.advance(0.25)
            source.frame = np.zeros((20, 20, 3), np.uint8)
            await read("/frame.jpg")
            assert encoded[1:] == [(20, 20, 3)]

    asyncio.run(main())


def test_a_snapshot_is_made_in_turns_of_the_loop_between_which_games_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []

    def telling(name: str, call: Any) -> Any:
        return lambda *given: (happened.append(name), call(*given))[1]

    async def main() -> None:
        source, loop = Source(), asyncio.get_running_loop()
        monkeypatch.setattr(source, "status", telling("built", source.status))
        shared = snapshots.Snapshots(source, dict, VirtualClock())
        monkeypatch.setattr(snapshots, "without_folders", telling("shortened", snapshots.without_folders))
        monkeypatch.setattr(snapshots.msgspec.json, "encode", telling("encoded", snapshots.msgspec.json.encode))

        def answer() -> None:
            happened.append("a game")
            if "encoded" not in happened:
                loop.call_soon(answer)

        asked = asyncio.gather(*(shared.json() for _ in range(3)))
        loop.call_soon(answer)
        await asked
        assert await shared.json() is asked.result()[0]

    asyncio.run(main())
    work = [i for i, name in enumerate(happened) if name != "a game"]
    assert [happened[i] for i in work] == ["built", "shortened", "encoded"]
    assert all(later - earlier > 1 for earlier, later in zip(work, work[1:], strict=False)), happened


def test_a_text_that_can_hold_no_path_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []

    class Folders:
        def sub(self, by: str, text: str) -> str:
            searched.append(text)
            return text

    monkeypatch.setattr(snapshots, "_FOLDERS", Folders())
    assert snapshots.without_folders({"state": "up", "name": "game 1", "at": ["/a/b", "C:\\b", "é"]})["state"] == "up"
    assert searched == ["/a/b", "C:\\b", "é"]


def test_the_text_for_prometheus_is_written_once_a_snapshot_and_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_loop: list[bool] = []
    real = snapshots.generate_latest

    def written(registry: Any) -> bytes:
        on_loop.append(threading.current_thread() is threading.main_thread())
        return real(registry)

    monkeypatch.setattr(snapshots, "generate_latest", written)

    async def main() -> None:
        losses = {f"policy {i}": {"policy_loss": 0.5} for i in range(64)}
        shared = snapshots.Snapshots(Source(), lambda: losses, VirtualClock())
        texts = await asyncio.gather(*(shared.prometheus() for _ in range(20)))
        assert len(set(texts)) == 1 and texts[0].count(b"metabonk_loss{") == 64

    asyncio.run(main())
    assert on_loop == [False]


NEAR_PATHS = st.text(st.sampled_from("/\\:\"'abC~.\n\t \x00é\ud800"))


@settings(max_examples=100, deadline=None)
@given(text=st.text() | NEAR_PATHS)
@example("\n:/a/x")
@example("menu\\n:/a/x")
@example("/a/\ud800")
def test_whatever_the_texts_are_what_is_answered_is_json(text: str) -> None:
    class Telling(Source):
        def status(self) -> dict[str, Any]:
            return {"menu": text, "each": [{"name": text}]}

    told = json.loads(asyncio.run(snapshots.Snapshots(Telling(), dict, VirtualClock()).json()))
    assert told.keys() == {"menu", "each"} and told["menu"] == told["each"][0]["name"]
    if "/" not in text and "\\" not in text and text.isascii():
        assert told["menu"] == text
    log = EventLog(VirtualClock())
    log.add("kind", text, {"menu": text})
    (event,) = json.loads(log.newest_json(1))["events"]
    assert event["payload"] == {"menu": told["menu"]} and event["message"] == told["menu"]
