"""Any moment of a recording: the newest state, decision and picture before it, across segments, also while it grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import RequestError
from agent.http.recordings.child import Reader, listed, served
from agent.http.recordings.messages import At, ListRecordings, Moment, Overview
from agent.link.imaging import decode_frame
from tests.http.recordings.written import HZ, written


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("recordings") / "a", packets=50, turns=(20, 42))


@pytest.mark.parametrize("k", [0, 7, 20, 21, 23, 42, 43, 49])
def test_a_moment_is_what_was_newest_then(recording: Path, k: int) -> None:
    moment, jpeg = Reader().at(recording, 0, k / HZ + 0.05)
    assert (moment.number, moment.at_s) == (k + 1, pytest.approx(k / HZ))
    assert moment.values["scene"]["health"] == 100.0 - k and moment.values["level"] == 1 + k // 10
    assert moment.values["decision"]["action"]["move"][0] == pytest.approx(k / 100, abs=1e-4)
    assert abs(int(decode_frame(jpeg).mean()) - 4 * (k // 5 * 5)) <= 2, "the picture before it, of another segment too"


def test_who_acted_and_what_the_policy_wanted_instead_are_told(recording: Path) -> None:
    reader = Reader()
    human, motor = (reader.at(recording, 0, s)[0].values["decision"] for s in (3.25, 3.65))
    assert (human["owner"], human["instead_of"]["owner"]) == ("human", "motor")
    assert human["instead_of"]["action"]["move"] == [0.0, 1.0] and motor["instead_of"] is None
    assert reader.at(recording, 0, 1e6)[0].number == 50 and reader.at(recording, 0, 0.0)[0].number == 1


def test_an_overview_has_columns_marks_and_no_folders(recording: Path) -> None:
    seen = Reader().overview(recording, 0)
    assert seen.length_s == pytest.approx(4.9) and seen.header["policy"] == "pilot"
    assert (
        seen.series["t"][:3] == [0.0, 0.5, 1.0] and seen.series["health"][2] == 90.0 and seen.series["human"][7] == 1.0
    )
    assert {len(column) for column in seen.series.values()} == {10}
    marks = {mark["kind"]: mark for mark in seen.marks}
    assert marks["takeover"]["t"] == pytest.approx(3.0) and marks["takeover"]["text"] == "a person plays one"
    assert marks["end"]["t"] == pytest.approx(4.0, abs=0.01)


def test_a_recording_that_is_being_written_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path, reader = written(tmp_path / "b", packets=12, turns=()), Reader()
    segment = next(path.glob("segment-*"))
    whole = segment.read_bytes()
    part = segment.with_name(f"{segment.name}.part")
    segment.unlink()
    part.write_bytes(whole[: len(whole) // 2])
    early = reader.at(path, 0, 60.0)[0].number if _has_records(reader, path) else 0
    part.write_bytes(whole)
    assert reader.at(path, 0, 60.0)[0].number == 12 > early


def _has_records(reader: Reader, path: Path) -> bool:
    try:
        reader.at(path, 0, 60.0)
    except RequestError:
        return False
    return True


def test_what_is_not_there_or_damaged_is_refused_in_words(recording: Path, tmp_path: Path) -> None:
    reader = Reader()
    for call, status in (
        (At(path=str(recording), game=1, seconds=1.0), 404), (At(path=str(recording), game=5, seconds=1.0), 404),
        (Overview(path=str(tmp_path / "none"), game=0), 409),
    ):  # fmt: skip
        with pytest.raises(RequestError) as raised:
            served(reader, call)
        assert raised.value.status == status and str(tmp_path) not in str(raised.value)
    broken = tmp_path / "c"
    written(broken, packets=5)
    segment = next(broken.glob("segment-*"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    with pytest.raises(RequestError):
        served(reader, At(path=str(broken), game=0, seconds=0.2))


def test_the_list_names_each_and_says_of_one_that_cannot_be_read_why(recording: Path) -> None:
    (recording.parent / "z").mkdir(exist_ok=True)
    (recording.parent / "z" / "segment-00001.mcap").write_bytes(b"nothing")
    found = {each["id"]: each for each in listed(recording.parent)}
    assert list(found) == ["z", "a"] and found["z"]["error"] and not found["a"]["error"]
    assert found["a"]["policy"] == "pilot" and found["a"]["bytes"] > 1000 and found["a"]["is_live"] is False
    answer, _ = served(Reader(), ListRecordings(folder=str(recording.parent)))
    assert len(answer.recordings) == 2 and not isinstance(answer, Moment)  # type: ignore[attr-defined]
