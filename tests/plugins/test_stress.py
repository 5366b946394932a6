"""BonkLink's server under malformed actions, dying clients and the agent: CI's sizes of tools/bench/plugins.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench import plugins as bench_plugins
from tools.scripts.csharp import Toolchain


@pytest.mark.slow
def test_malformed_actions_break_nothing_and_leave_the_memory_flat(toolchain: Toolchain, built: Path) -> None:
    seen = bench_plugins.malformed(toolchain, built, 300_000)
    assert seen["sent"] == 300_000
    assert seen["actions"] == seen["valid_sent"]
    assert seen["oversized"] == seen["oversized_sent"] > 15_000
    assert seen["malformed"] == seen["malformed_sent"] > 15_000
    assert seen["last_action_arrived"] and seen["log_lines_of_faults"] == 0
    assert abs(seen["managed_bytes_growth"]) < 200_000
    assert seen["working_set_growth_bytes"] < 16 << 20


@pytest.mark.slow
def test_clients_killed_at_random_never_stop_the_game(toolchain: Toolchain, built: Path) -> None:
    seen = bench_plugins.kills(toolchain, built, 9, seed=4)
    assert seen["kills"] == 9 and seen["clients"] == 9
    assert seen["longest_gap_s"] < 0.25
    assert seen["longest_hold_s"] <= 0.15
    assert seen["neutral_seen_from_outside_s"] <= 0.15 + 0.1


@pytest.mark.slow
def test_the_agent_plays_the_scripted_world_at_60_hz(toolchain: Toolchain, built: Path, tmp_path: Path) -> None:
    seen = bench_plugins.play(toolchain, built, 12.0, tmp_path)
    assert seen["packets_per_s"] > 50
    assert seen["acted_share"] > 0.9 and seen["corrupt"] == 0 and seen["closed"] == 0
    assert seen["frames_refused"] == 0 and seen["frames"] > 15
    assert seen["world_time_s"] > 2, "the agent left the menus and played"
    assert seen["kills"] > 0
