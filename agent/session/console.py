"""A live line for people at a terminal; a plain line every ten seconds where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.cells import set_cell_size
from rich.console import Console
from rich.live import Live
from rich.text import Text

from agent.concurrency.output import printable
from agent.core.clock import Clock
from agent.session.status import Status

_LIVE_S = 0.25
_PLAIN_S = 10.0
_NAME_COLUMNS = 16


def line(status: dict[str, Any], width: int | None = None) -> str:
    """One line: time, games, rates, latency, misses; of no more than `width` columns, where that is given.

    What games and environments say in it is cut first, and shown as printable text.
    """
    games = status["games"]
    up = sum(game["link"]["state"] == "up" for game in games)
    rate_hz = sum(game["action_hz"] for game in games)
    walk, missed = status["latency"].get("frame_to_action"), sum(status["deadline_missed"].values())
    name, shown, lost = printable(status["policy"]), printable(_shown(status)), _thrown_away(status)
    planned = printable(_planned(status))
    time, rates = f"{status['uptime_s']:6.0f} s", [f"{up}/{len(games)} up", f"{rate_hz:5.1f} actions/s"]
    if width is not None:
        late = [f"p99 {walk['p99_ms']:.2f} ms"] if walk else []
        missed_text = f"{missed} late" if status.get("real_time", True) else ""
        parts = [time, *rates, *late, missed_text, lost, name[:_NAME_COLUMNS], shown, planned]
        return set_cell_size(" · ".join(filter(None, parts)), width).rstrip()
    late = [f"frame→action p50 {walk['p50_ms']:.2f} ms p99 {walk['p99_ms']:.2f} ms"] if walk else []
    if seen := status["latency"].get("picture_to_action"):
        late.append(f"picture→action p50 {seen['p50_ms']:.2f} ms")
    missed_text = f"{missed} deadlines missed" if status.get("real_time", True) else ""
    return " · ".join(filter(None, [time, name, *rates, *late, shown, planned, missed_text, lost]))


def _thrown_away(status: dict[str, Any]) -> str:
    """How much of what was played was not learned from; "" where it all was."""
    learning = status.get("learning", {})
    lost = learning.get("overflowed", 0) + learning.get("stale_dropped", 0)
    if not lost:
        return ""
    return f"{lost} of {lost + learning.get('rollouts', 0)} rollouts thrown away"


def _planned(status: dict[str, Any]) -> str:
    """Goal and subgoal of the first game, and who owns its actions; "" where nothing plans."""
    planner = status.get("planner")
    if planner is None:
        return ""
    subgoal, owner = planner["games"][0]["subgoal"] or "nothing yet", status["games"][0]["owner"]
    return f"{planner['goal']['text']}: {subgoal}, {owner} acts"


def _shown(status: dict[str, Any]) -> str:
    """What the first game shows, or what is wrong with its link; may be empty."""
    game = status["games"][0]
    if game["health"] is None:
        return str(game["last_error"] or "")
    return f"{game['name']}: {_doing(game, status['episodes'])}"


def _doing(game: dict[str, Any], episodes: dict[str, Any]) -> str:
    """What goes on in a game, by what the game has: level, kills and health, or time and mean return."""
    if game["level"] is None:
        means = episodes.get("episode_return")
        return (game["menu"] or f"{game['game_time_s']:.0f} s") + (
            f", mean return {means['mean']:.4g}" if means else ""
        )
    where = game["menu"] or f"level {game['level']}, {game['kills']} kills, {game['game_time_s']:.0f} s"
    return f"{where}, {game['health']:.0f}/{game['max_health']:.0f} HP"


def ended(
    status: dict[str, Any], report: Path | None, weights_dir: Path | None, recording: Path | None = None
) -> list[str]:
    """What was played, what was kept and where; one line each.

    report: where the session's report was written. weights_dir: where weights are kept. recording: its folder. None:
    nowhere.
    """
    games, episodes = status["games"], status["episodes"]["count"]
    acted = sum(game["link"]["acted"] for game in games)
    played = f"Played {status['game']} for {status['uptime_s']:.0f} s with {status['policy']}"
    walk, missed = status["latency"].get("frame_to_action"), sum(status["deadline_missed"].values())
    within = f" within {walk['p50_ms']:.2f} ms (p50), {walk['p99_ms']:.2f} ms (p99)" if walk else ""
    late = f", {missed} late" if status.get("real_time", True) else ""
    lines = [f"{played}: {_count(acted, 'action')}{within}{late}; {_count(episodes, 'finished episode')}."]
    hosted = status.get("hosted", {"faults": {}})
    for name, times in hosted["faults"].items():
        lines.append(f"{name} ended by itself {_count(times, 'time')}; the last time: {hosted['reasons'].get(name)}")
    kept = [f"the report in {report}"] if report is not None else []
    weights = status.get("weights")
    if weights is not None and weights["version"] > 0 and weights_dir is not None:
        kept.append(f"weights of {weights['policy']}, version {weights['version']}, in {weights_dir}")
    if recording is not None and status.get("recording", {}).get("written"):
        kept.append(f"the recording in {recording}")
    lines.append(f"Kept: {'; '.join(kept)}." if kept else "Nothing was kept: no --report named, no weights changed.")
    return [printable(text) for text in lines]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def why_nothing(status: dict[str, Any]) -> str:
    """Why nothing was played: how each game ended, or what its link said last."""
    reasons = status.get("hosted", {}).get("reasons", {})
    errors = {
        reasons.get(game["name"]) or game["last_error"] or f"{game['address']}: no state came"
        for game in status["games"]
    }
    return printable("; ".join(sorted(errors)))


async def show(status: Status, clock: Clock, console: Console) -> None:
    """Print the line until cancelled."""
    status.status()  # rates are over the time since the question before
    if not console.is_terminal:
        while True:
            await clock.sleep_until(clock.now_s() + _PLAIN_S)
            console.print(line(status.status()), soft_wrap=True, highlight=False, markup=False)
    with Live(Text(""), console=console, auto_refresh=False, transient=True) as live:
        while True:
            shown = line(status.status(), console.width - 1)
            live.update(Text(shown, overflow="ellipsis", no_wrap=True), refresh=True)
            await clock.sleep_until(clock.now_s() + _LIVE_S)
