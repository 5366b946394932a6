"""A live line for people at a terminal; a plain line every ten seconds where there is none."""

from __future__ import annotations

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
        where = first["menu"] or f"level {first['level']}, {first['kills']} kills, {first['game_time_s']:.0f} s"
        parts.append(f"{first['name']}: {where}, {first['health']:.0f}/{first['max_health']:.0f} HP")
    elif first["last_error"]:
        parts.append(first["last_error"])
    missed = sum(status["deadline_missed"].values())
    parts.append(f"{missed} deadlines missed")
    return " · ".join(parts)


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
