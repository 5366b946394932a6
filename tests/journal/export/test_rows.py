"""Rows keep everything that happened between two pictures, and cut where the stream does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.control.arrays import STILL
from agent.core.errors import RecordingError
from agent.core.types import Action, ByteArray, GameState, HumanInput, RunInfo
from agent.journal.export.rows import UI_CLICK, Cut, EpisodeEnd, GameTime, Made, Row, RowMaker
from agent.journal.records import DecisionRecord, GapRecord, LinkRecord, PacketRecord, Record
from agent.link.imaging import encode_raw
from agent.link.wire import encode_action, encode_state

TICK_S = 1 / 60
NO_INPUT = HumanInput(1, (0.0, 0.0), (0.0, 0.0), False, False, False, False, (0.0, 0.0))
RUN = RunInfo(0, 0, (320, 180), (1920, 1080), True, False, False, 1, 0.0, 0, 0, 0.0, 0.0, 0, 0.0)


def state(tick: int, *, menu: str = "", human: HumanInput | None = None, **run: Any) -> GameState:
    told = msgspec.structs.replace(RUN, sequence=tick, capture_time_us=round(1e6 * (100 + tick * TICK_S)), **run)
    return msgspec.structs.replace(STILL, is_playing=not menu, current_menu=menu, human=human, run=told)


def picture(value: int, size: tuple[int, int] = (18, 32)) -> ByteArray:
    pixels = np.full((*size, 3), value % 256, np.uint8)
    pixels[: size[0] // 2] //= 2
    return pixels


def packet(tick: int, seen: GameState | None = None, pixels: ByteArray | None = None, game: int = 0) -> PacketRecord:
    frame = b"" if pixels is None else encode_raw(pixels, top_down=True)
    return PacketRecord(game, tick, 5.0 + tick * TICK_S, encode_state(seen or state(tick)), frame)


def decision(tick: int, action: Action | None, game: int = 0) -> DecisionRecord:
    data = b"" if action is None else encode_action(action)
    at_s = 5.001 + tick * TICK_S
    return DecisionRecord(
        game, tick, tick, 0, TICK_S, at_s, 0.0, False, False, False, False, 1, at_s, data, "motor", -1
    )


def made_of(records: Sequence[Record], cut: Cut | None = None) -> tuple[list[Made], RowMaker]:
    maker = RowMaker(0, cut or Cut())
    made = [item for record in records for item in maker.take(record)]
    return made + maker.finish(), maker


def rows_of(made: Sequence[Made]) -> list[Row]:
    return [item for item in made if isinstance(item, Row)]


def test_every_click_between_kept_pictures_is_kept() -> None:
    clicked = {7: (0.1, 0.2), 9: (0.3, 0.4), 10: (0.35, 0.45), 16: (0.5, 0.6), 40: (0.7, 0.8), 43: (0.9, 0.1)}
    records = []
    for tick in range(60):
        at = clicked.get(tick)
        # The click of tick 9 is held for two ticks, as its finger moves: one click.
        human = NO_INPUT if at is None else msgspec.structs.replace(NO_INPUT, ui_click=True, click=at)
        records.append(packet(tick, state(tick, menu="MainMenu", human=human), picture(tick)))
    made, _ = made_of(records)
    clicks = [tuple(row.action[UI_CLICK + 1 :].round(4).tolist()) for row in rows_of(made) if row.action[UI_CLICK]]
    assert clicks == [pytest.approx(at) for tick, at in clicked.items() if tick != 10]
    assert isinstance(made[-1], EpisodeEnd) and len(made) == 10 + 1 + 1  # a row for a second click, and the end
    times = np.array([row.time_s for row in rows_of(made)])
    assert np.all(np.diff(times) > 0) and times[0] == pytest.approx(5.0)


def test_clicks_before_the_first_picture_wait_for_it() -> None:
    at = [(3, 4), (5, 6)]
    records = [packet(0), *(decision(tick, Action(click=click)) for tick, click in enumerate(at, 1))]
    made, _ = made_of([*records, packet(9, pixels=picture(1))])
    found = [row.action[UI_CLICK:].tolist() for row in rows_of(made)]
    assert found == [pytest.approx([1.0, (x + 0.5) / 320, 1.0 - (y + 0.5) / 180]) for x, y in at]


def test_buttons_are_joined_axes_averaged_and_rewards_added() -> None:
    records: list[Record] = []
    for tick in range(12):
        records.append(packet(tick, state(tick, reward=1.0), picture(tick) if tick % 6 == 0 else None))
        records.append(decision(tick, Action((tick / 10, 0.0), fire=tick == 3, interact=tick == 8)))
    records.append(decision(12, None))
    made, _ = made_of(records)
    first, second = rows_of(made)
    assert first.action[0] == pytest.approx(0.25) and second.action[0] == pytest.approx(
        np.mean([6, 7, 8, 9, 10, 10]) / 10
    )
    assert (first.action[4:8].tolist(), second.action[4:8].tolist()) == ([1, 0, 0, 0], [0, 0, 1, 0])
    assert (first.reward, second.reward) == (6.0, 5.0)
    assert (first.packet, second.packet) == (0, 6) and second.pixels[-1, 0, 0] == 6


def test_a_human_who_does_something_counts_instead_of_the_policy() -> None:
    pushing = msgspec.structs.replace(NO_INPUT, move=(0.0, -1.0))
    records: list[Record] = []
    for tick, human in enumerate([NO_INPUT] * 6 + [pushing] * 6):
        records.append(packet(tick, state(tick, human=human), picture(tick) if tick % 6 == 0 else None))
        records.append(decision(tick, Action((1.0, 0.0))))
    first, second = rows_of(made_of(records)[0])
    assert first.action[:2].tolist() == [1.0, 0.0] and second.action[:2].tolist() == [0.0, -1.0]
    watched = rows_of(made_of([record for record in records if isinstance(record, PacketRecord)])[0])
    assert [row.action[1] for row in watched] == [0.0, -1.0]


def test_episodes_end_where_play_does() -> None:
    def reasons(records: Sequence[Record], cut: Cut | None = None) -> list[str | None]:
        made, _ = made_of(records, cut)
        return [item.reason for item in made if isinstance(item, EpisodeEnd)]

    play = [packet(tick, state(tick), picture(tick)) for tick in range(0, 36, 6)]
    menus = [packet(tick, state(tick, menu="Pause"), picture(tick)) for tick in range(36, 72, 6)]
    assert reasons([*play, *menus]) == ["not_playing", "end"]
    assert reasons([*play, *menus], Cut(split_on_not_playing=False)) == ["end"]
    assert reasons(menus) == ["end"]
    assert reasons(play, Cut(max_frames=4)) == ["max_frames", "end"]
    assert reasons([*play, GapRecord(6.0, 3, 100, "full"), *menus]) == ["gap", "end"]
    assert reasons([*play, LinkRecord(0, 6.0, False, "gone"), *menus]) == ["link_down", "end"]
    assert reasons([*play, packet(42, state(42), picture(1, (20, 32)))]) == ["size", "end"]
    assert reasons([packet(1, game=1, pixels=picture(1)), decision(1, Action(click=(1, 1)), game=1)]) == []
    ended = packet(36, state(36, run_ended=True, reward=2.0), picture(3))
    made, _ = made_of([*play, ended, *menus[1:]])
    last = [row for row in rows_of(made) if row.done]
    assert len(last) == 1 and last[0].reward == 2.0
    assert [item.reason for item in made if isinstance(item, EpisodeEnd)] == ["run_ended", "not_playing", "end"]


def test_only_pictures_that_are_equal_in_every_pixel_are_duplicates() -> None:
    other = picture(9)
    other[17, 31, 2] += 1
    shown = [picture(9), picture(9), picture(9), other, other]
    records: list[Record] = []
    for number, pixels in enumerate(shown):
        records.append(packet(number * 6, pixels=pixels))
        records.append(decision(number * 6, Action((number, 0.0), fire=number == 1)))
    assert len(rows_of(made_of(records)[0])) == 5
    rows = rows_of(made_of(records, Cut(dedupe_frames=True))[0])
    assert [row.pixels[17, 31, 2] for row in rows] == [9, 10] and rows[0].action[4] == 1.0


def test_a_picture_that_cannot_be_decoded_is_counted_and_the_stream_goes_on() -> None:
    broken = msgspec.structs.replace(packet(6), frame=b"\xff\xd8none")
    made, maker = made_of([packet(0, pixels=picture(1)), broken, packet(12, pixels=picture(2))])
    assert len(rows_of(made)) == 2 and maker.refused == 1
    with pytest.raises(RecordingError, match="packet 3 is none"):
        made_of([msgspec.structs.replace(packet(3), state=b"none")])


def test_times_are_the_games_own_where_it_tells_them() -> None:
    time = GameTime()
    assert time.of(state(0), 50.0) == pytest.approx(50.0)
    assert time.of(state(60), 51.3) == pytest.approx(51.0)
    assert time.of(state(60, frame_time_us=100_500_000), 51.3) == pytest.approx(50.5)
    assert time.of(state(0), 80.0) == pytest.approx(80.0)  # the game began anew
    assert time.of(msgspec.structs.replace(STILL, run=None), 81.0) == 81.0
    time.restart()
    assert time.of(state(0), 81.5) == pytest.approx(81.5)
