"""What a viewer is given of a row, at which time."""

from __future__ import annotations

from pathlib import Path

from mcap.reader import make_reader

from agent.journal.export.rows import Cut, write_rows
from agent.journal.export.viewers import FoxgloveFile
from agent.journal.read import header_of_recording, records_of
from agent.journal.records import PacketRecord
from tests.journal.export.test_npz import recording


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
