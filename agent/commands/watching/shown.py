"""A state of a session as text for a terminal. Pure; what games and models say is made printable first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.concurrency.output import printable

OWNERS: Final = {
    "motor": "bright_cyan", "planner": "green", "human": "yellow", "safety": "bright_red",
    "active_inference": "magenta", "nobody": "white",
}  # fmt: skip
STAGES: Final = ("decode", "queue", "policy", "return", "send", "frame_to_action")
EVENTS: Final = 6
BAR: Final = 18


def shown(state: dict[str, Any], game: int, width: int) -> RenderableType:
    """Everything that the page shows, for one game, in `width` columns."""
    boxes = [
        _box("Game", _game(state, game)), _box("Thinks", _thinks(state, game)), _box("Weighs", _weighs(state, game)),
        _box("Latency, ms", _latency(state)), _box("Learning", _learning(state)),
    ]  # fmt: skip
    column = max(30, width // max(1, width // 44) - 1)
    for box in boxes:
        box.width = min(column, width)
    return Group(_head(state, game), Columns(boxes, padding=(0, 1)), _box("Happened", _events(state)))


def clock(seconds: float | None) -> str:
    """Minutes and seconds, a dash for none."""
    return "–" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _box(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim")


def _text(value: Any) -> str:
    return "–" if value is None or value == "" else printable(str(value))


def _head(state: dict[str, Any], game: int) -> Text:
    of, status = state["status"]["games"][game], state["status"]
    owner = of["owner"] if of["link"]["state"] == "up" else "nobody"
    goal = (status.get("planner") or {}).get("goal", {}).get("text")
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f" {printable(owner).upper()} ", f"bold black on {OWNERS.get(owner, 'white')}")
    text.append(f"  {_text(goal)}", "bold")
    late = sum(status["deadline_missed"].values())
    text.append(
        f"   run {clock(of['game_time_s'])}   {of['action_hz']:.0f} actions/s   {late} late   {status['version']}"
    )
    return text


def _rows(rows: Sequence[tuple[str, RenderableType | str]]) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", overflow="fold")
    for name, value in rows:
        table.add_row(name, value if not isinstance(value, str) else Text(value))
    return table


def _bar(share: float, style: str = "cyan") -> Text:
    full = round(BAR * min(1.0, max(0.0, share)))
    return Text("█" * full, style) + Text("·" * (BAR - full), "dim")


def _game(state: dict[str, Any], game: int) -> RenderableType:
    of, scene = state["status"]["games"][game], state["scenes"][game]
    if scene is None:
        return Text(_text(of["last_error"]) if of["last_error"] else "waiting for the game")
    share = of["health"] / of["max_health"] if of["max_health"] else 0.0
    style = "red" if share < 0.3 else "green"
    counts = ", ".join(_text(of[name]) for name in ("level", "kills", "gold"))
    episodes = state["status"]["episodes"]
    return _rows([
        ("health", Text(f"{of['health']:.0f}/{of['max_health']:.0f} ") + _bar(share, style)),
        ("screen", _text(of["menu"] or "in play")), ("level, kills, gold", counts),
        ("enemies", str(scene["enemies_in_all"])),
        ("episodes, won", f"{episodes['count']}, {episodes.get('wins', 0)}"),
        ("policy", _text(state["status"]["policy"])),
    ])  # fmt: skip


def _thinks(state: dict[str, Any], game: int) -> RenderableType:
    planner = state["status"].get("planner")
    if planner is None:
        return Text("nothing plans here")
    of = planner["games"][game]
    plan = of["plan"] or {}
    steps = ", ".join(map(_text, plan.get("steps", []))) or "–"
    share = Text(f"{_text(of['subgoal'])} ") + _bar(of["share"] or 0.0, "green")
    pinned = [("pinned", "by a person")] if of.get("pinned") else []
    return _rows([
        ("subgoal", share), ("how it stands", _text(of["reason"])), *pinned, ("plan", steps),
        ("by", _text(plan.get("made_by"))), ("why", _text(plan.get("reason"))),
    ])  # fmt: skip


def _weighs(state: dict[str, Any], game: int) -> RenderableType:
    weighed: dict[str, Any] = (state["decisions"][game] or {}).get("weighed") or {}
    rows: list[tuple[str, RenderableType | str]] = []
    if weighed.get("value") is not None:
        rows.append(("expected worth", f"{weighed['value']:.2f}"))
    for i, one in enumerate(weighed.get("candidates", [])):
        taken = "bold" if i == weighed["taken"] else ""
        rows.append((f"chunk {i + 1}", Text(f"{one['bound']:.2f} ± {one['spread']:.2f}", taken)))
    offer: dict[str, Any] = weighed.get("offer") or {"captions": [], "chances": []}
    for i, (name, chance) in enumerate(zip(offer["captions"], offer["chances"], strict=True)):
        rows.append((_text(name)[:18], Text(f"{100 * chance:.0f} %", "bold" if i == offer["taken"] else "")))
    seconds = state["owner_s"][game]
    total = sum(seconds.values()) or 1.0
    rows += [(f"{_text(owner)} acted", f"{100 * s / total:.0f} %") for owner, s in seconds.items() if s > 0]
    return _rows(rows) if rows else Text("this policy does not say what it weighs")


def _latency(state: dict[str, Any]) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True)
    table.add_row(Text("stage", "dim"), Text("p50", "dim"), Text("p99", "dim"))
    for stage in STAGES:
        of = state["status"]["latency"].get(stage)
        if of is not None:
            table.add_row(Text(stage.replace("_", " "), "dim"), f"{of['p50_ms']:.2f}", f"{of['p99_ms']:.2f}")
    missed = [f"{n} {cause}" for cause, n in state["status"]["deadline_missed"].items() if n]
    table.add_row(Text("late", "dim"), "", Text(", ".join(missed) or "none"))
    return table


def _learning(state: dict[str, Any]) -> RenderableType:
    status = state["status"]
    learning, weights = status.get("learning"), status.get("weights")
    rows: list[tuple[str, RenderableType | str]] = []
    if weights is not None:
        rows.append(("weights", f"version {weights['version']}{', on trial' if weights['on_trial'] else ''}"))
    if learning is not None:
        rows.append(("rollouts", f"{learning['rollouts']}{', paused' if learning.get('paused') else ''}"))
        rows.append(("dropped", f"{learning['stale_dropped']} stale, {learning['overflowed']} overflowed"))
    recording = status.get("recording")
    rows.append(
        ("recording", "off" if recording is None else f"{recording['written']} records, {recording['lost']} lost")
    )
    rows.append(("memory", f"{status['rss_mb']:.0f} MiB"))
    return _rows(rows if learning is not None else [("", "nothing learns from play"), *rows])


def _events(state: dict[str, Any]) -> RenderableType:
    lines = [
        Text(f"{_text(e['kind'])}: {_text(e['message'])}", no_wrap=True, overflow="ellipsis") for e in state["events"]
    ]
    return Group(*reversed(lines[-EVENTS:])) if lines else Text("nothing yet")
