"""A live line for people at a terminal; a plain line every ten seconds where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent.core.clock import Clock
from agent.session.status import Status

_LIVE_S = 0.25
_PLAIN_S = 10.0


def line(status: dict[str, Any]) -> str:
    """One line: time, games, rates, latency, misses."""
    games = status["games"]
    up = sum(game["link"]["state"] == "up" for game in games)
    rate_hz = sum(game["action_hz"] for game in games)
    parts = [
        f"{status['uptime_s']:6.0f} s",
        f"{status['policy']}",
        f"{up}/{len(games)} up",
        f"{rate_hz:5.1f} actions/s",
    ]
    walk = status["latency"].get("frame_to_action")
    if walk:
        parts.append(f"frame→action p50 {walk['p50_ms']:.2f} ms p99 {walk['p99_ms']:.2f} ms")
    first = games[0]
    if first["health"] is not None:
        parts.append(f"{first['name']}: {_doing(first, status['episodes'])}")
    elif first["last_error"]:
        parts.append(first["last_error"])
    missed = sum(status["deadline_missed"].values())
    parts.append(f"{missed} deadlines missed")
    return " · ".join(parts)


def _doing(game: dict[str, Any], episodes: dict[str, Any]) -> str:
    """What goes on in a game, by what the game has: level, kills and health, or time and mean return."""
    if game["level"] is None:
        means = episodes.get("episode_return")
        return (game["menu"] or f"{game['game_time_s']:.0f} s") + (
            f", mean return {means['mean']:.4g}" if means else ""
        )
    where = game["menu"] or f"level {game['level']}, {game['kills']} kills, {game['game_time_s']:.0f} s"
    return f"{where}, {game['health']:.0f}/{game['max_health']:.0f} HP"


def ended(status: dict[str, Any], report: Path | None, weights_dir: Path | None) -> list[str]:
    """What was played, what was kept and where; one line each.

    report: where the session's report was written. weights_dir: where weights are kept. None: nowhere.
    """
    games, episodes = status["games"], status["episodes"]["count"]
    acted = sum(game["link"]["acted"] for game in games)
    played = f"Played {status['game']} for {status['uptime_s']:.0f} s with {status['policy']}"
    walk, missed = status["latency"].get("frame_to_action"), sum(status["deadline_missed"].values())
    within = f" within {walk['p50_ms']:.2f} ms (p50), {walk['p99_ms']:.2f} ms (p99)" if walk else ""
    lines = [f"{played}: {_count(acted, 'action')}{within}, {missed} late; {_count(episodes, 'finished episode')}."]
    for name, times in status.get("hosted", {}).get("faults", {}).items():
        lines.append(f"{name} ended by itself {_count(times, 'time')}; see the log above.")
    kept = [f"the report in {report}"] if report is not None else []
    weights = status.get("weights")
    if weights is not None and weights["version"] > 0 and weights_dir is not None:
        kept.append(f"weights of {weights['policy']}, version {weights['version']}, in {weights_dir}")
    lines.append(f"Kept: {'; '.join(kept)}." if kept else "Nothing was kept: no --report named, no weights changed.")
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def why_nothing(status: dict[str, Any]) -> str:
    """Why nothing was played: what each game's link said last."""
    errors = {game["last_error"] or f"{game['address']}: no state came" for game in status["games"]}
    return "; ".join(sorted(errors))


async def show(status: Status, clock: Clock, console: Console) -> None:
    """Print the line until cancelled."""
    status.status()  # rates are over the time since the question before
    if not console.is_terminal:
        while True:
            await clock.sleep_until(clock.now_s() + _PLAIN_S)
            console.print(line(status.status()), soft_wrap=True, highlight=False, markup=False)
    with Live(Text(""), console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(Text(line(status.status()), overflow="ellipsis", no_wrap=True), refresh=True)
            await clock.sleep_until(clock.now_s() + _LIVE_S)
