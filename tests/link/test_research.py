"""The research link: numbers are checked as on the wire, and a map that shrinks or goes is a closed link."""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import LinkClosed, LinkRefused, LinkTimeout, ProtocolError
from agent.core.types import NEUTRAL
from agent.link import research_map
from agent.link.research import ResearchAddress, ResearchClient, ResearchLink
from agent.link.research_map import ACTION, OBSERVATION, RESET, TERMINATED
from tests.link.game_side import Recorder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="maps that are files, on POSIX")
SIZE_PX = 4
PIXELS = SIZE_PX * SIZE_PX * 3


class Game:
    """The game's side of a map: it answers each action at once, on the thread of whoever asks."""

    def __init__(self, folder: Path) -> None:
        self.address = ResearchAddress(0, str(folder), (SIZE_PX, SIZE_PX))
        self.path = folder / self.address.name
        self.path.write_bytes(bytes(0x20 + PIXELS + 24))
        (folder / (self.address.name + "_beat")).write_bytes(bytes(8))
        self.file = os.open(self.path, os.O_RDWR)
        self.head = [0.5, 0, 0, 0, SIZE_PX, SIZE_PX]
        self.say_size(SIZE_PX)

    def say_size(self, side_px: int) -> None:
        os.pwrite(self.file, struct.pack("<2i", side_px, side_px), 0x18)

    def flag(self) -> int:
        data = os.pread(self.file, 4, 0)
        return int(struct.unpack("<i", data)[0]) if len(data) == 4 else -1

    def answer(self) -> None:
        """One step, if one is asked for."""
        if self.flag() in (ACTION, RESET):
            self.head[2] += 1
            os.pwrite(self.file, struct.pack("<f5i", self.head[0], *map(int, self.head[1:])), 8)
            os.pwrite(self.file, struct.pack("<i", OBSERVATION), 0)


@pytest.fixture
def game(tmp_path: Path) -> Iterator[Game]:
    made = Game(tmp_path)
    yield made
    os.close(made.file)


def linked(
    game: Game, script: Callable[[ResearchLink, Recorder], None], epoch: int = 0
) -> tuple[ResearchLink, Recorder]:
    """Run the link with the game beside it until the script has been called and its fault was seen."""
    recorder, beats = Recorder(), [0]
    link = ResearchLink(game.address, recorder, SystemClock())

    async def main() -> None:
        task = asyncio.ensure_future(link.run())

        async def until(done: Callable[[], bool]) -> None:
            for _ in range(4000):
                if done():
                    return
                if not recorder.downs:
                    game.answer()
                if epoch and not link.counters.packets:
                    beat(game, epoch, len(beats))
                    beats.append(0)
                await asyncio.sleep(0.002)
            raise AssertionError(f"it did not happen: {link.last_error}")

        await until(lambda: link.counters.packets >= 1)
        assert link.send(NEUTRAL)
        await until(lambda: link.counters.packets >= 2)
        script(link, recorder)
        link.send(NEUTRAL)
        await until(lambda: bool(recorder.downs))
        assert not link.is_up
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    return link, recorder


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (0, float("nan"), "not_finite"), (0, float("-inf"), "not_finite"), (2, -10, "out_of_range"),
        (3, -1, "out_of_range"), (4, 9999, "map_size"),
    ],
)  # fmt: skip
def test_numbers_that_the_wire_would_refuse_are_refused(game: Game, place: int, value: float, reason: str) -> None:
    def spoil(link: ResearchLink, recorder: Recorder) -> None:
        game.head[place] = value

    link, recorder = linked(game, spoil)
    assert link.counters.corrupt_reasons == {reason: 1} and recorder.bad == [reason]
    assert all(packet.state.run.reward == 0.5 for packet in recorder.packets if packet.state.run is not None)
    assert game.flag() == TERMINATED, "the game goes on without its client"


@pytest.mark.parametrize("size", [0, 2, 16, 0x20 + PIXELS])
def test_a_map_that_shrinks_is_a_closed_link(game: Game, size: int) -> None:
    link, recorder = linked(game, lambda link, recorder: os.truncate(game.path, size))
    assert link.counters.closed == 1 and "shrunk" in recorder.downs[0]
    assert game.path.stat().st_size == size, "nothing is written into it any more"


def test_a_map_whose_file_is_gone_is_a_closed_link(game: Game) -> None:
    link, _ = linked(game, lambda link, recorder: game.path.unlink())
    assert link.counters.closed == 1


def test_a_client_of_a_map_that_shrinks_is_told_so(game: Game) -> None:
    with ResearchClient(game.address, SystemClock(), patience_s=0.05) as client:
        with pytest.raises(LinkTimeout):
            client.reset()
        os.truncate(game.path, 0)
        with pytest.raises(LinkClosed, match="shrunk"):
            client.step(NEUTRAL)


def test_a_map_that_is_too_small_for_its_picture_or_missing_is_refused(game: Game) -> None:
    game.say_size(8000)
    with pytest.raises(ProtocolError, match="too few for 8000×8000"):
        ResearchClient(game.address, SystemClock())
    os.truncate(game.path, 3)
    with pytest.raises(ProtocolError, match="too few for a map"):
        ResearchClient(game.address, SystemClock())
    game.path.unlink()
    with pytest.raises(LinkRefused, match="is the game with ResearchPlugin running"):
        ResearchClient(game.address, SystemClock())


def beat(game: Game, epoch: int, beats: int) -> None:
    """The game's own side of the map of heartbeats."""
    (game.path.parent / (game.address.name + "_beat")).write_bytes(struct.pack("<IiII", 0, 1, epoch, beats))


def test_a_map_that_a_killed_game_left_is_refused(game: Game) -> None:
    beat(game, 7, 500)
    with pytest.raises(LinkRefused, match="does not run"):
        ResearchClient(game.address, SystemClock())
    assert game.flag() == 0, "nothing is asked of it"


@pytest.mark.parametrize(("epoch", "reason"), [(7, "has died"), (8, "started anew")])
def test_a_game_that_dies_or_is_started_anew_is_a_closed_link(
    game: Game, epoch: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(research_map, "DEAD_S", 0.1)
    link, recorder = linked(game, lambda link, recorder: beat(game, epoch, 500), epoch=7)
    assert link.counters.closed == 1 and reason in recorder.downs[0]
    # A game that was started anew is another one: it is not told goodbye by a client that it never had.
    assert (game.flag() == TERMINATED) == (epoch == 7)


def test_a_run_that_the_game_gave_up_is_asked_for_again(game: Game) -> None:
    async def main() -> None:
        link = ResearchLink(game.address, Recorder(), SystemClock())
        task = asyncio.ensure_future(link.run())
        for given_up in range(3):
            async with asyncio.timeout(60):
                while game.flag() != RESET:
                    await asyncio.sleep(0.002)
            os.pwrite(game.file, struct.pack("<i", 0), 0)
            path = game.path.parent / (game.address.name + "_beat")
            path.write_bytes(struct.pack("<Ii", given_up, 2))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
