"""What a viewer is given of a row, at which time."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from mcap.reader import make_reader

from agent.journal.export.rows import Cut, write_rows
from agent.journal.export.viewers import FoxgloveFile, numbers_of, rerun_layout
from agent.journal.read import header_of_recording, records_of
from agent.journal.records import PacketRecord
from tests.journal.export.test_npz import recording
from tests.journal.export.test_rows import made_of, packet, picture, rows_of, state


def test_times_are_the_wall_clock_and_both_topics_share_them(tmp_path: Path) -> None:
    rec, out = recording(tmp_path / "rec", ticks=12), tmp_path / "out.mcap"
    header = header_of_recording(rec)
    file = FoxgloveFile(out, header)
    write_rows(rec, 0, Cut(), file.game("game0"))
    file.close()
    with out.open("rb") as stream:
        times = [message.log_time for _, _, message in make_reader(stream).iter_messages()]
    assert len(times) == 4 and times[0] == times[1] < times[2] == times[3]
    assert abs(times[2] - times[0] - 10**8) < 10**6
    first_s = next(item.record.received_at_s for item in records_of(rec) if isinstance(item.record, PacketRecord))
    assert abs(times[0] - header.began_utc_ns - (first_s - header.began_s) * 1e9) < 10**6


def test_the_layout_draws_the_numbers_that_there_are_of_each_game() -> None:
    rerun = mock.Mock()
    assert rerun_layout(rerun, ["game0", "game1"]) is rerun.blueprint.Blueprint.return_value
    assert len(rerun.blueprint.Tabs.call_args.args) == 2
    assert [call.kwargs["origin"] for call in rerun.blueprint.Spatial2DView.call_args_list] == [
        "game0/picture", "game1/picture",
    ]  # fmt: skip
    plots = [call.kwargs for call in rerun.blueprint.TimeSeriesView.call_args_list if call.kwargs["origin"] == "game1"]
    drawn = {value.removeprefix("$origin/") for plot in plots for value in plot["contents"]}
    (row,) = rows_of(made_of([packet(0, state(0), picture(1))])[0])
    assert drawn | {"click_x", "click_y"} == set(numbers_of(row))
