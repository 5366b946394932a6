"""The report of one session: a documented, versioned JSON file.

`schema` is `metabonk-report/1`. Keys: started_utc, wall_seconds (since the process began), game, rules (hash of the
arena's rules, empty for a game that is not ours), seed, policy, version, uptime_s (of the session), first_action_s
(from the process's start to its first action, null without one), games (link counters and packet ledger of each),
latency (percentiles by stage, ms), deadline_missed (by cause),
counters, actions_refused (by reason), reward (which table the returns are of: score, counters, the name of a file of
weights, or own where the game has a reward of its own), episodes (statistics of the finished ones), episode_results
(each of them), http_port (the page's port, null without one), ended_by (time, episodes, signal, silence: no game
answered, recording: it is over, caller, or error: a failure or a cancellation), playback (where the game is a
recording: actions go nowhere, and how far it was played), rss_mb. Within a version keys are only ever added.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import psutil

from agent.core.clock import Clock
from agent.core.errors import SettingsError
from agent.core.files import write_atomically
from agent.session.act import ActLoop
from agent.session.episodes import EpisodeLog
from agent.session.status import REPORT_SCHEMA, Status


def session_report(
    game: str, rules: str, seed: int, status: Status, episodes: EpisodeLog, actor: ActLoop, clock: Clock
) -> dict[str, Any]:
    """The report's values as plain JSON types."""
    created_s = psutil.Process().create_time()
    alive_s = clock.wall_utc_ns() * 1e-9 - created_s
    first_s = actor.first_action_s
    return {
        "schema": REPORT_SCHEMA,
        "started_utc": datetime.datetime.fromtimestamp(created_s, datetime.UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(alive_s, 3),
        "game": game,
        "rules": rules,
        "seed": seed,
        "first_action_s": None if first_s is None else round(alive_s - (clock.now_s() - first_s), 3),
        **status.built(),
        "reward": episodes.reward,
        "episodes": episodes.whole_summary(),
        "episode_results": episodes.as_builtins(),
    }


def write_report(path: Path, report: dict[str, Any], *, into: Path | None = None) -> None:
    """Write the report atomically: a reader sees the old file or the whole new one. Raises SettingsError.

    into: the file, where `path` is only what it was called.
    """
    try:
        write_atomically(into or path, json.dumps(report, indent=2, allow_nan=False))
    except OSError as error:
        raise SettingsError(f"--report {path}: {error.strerror or error}; the report was not written") from error
