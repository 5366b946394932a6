"""Episodes as npz: read by NumPy without pickle, checked before they have their name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.core.types import Action
from agent.journal.export import npz
from agent.journal.export.npz import NpzEpisodes, check_npz
from agent.journal.export.rows import Cut, write_rows
from agent.journal.journal import Journal
from agent.journal.records import Record
from tests.journal.export.test_rows import decision, made_of, packet, picture, rows_of, state
from tests.journal.test_journal import drain, header


def recording(folder: Path, *, ticks: int = 120, every: int = 6) -> Path:
    """A recording of play and a menu, pictures at 10 Hz, a click in the menu."""
    journal = Journal(folder, header(folder.name), SystemClock())
    journal.begin()
    records: list[Record] = []
    for tick in range(ticks):
        menu = "" if tick < ticks // 2 else "Shop"
        records.append(
            packet(tick, state(tick, menu=menu, level=tick), picture(tick) if every and tick % every == 0 else None)
        )
        records.append(decision(tick, Action((0.5, 0.0), click=(160, 90) if tick == ticks - 20 else None)))
    for record in records:
        journal.offer(record, getattr(record, "received_at_s", 0.0) or 0.0)
    drain(journal)
    journal.close()
    return folder


@pytest.mark.parametrize("compress", [True, False])
def test_an_episode_is_read_without_pickle(tmp_path: Path, compress: bool) -> None:
    out = tmp_path / "out"
    episodes = NpzEpisodes(out, "a", {"hz": 10.0}, compress=compress)
    counts = write_rows(recording(tmp_path / "rec"), 0, Cut(), episodes)
    assert [path.name for path in sorted(out.iterdir())] == ["a-00000.npz", "a-00001.npz"]
    assert (counts.rows, counts.episodes, counts.clicks) == (20, 2, 1)
    with np.load(out / "a-00001.npz", allow_pickle=False) as arrays:
        kinds = {name: (arrays[name].dtype.str, arrays[name].shape) for name in arrays.files if name != "meta"}
        assert kinds == {
            "observations": ("|u1", (10, 18, 32, 3)), "actions": ("<f4", (10, 10)), "rewards": ("<f4", (10,)),
            "dones": ("|b1", (10,)), "times": ("<f8", (10,)), "positions": ("<f4", (10, 3)), "levels": ("<i4", (10,)),
            "menus": ("<U4", (10,)),
        }  # fmt: skip
        assert np.array_equal(arrays["observations"][2], picture(72)) and set(arrays["menus"]) == {"Shop"}
        assert np.allclose(np.diff(arrays["times"]), 0.1, atol=1e-5) and arrays["levels"][2] == 72
        assert arrays["actions"][:, 7].sum() == 1.0
        meta = json.loads(arrays["meta"].item())
    assert (meta["hz"], meta["action_dim"], meta["reason"], meta["episode_idx"]) == (10.0, 10, "end", 1)
    assert meta["action_format"][7] == "ui_click"


def test_numbers_go_on_and_short_episodes_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a-00007.npz").write_bytes(b"")
    episodes = NpzEpisodes(tmp_path, "a", {}, min_frames=2)
    rows = rows_of(made_of([packet(tick, pixels=picture(tick)) for tick in (0, 6)])[0])
    for several in (rows, rows[:1]):
        for row in several:
            episodes.add(row)
        episodes.end("end")
    episodes.add(rows[0])
    episodes.close()
    assert [path.name for path in episodes.files] == ["a-00008.npz"] and episodes.short == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-00007.npz", "a-00008.npz"]


def test_what_reads_back_as_something_else_never_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(made_of([packet(0, pixels=picture(3))])[0])

    def write(folder: Path) -> NpzEpisodes:
        episodes = NpzEpisodes(folder, "a", {})
        episodes.add(rows[0])
        episodes.end("end")
        return episodes

    (path,) = write(tmp_path / "good").files
    with pytest.raises(RecordingError, match="reads back 1 of 2 rows"):
        check_npz(path, 2, "", 0)
    with pytest.raises(RecordingError, match="other pictures"):
        check_npz(path, 1, "another", 0)
    monkeypatch.setattr(npz, "_clicks", lambda rows: 1)
    with pytest.raises(RecordingError, match="0 of 1 clicks"):
        write(tmp_path / "bad")
    assert list((tmp_path / "bad").iterdir()) == []
