"""Sessions in the arena with loops at known times, played by a script and written down as `play` writes them.

The game is the arena itself: its walls, trees, menus and presses. Two things are changed for the scenes' sake: enemies
come only where a stretch is of fighting, and a shrine that stands for a shop is set up again after each visit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from agent.core.clock import SystemClock
from agent.core.types import NEUTRAL, Action, GameState, Menu
from agent.games.arena import state as layout
from agent.games.arena.game import ArenaGame
from agent.games.arena.terrain import EDGE_M
from agent.games.arena.things import ZONE_M, add_thing
from agent.journal.journal import Journal
from agent.journal.keeping import Keep
from agent.journal.records import DecisionRecord, PacketRecord, SessionHeader
from agent.link.imaging import encode_jpeg
from agent.link.wire import encode_action, encode_state

HZ: Final = 60
PICTURE_TICKS: Final = 6
WAITING_RECORDS: Final = 3000
Way = tuple[float, float]


class Stretch(NamedTuple):
    """What was played from when to when, seconds of the session's clock."""

    kind: str
    began_s: float
    ended_s: float


class Scene:
    """One session of the arena that a script plays, tick by tick. seen: hears of every state with its picture."""

    def __init__(
        self, folder: Path, seed: int, *, seen: Callable[[GameState, Any, Action, float], None] | None = None
    ) -> None:
        clock = SystemClock()
        header = SessionHeader(
            session=folder.name, program="bench", game="arena", games=("arena",), policy="script", seed=seed,
            real_time=True, learns=False, asks_chooser=False, off_policy=False, began_utc_ns=clock.wall_utc_ns(),
            began_s=0.0,
        )  # fmt: skip
        self.journal = Journal(folder, header, clock, Keep(window_s=None, max_bytes=None))
        self.journal.begin()
        self.rng = np.random.default_rng(seed)
        self.game, self.tick, self.stretches = ArenaGame(), 0, list[Stretch]()
        self.game.reset(seed, start="run")
        self._seen, self._fights, self._shop = seen, False, -1
        self._pictures: dict[tuple[str, int], tuple[Any, bytes]] = {}

    @property
    def time_s(self) -> float:
        """Seconds of the session."""
        return self.tick / HZ

    @property
    def place(self) -> Way:
        """Where the player is."""
        return float(self.game.world["x"]), float(self.game.world["z"])

    def do(self, action: Action) -> None:
        """Advance one tick, and write down what the game shows and what was done."""
        game, world = self.game, self.game.world
        if not self._fights:
            world["spawn_credit"], world["foes"], world["shots"] = -1e9, 0, 0
        world["mortal"] = 0
        game.tick(action)
        self.tick += 1
        state = game.state()
        assert state.run is not None
        run = msgspec.structs.replace(state.run, sequence=self.tick, capture_time_us=round(1e6 * self.tick / HZ))
        state = msgspec.structs.replace(state, run=run)
        pixels, frame = self._picture() if self.tick % PICTURE_TICKS == 0 else (None, b"")
        self._offer(PacketRecord(0, self.tick, self.time_s, encode_state(state), frame))
        self._offer(
            DecisionRecord(
                0, self.tick, self.tick, 0, 1 / HZ, self.time_s, 0.0, False, False, False, False, 0, self.time_s,
                encode_action(action), "motor", -1,
            )
        )  # fmt: skip
        if self._seen is not None:
            self._seen(state, pixels, action, self.time_s)

    def _picture(self) -> tuple[Any, bytes]:
        """The picture of the open menu; of play, one of a few that were seen, for no loop is found by those."""
        screen = self.game.screen
        key = (screen.name, screen.focus) if screen is not None else ("", self.tick // 600 % 8)
        if key not in self._pictures:
            pixels = self.game.render()
            self._pictures[key] = pixels, encode_jpeg(pixels)
        return self._pictures[key]

    def _offer(self, record: PacketRecord | DecisionRecord) -> None:
        self.journal.offer(record, self.time_s)
        if self.tick % 500 == 0:
            while self.journal.waiting > WAITING_RECORDS:
                time.sleep(0.01)

    def close(self) -> None:
        """Write what waits; raises RuntimeError where something was lost."""
        while self.journal.waiting:
            time.sleep(0.01)
        self.journal.close()
        if self.journal.lost:
            raise RuntimeError(f"{self.journal.lost} records of the scene were lost: {self.journal.reasons}")

    # --- how to play -----------------------------------------------------------------------------------------------

    def _seconds(self, low: float, high: float) -> range:
        return range(round(HZ * float(self.rng.uniform(low, high))))

    def press(self, meaning: str) -> None:
        """Click a button of the open menu, once it takes clicks."""
        for _ in self._seconds(0.2, 0.8):
            self.do(NEUTRAL)
        screen = self.game.screen
        assert screen is not None
        x0, y0, x1, y1 = next(button.rect for button in screen.buttons if button.meaning == meaning)
        width, height = self.game.capture_size_px
        self.do(Action(click=(int((x0 + x1) / 2 * width), int((1.0 - (y0 + y1) / 2) * height))))
        self.do(NEUTRAL)

    def walk_to(self, goal: Way, within_s: float = 40.0, near_m: float = 1.5) -> None:
        """Walk until it is near, around what stands in the way."""
        side, before = 0.0, self.place
        for tick in range(round(within_s * HZ)):
            x, z = self.place
            if math.hypot(goal[0] - x, goal[1] - z) < near_m:
                return
            if tick % 30 == 29:
                stuck = math.hypot(x - before[0], z - before[1]) < 1.0
                side, before = (float(self.rng.choice((-1.2, 1.2))) if stuck else 0.0), (x, z)
            self.step(math.atan2(goal[0] - x, goal[1] - z) + side)

    def pause(self) -> None:
        """Open the pause menu, as Esc does, once nothing is offered any more."""
        while self.game.screen is not None:
            self.press("take 0")
        self.game.pause()

    def step(self, heading: float) -> None:
        """Walk one tick; a card that is offered meanwhile is taken."""
        if self.game.screen is not None:
            self.press("take 0")
        else:
            self.do(Action((math.sin(heading), math.cos(heading))))

    def explore(self, low_s: float, high_s: float) -> None:
        """Walk from place to place, each time to one that is far from the last ones."""
        until = self.tick + len(self._seconds(low_s, high_s))
        while self.tick < until:
            goal = tuple(self.rng.uniform(-70.0, 70.0, 2))
            if math.hypot(goal[0] - self.place[0], goal[1] - self.place[1]) > 30.0:
                self.walk_to((goal[0], goal[1]), min(12.0, (until - self.tick) / HZ))


def corner(scene: Scene) -> Iterator[None]:
    """Push into a corner of the map, this way and that."""
    x, z = scene.rng.choice((-1.0, 1.0), 2) * EDGE_M
    scene.walk_to((x, z), near_m=4.0)
    for _ in range(2 * HZ):
        scene.step(math.atan2(x, z))
    yield
    turned = math.atan2(x, z)
    for tick in scene._seconds(30.0, 80.0):
        if tick % 20 == 0:
            turned = math.atan2(x, z) + float(scene.rng.uniform(-0.6, 0.6))
        scene.step(turned)


def menus(scene: Scene) -> Iterator[None]:
    """Two menus that lead to each other, main menu and characters or characters and maps; then into another run."""
    scene.pause()
    scene.press("menu")
    further = bool(scene.rng.integers(2))
    scene.press("play")
    if further:
        scene.press("confirm")
    yield
    until = scene.tick + len(scene._seconds(30.0, 80.0))
    while scene.tick < until:
        scene.press("back")
        scene.press("confirm" if further else "play")
    if not further:
        scene.press("confirm")
    scene.press("confirm")
    while scene.game.screen is not None:
        scene.do(NEUTRAL)


def shop(scene: Scene) -> Iterator[None]:
    """In and out of a shrine, whose offer is declined each time."""
    for _ in range(3):
        scene.explore(3.0, 4.0)
    world, (x, z) = scene.game.world, scene.place
    world["things"] = min(int(world["things"]), layout.MAX_THINGS - 1)
    add_thing(world, layout.THING_SHRINE, x, z + 3.0)
    at, outside = int(world["things"]) - 1, (x, z + 3.0 - 2 * ZONE_M)
    yield
    until = scene.tick + len(scene._seconds(40.0, 90.0))
    while scene.tick < until:
        scene.walk_to((x, z + 3.0), 3.0)
        for _ in range(9 * HZ):
            if scene.game.screen is None:
                scene.do(NEUTRAL)
        if scene.game.screen is not None and scene.game.screen.name == Menu.ENCOUNTER:
            scene.press("skip")
        scene.walk_to(outside, 3.0)
        world["thing_used"][at], world["thing_charge"][at] = 0, 0.0
    world["thing_used"][at] = 1


def fight(scene: Scene) -> Iterator[None]:
    """Stand around and let enemies come."""
    scene._fights = True
    scene.game.world["spawn_credit"] = 0.0
    scene.explore(8.0, 9.0)
    yield
    turned = 0.0
    for tick in scene._seconds(30.0, 80.0):
        if tick % 40 == 0:
            turned = float(scene.rng.uniform(-math.pi, math.pi))
        scene.step(turned)
    scene._fights = False


def wait(scene: Scene) -> Iterator[None]:
    """Wait in the pause menu."""
    scene.pause()
    yield
    for _ in scene._seconds(30.0, 80.0):
        scene.do(NEUTRAL)
    scene.press("resume")


def rest(scene: Scene) -> Iterator[None]:
    """Stand still and do nothing."""
    yield
    for _ in scene._seconds(30.0, 80.0):
        scene.do(NEUTRAL)


def way_back(scene: Scene) -> Iterator[None]:
    """A long way, and the same way back: nothing new, but no loop."""
    yield
    places = [scene.place]
    for _ in range(4):
        scene.explore(5.0, 7.0)
        places.append(scene.place)
    for place in reversed(places):
        scene.walk_to(place, 12.0)


LOOPS: Final = {"corner": corner, "menus": menus, "shop": shop}
OTHERS: Final = {"fight": fight, "wait": wait, "rest": rest, "way_back": way_back}


def play(scene: Scene, seconds: float) -> None:
    """Play stretches of all kinds in random order for so long, exploring between them."""
    kinds = {**LOOPS, **OTHERS}
    while scene.time_s < seconds:
        for name in scene.rng.permutation(list(kinds)):
            scene.explore(8.0, 25.0)
            running = kinds[str(name)](scene)
            next(running)
            began_s = scene.time_s
            for _ in running:
                pass
            scene.stretches.append(Stretch(str(name), began_s, scene.time_s))
    scene.explore(8.0, 25.0)
