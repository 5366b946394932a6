"""Loops are found in recordings and in the episodes made from them, and written as others read them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from agent.core.clock import SystemClock
from agent.core.errors import RecordingError
from agent.core.types import Action
from agent.journal.export.npz import NpzEpisodes
from agent.journal.export.rows import Cut, write_rows
from agent.journal.journal import Journal
from agent.journal.loops import Nodes
from agent.journal.mine import Miner, mine_npz, mine_recording
from tests.journal.export.test_rows import decision, packet, picture, state
from tests.journal.test_journal import drain, header


def cornered(folder: Path) -> Path:
    """Thirty seconds of walking on, forty in a corner, ten of walking on; six packets a second."""
    journal = Journal(folder, header(), SystemClock())
    journal.begin()
    for number in range(480):
        tick, walked = 10 * number, min(number, 180) + max(0, number - 420)
        seen = msgspec.structs.replace(state(tick), position=(float(walked), 0.0, 0.0))
        journal.offer(packet(tick, seen, picture(number)), 0.0)
        journal.offer(decision(tick, Action((1.0, 0.0))), 0.0)
    drain(journal)
    journal.close()
    return folder


def test_a_corner_is_found_in_a_recording_and_in_its_episodes(tmp_path: Path) -> None:
    folder = cornered(tmp_path / "rec")
    miner = Miner()
    mine_recording(folder, miner)
    report = miner.report()
    assert report["total_clusters"] == 1 and report["watched_s"] == pytest.approx(80.0, abs=1.0)
    (cluster,) = report["clusters"]
    assert (cluster["count"], cluster["cell"]) == (1, (90, 0, 0)) and cluster["lost_s"] == pytest.approx(40.0, abs=1.0)
    assert cluster["examples"][0]["file"] == f"{folder}#0"
    episodes = NpzEpisodes(tmp_path / "npz", "a", {})
    write_rows(folder, 0, Cut(), episodes)
    again, nodes = Miner(), Nodes()
    mine_npz(episodes.files[0], again, nodes)
    (other,) = again.report()["clusters"]
    assert other["cell"] == (90, 0, 0) and other["lost_s"] == pytest.approx(40.0, abs=1.0)
    assert set(other) >= {"hash", "count", "examples"}
    assert other["examples"][0]["episode_len"] == 480 and abs(other["examples"][0]["index"] - 180) < 5


def test_what_is_no_episode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"none")
    with pytest.raises(RecordingError, match="not an episode"):
        mine_npz(path, Miner(), Nodes())
    np.savez(path, observations=np.zeros((3, 4), np.uint8), actions=np.zeros((3, 10), np.float32))
    with pytest.raises(RecordingError, match="not an episode"):
        mine_npz(path, Miner(), Nodes())
