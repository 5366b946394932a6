"""A LeRobot dataset has as many rows as pictures, at the times of its one rate; checked against lerobot 0.6 by hand."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as parquet
import pytest

from agent.core.errors import RecordingError, SettingsError
from agent.core.types import Action
from agent.journal.export import lerobot
from agent.journal.export.lerobot import VIDEO, Grid, LeRobotDataset
from agent.journal.export.mp4 import frame_times_us
from agent.journal.export.rows import UI_CLICK, Cut, write_rows
from tests.journal.export.test_npz import recording
from tests.journal.export.test_rows import decision, made_of, packet, picture, rows_of

EVERY = Cut(hz=1e6, max_frames=1 << 60)


def test_rows_go_to_their_nearest_instant_and_no_click_is_lost() -> None:
    records = []
    for tick in (0, 2, 4, 11, 20):  # 0, 33, 67, 183, 333 ms
        click = Action((tick / 20, 0.0), fire=tick == 2, click=(tick, 0) if tick in (0, 2, 20) else None)
        records += [packet(tick, pixels=picture(tick)), decision(tick, click)]
    grid, instants = Grid(10), []
    for row in rows_of(made_of(records, EVERY)[0]):
        instants += grid.add(row)
    instants += grid.end()
    assert [round(row.time_s - instants[0].time_s, 6) for row in instants] == [0.0, 0.1, 0.2, 0.3]
    assert [row.pixels[-1, 0, 0] for row in instants] == [0, 4, 11, 20]
    assert [row.action[0] for row in instants] == pytest.approx([0.05, 0.2, 0.55, 1.0])
    assert [row.action[4] for row in instants] == [1, 0, 0, 0]
    assert [int(row.action[UI_CLICK + 1] * 320) for row in instants if row.action[UI_CLICK]] == [0, 2, 20]
    late = msgspec.structs.replace(instants[-1], time_s=100.0)
    assert grid.add(late) == [] and len(grid.end()) == 1  # another episode begins at its own first row


def test_a_dataset_is_laid_out_and_read_back(tmp_path: Path) -> None:
    dataset = LeRobotDataset(tmp_path / "set", fps=20.0, task="play arena")
    write_rows(recording(tmp_path / "rec"), 0, EVERY, dataset)
    info = json.loads((tmp_path / "set" / "meta" / "info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"], info["total_frames"]) == ("v3.0", 20, 2, 38)
    first, second = (parquet.read_table(tmp_path / "set" / f"data/chunk-000/file-00{n}.parquet") for n in (0, 1))
    assert set(first.column_names) == set(info["features"]) - {VIDEO}
    assert (len(first), len(second), second["index"].to_pylist()) == (19, 19, list(range(19, 38)))
    assert np.allclose(second["timestamp"].to_numpy(), np.arange(19) / 20)
    times_us = frame_times_us(tmp_path / "set" / f"videos/{VIDEO}/chunk-000/file-001.mp4")
    assert times_us == [50_000 * n for n in range(19)]
    assert sum(row[UI_CLICK] for row in second["action"].to_pylist()) == 1
    stats = json.loads((tmp_path / "set" / "meta" / "stats.json").read_text())
    assert stats["action"]["mean"][0] == pytest.approx(0.5) and np.shape(stats[VIDEO]["std"]) == (3, 1, 1)
    episodes = parquet.read_table(tmp_path / "set" / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(e["dataset_from_index"], e["dataset_to_index"], e["length"]) for e in episodes] == [
        (0, 19, 19),
        (19, 38, 19),
    ]


def test_a_dataset_that_reads_back_as_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lerobot, "frame_times_us", lambda path: [0])
    with pytest.raises(RecordingError, match="reads back 19 rows and 1 pictures of 19"):
        write_rows(recording(tmp_path / "rec"), 0, EVERY, LeRobotDataset(tmp_path / "set", fps=20, task="play"))
    with pytest.raises(SettingsError, match="whole pictures"):
        LeRobotDataset(tmp_path / "b", fps=7.5, task="play")
    with pytest.raises(RecordingError, match="no picture"):
        LeRobotDataset(tmp_path / "c", fps=7, task="play").close()
