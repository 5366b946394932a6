"""Real desktop games on a screen of their own: reach five goals in each by pictures alone, twice.

    python -m tools.bench.menus.desktop --out docs/results/menus_desktop.json --pictures runs/desktop-pictures

Needs Xvfb, openbox, minetest, supertux2 and teeworlds. Each visit begins with an empty home; the second one of a goal
knows the screens of the first. The table of goals is for the judge alone: the navigator gets the goal's sentence, and
what counts as reached is read from the last picture.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import msgspec
import numpy as np

from agent.core.clock import TICK_S, SystemClock
from agent.core.errors import GameError
from agent.core.types import NEUTRAL, Action, ByteArray, Frame, Observation
from agent.games.desktop.x11 import X11Desktop
from agent.games.desktop_host import DesktopGame, open_desktop
from agent.planning.menus.goal import menu_goal
from agent.planning.menus.graph import ScreenGraph
from agent.planning.menus.navigator import Navigator
from agent.planning.menus.words import Refused
from agent.planning.screen.messages import ReadPicture, Words
from agent.planning.screen.reader import ScreenReader, reading_child
from agent.planning.screen.text import plain
from tools.bench._result_file import publish

WITHIN_S: Final = 60.0
LOAD_S: Final = 60.0
FRAME_EVERY: Final = 6
SETTLES_S: Final = 3.0
JUDGED: Final = 4
"""The last picture is read so often until it shows what it should: menus slide in."""
TABLE: Final = Path(__file__).with_name("desktop.toml")


class Goal(msgspec.Struct, frozen=True):
    """One goal. begin: goals that are reached first, unmeasured. shows: texts of which one is there in the end.

    hides: texts of which none is. refused: it is to be given up, without a click. server: a command that runs beside.
    """

    name: str
    text: str
    begin: tuple[str, ...] = ()
    server: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    refused: bool = False


class DesktopTable(msgspec.Struct, frozen=True):
    """The table: goals by command."""

    games: dict[str, tuple[Goal, ...]]


@contextlib.contextmanager
def screen(size: str = "1280x720x24") -> Iterator[None]:
    """An X server and a window manager of its own, named by DISPLAY meanwhile."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=(write,), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    before = dict(os.environ)
    os.environ |= {
        "DISPLAY": f":{number}", "LIBGL_ALWAYS_SOFTWARE": "1", "SDL_AUDIODRIVER": "dummy", "ALSOFT_DRIVERS": "null",
    }  # fmt: skip
    manager = subprocess.Popen(["openbox"], stderr=subprocess.DEVNULL)
    try:
        looks = X11Desktop(SystemClock())
        while not looks.has_manager:
            time.sleep(0.02)
        looks.close()
        yield
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait(10)
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def empty_home() -> Iterator[None]:
    """A fresh HOME meanwhile."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        for name in [n for n in os.environ if n.startswith("XDG_")]:
            del os.environ[name]
        os.environ["HOME"] = os.environ["XDG_RUNTIME_DIR"] = home
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextlib.contextmanager
def server(command: Sequence[str]) -> Iterator[None]:
    """A server of the game on this machine meanwhile, where one is named."""
    if not command:
        yield
        return
    program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/games")
    process = subprocess.Popen(
        [program or command[0], *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


class Visit:
    """One goal in one game that runs: its navigator, and what was seen and done."""

    def __init__(self, game: DesktopGame, text: str, graph: ScreenGraph, reader: ScreenReader, pictures: Path) -> None:
        self.game, self.pictures = game, pictures
        self.clock = SystemClock()
        self.events: list[tuple[str, str]] = []
        self.navigator = Navigator(
            menu_goal(text), ("game",), [graph], reader, Refused(), self.clock,
            lambda kind, said, payload: self.events.append((kind, said)),
        )  # fmt: skip
        self.seat = self.navigator.seats[0]
        self.steps: list[str] = []
        self.menu_s: float | None = None
        self.clicks = 0
        self._ticks = 0
        self._frame: Frame | None = None
        self._window: ByteArray | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A context in which the navigator works beside."""
        task = asyncio.ensure_future(self.navigator.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def outcome(self) -> str:
        """How it ended: reached, gave up, or "" while it goes on."""
        kinds = [kind for kind, _ in self.events]
        names = {"navigator_gave_up": "gave up", "navigator_reached": "reached", "navigator_missed": "missed"}
        return next((names[kind] for kind in kinds if kind in names), "")

    async def play(self, within_s: float) -> float | None:
        """Play until it ends; seconds from the first menu that was seen, None where it did not end in time."""
        began_s = self.clock.now_s()
        while True:
            await self.tick()
            now_s = self.clock.now_s()
            if self.menu_s is None and (self.seat.is_owned or self.outcome):
                self.menu_s = now_s
            if self.outcome:
                return now_s - (self.menu_s or now_s)
            if now_s - began_s > LOAD_S or (self.menu_s is not None and now_s - self.menu_s > within_s):
                return None

    async def tick(self) -> None:
        """One tick of the game, and the navigator's action for it."""
        due_s = self.clock.now_s() + TICK_S
        if self._ticks % FRAME_EVERY == 0:
            self._frame = Frame(self.game.render(), self.clock.now_s(), self.clock.now_s())
        self._ticks += 1
        now_s = self.clock.now_s()
        state = self.game.state()
        seen = Observation(0, state, self._frame, self._ticks, TICK_S, now_s, 0.0, self._ticks == 1, False, False)
        action = self.navigator.propose(seen) or NEUTRAL
        self._note(action)
        self.game.tick(action)
        await self.clock.sleep_until(due_s)

    def _note(self, action: Action) -> None:
        if action.click is None and not any(type(d).__name__ == "Keys" for d in action.desk):
            return
        self.clicks += 1
        what = "back" if action.click is None else self.seat.why
        self.steps.append(what)
        self.keep(f"{self.clicks:02d}", action.click)

    def keep(self, name: str, click: tuple[int, int] | None = None) -> None:
        """Write the picture of this step, with a mark where the click goes."""
        if self._frame is None:
            return
        picture = cv2.cvtColor(self._frame.pixels, cv2.COLOR_RGB2BGR)
        if click is not None:
            cv2.circle(picture, (click[0], picture.shape[0] - 1 - click[1]), 14, (0, 0, 255), 3)
        self.pictures.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(self.pictures / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 70])


async def texts_of(visit: Visit, caller: Any) -> list[str]:
    """What the last picture says, read whole and carefully by the judge."""
    end_s = visit.clock.now_s() + SETTLES_S
    while visit.clock.now_s() < end_s:
        await visit.tick()
    visit.keep("end")
    pixels = visit._frame.pixels if visit._frame is not None else np.zeros((8, 8, 3), np.uint8)
    ask = ReadPicture(boxes=((0, 0, pixels.shape[1], pixels.shape[0]),), height_px=pixels.shape[0], whole=True)
    words, _ = await caller.call(ask, Words, np.ascontiguousarray(pixels).tobytes(), timeout_s=60.0)
    return [plain(word.text) for word in words.words]


def verdict(goal: Goal, outcome: str, clicks: int, texts: Sequence[str]) -> bool:
    """Whether a visit ended as it should."""
    if goal.refused:
        return outcome == "gave up" and clicks == 0
    there = " | ".join(texts)
    shown = not goal.shows or any(plain(text) in there for text in goal.shows)
    return outcome == "reached" and shown and not any(plain(text) in texts for text in goal.hides)


async def visit(
    command: str, goal: Goal, screens: Path, caller: Any, pictures: Path, within_s: float = WITHIN_S
) -> dict[str, Any]:
    """One goal in a game that is started with an empty home."""
    clock = SystemClock()
    reader = ScreenReader(caller, clock)
    graph = ScreenGraph(command, screens).load()
    game = DesktopGame(command, open_desktop(clock), clock)
    found: dict[str, Any] = {"game": command.split()[0], "goal": goal.name, "text": goal.text}
    try:
        for i, text in enumerate(goal.begin):
            before = Visit(game, text, graph, reader, pictures / f"begin{i}")
            async with before.running():
                await before.play(within_s)
                found["begin"] = before.outcome or "not in time"
        last = Visit(game, goal.text, graph, reader, pictures)
        async with last.running():
            seconds = await last.play(within_s)
        outcome = last.outcome
        for _ in range(JUDGED):
            texts = await texts_of(last, caller)
            ok = verdict(goal, outcome, last.clicks, texts)
            if ok or outcome != ("gave up" if goal.refused else "reached"):
                break
        found |= {
            "ok": ok, "outcome": outcome or "not in time", "seconds": None if seconds is None else round(seconds, 1),
            "clicks": last.clicks, "lost": game.lost, "steps": last.steps,
            "said": [said for _, said in last.events][:2],
        }  # fmt: skip
        if not ok:
            found["texts"] = texts[:30]
    except GameError as error:
        found |= {"ok": False, "outcome": f"the game ended: {error}", "seconds": None, "clicks": 0, "steps": []}
    finally:
        graph.save()
        with contextlib.suppress(GameError):
            game.close()
    return found


async def measure(
    games: dict[str, tuple[Goal, ...]], visits: int, pictures: Path, within_s: float = WITHIN_S
) -> dict[str, Any]:
    """All goals, each visited so often."""
    caller, each = reading_child(), []
    with tempfile.TemporaryDirectory() as folder:
        for command, goals in games.items():
            for goal in goals:
                screens = Path(folder) / f"{command.split()[0]}-{goal.name.replace(' ', '-')}.json"
                for n in range(visits):
                    with empty_home(), server(goal.server):
                        into = pictures / command.split()[0] / goal.name.replace(" ", "-") / f"visit{n + 1}"
                        found = await visit(command, goal, screens, caller, into, within_s)
                    found["visit"] = n + 1
                    each.append(found)
                    print(msgspec.json.encode(found).decode(), flush=True)
    await asyncio.to_thread(caller.close)
    return summary(each)


def summary(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Counts of first and second visits, and their times where both reached the goal."""
    first, second = ([one for one in each if one["visit"] == n] for n in (1, 2))
    pairs = [
        (a, b) for a in first for b in second
        if (a["game"], a["goal"]) == (b["game"], b["goal"]) and a["ok"] and b["ok"] and a["outcome"] == "reached"
    ]  # fmt: skip
    times = [sum(one["seconds"] for one in side) for side in zip(*pairs, strict=True)] if pairs else [0.0, 0.0]
    return {
        "goals": len(first), "reached": sum(one["ok"] for one in first),
        "reached_in_60_s": sum(one["ok"] and (one["seconds"] or 0.0) <= WITHIN_S for one in first),
        "load_of_the_machine": round(os.getloadavg()[2], 1), "again": sum(one["ok"] for one in second),
        "longest_s": max((one["seconds"] or 0.0 for one in first if one["ok"]), default=None),
        "pairs": len(pairs), "first_s": round(times[0], 1), "second_s": round(times[1], 1),
        "second_at_most_half": sum(b["seconds"] <= a["seconds"] / 2 for a, b in pairs), "each": list(each),
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", default="", help="commands, with commas; default: all of the table")
    parser.add_argument("--goals", default="", help="names of goals, with commas; default: all")
    parser.add_argument("--visits", type=int, default=2)
    parser.add_argument("--within", type=float, default=WITHIN_S, help="seconds until a visit is broken off")
    parser.add_argument("--pictures", type=Path, default=Path("desktop-pictures"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    table = msgspec.toml.decode(TABLE.read_text(encoding="utf-8"), type=DesktopTable).games
    games, goals = (
        options.games.split(",") if options.games else list(table),
        set(filter(None, options.goals.split(","))),
    )
    wanted = {game: tuple(g for g in table[game] if not goals or g.name in goals) for game in games}
    path = os.environ.get("PATH", "") + ":/usr/games"
    missing = [
        name for name in ("Xvfb", "openbox", *(g.split()[0] for g in games)) if not shutil.which(name, path=path)
    ]
    if missing:
        parser.error(f"not installed: {', '.join(missing)}")
    with screen():
        values = asyncio.run(measure(wanted, options.visits, options.pictures, options.within))
    publish("menus_desktop", values, options.out)
    return 0 if values["reached"] >= len(values["each"]) // options.visits - 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
