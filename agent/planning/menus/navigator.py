"""The navigator: goes through menus towards a goal, in place of the policy, for every game of a session.

`propose` is called on the loop for each observation and decides nothing that takes time. Beside it, one task for each
game waits until the screen has settled, has it read, chooses, has the choice confirmed, and arms a click, which
`propose` makes where the newest picture still shows what was meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from agent.concurrency.lane import Lane
from agent.core.clock import Clock
from agent.core.errors import AgentError
from agent.core.types import Action, Frame, Observation
from agent.planning.menus.choose import Choice, choose, pressable
from agent.planning.menus.goal import MenuGoal, asks_to_leave, embedded_fits
from agent.planning.menus.graph import PLAY, Node, ScreenGraph
from agent.planning.menus.hover import label_icons, with_icons
from agent.planning.menus.mouse import MAX_CLICKS, Click
from agent.planning.menus.seat import Seat
from agent.planning.menus.sight import is_menu
from agent.planning.menus.words import Refused, is_waiting
from agent.planning.screen.changes import SETTLED_SHARE, brightness, changed_share
from agent.planning.screen.elements import Screen, crop_of
from agent.planning.screen.reader import ScreenReader

SETTLE_S: Final = 0.25
"""Between the two pictures of a settled screen."""
SETTLE_MAX_S: Final = 2.5
"""A screen that goes on changing is read all the same."""
NO_PICTURE_S: Final = 5.0
ARMED_S: Final = 1.0
GUESS: Final = 0.3
"""Where the best action is worth less, icons without words are looked at first, in games on a desktop."""
UNSURE: Final = 0.6
"""As `GUESS`, where the goal names something that no text on the screen names."""
COMES_S: Final = 5.0
NONE_LOOKS: Final = 3
NONE_S: Final = 2.5
"""Play has begun where so many looks in so long show no menu: while one slides in there may be none."""
LOOKS: Final = 8
"""A screen that changed before each click so often in a row is given up."""
WAITS_S: Final = 60.0
"""A screen that only says that something is being loaded is waited for this long."""
log = structlog.get_logger(__name__)


class Model(Protocol):
    """A model that chooses on a screen."""

    async def choose(self, goal: MenuGoal, screen: Screen, frame: Frame, allowed: Sequence[int]) -> Choice:
        """What to do, by ids of `allowed` alone; raises AgentError."""
        ...

    def status(self) -> dict[str, Any]:
        """How it fared."""
        ...


class GaveUp(Exception):
    """There is no way on; says why."""


class Navigator:
    """Goes through the menus of a session's games.

    graphs: one for each game. model: chooses where there is one; the builtin chooser where it fails. say: takes events.
    """

    def __init__(
        self, goal: MenuGoal, names: Sequence[str], graphs: Sequence[ScreenGraph], reader: ScreenReader,
        refused: Refused, clock: Clock, say: Callable[[str, str, dict[str, Any]], None], *, model: Model | None = None,
        lane: Lane | None = None,
    ) -> None:  # fmt: skip
        self.goal, self.refused = goal, refused
        self.seats = [Seat(i, name, goal, refused, clock) for i, name in enumerate(names)]
        self.counts = {
            "clicks": 0,
            "backs": 0,
            "reached": 0,
            "missed": 0,
            "gave_up": 0,
            "by_model": 0,
            "model_failed": 0,
        }
        self.off = ""
        self._graphs, self._reader, self._clock, self._say, self._model = graphs, reader, clock, say, model
        self._lane = lane or Lane("menus")
        self._told_fault = ""

    # --- on the loop, for each observation -------------------------------------------------------------------------

    def propose(self, observation: Observation) -> Action | None:
        """What to do in a menu that the navigator goes through; None where others act."""
        if self.off:
            return None
        seat = self.seats[observation.game]
        owned = seat.see(observation)
        if seat.plays and seat.was_in_menus:
            self._played(seat)
        return seat.act(observation) if owned or seat.holds_back else None

    def _played(self, seat: Seat) -> None:
        """A menu was left into play: the way there is known, and the goal is reached or missed."""
        graph, journey, last = self._graphs[seat.game], seat.journey, seat.last
        if last is not None and last.node in graph.nodes:
            graph.note(graph.nodes[last.node], last.key, PLAY)
        missed = " ".join(self.goal.words[i] for i in sorted(journey.open))
        payload = {"game": seat.game, "name": seat.name, "clicks": seat.clicks, "menus_s": round(seat.menus_s, 1)}
        if seat.clicks and missed:
            self.counts["missed"] += 1
            self._say("navigator_missed", f"{seat.name}: play began before {missed!r} was chosen", payload)
        elif seat.clicks:
            self.counts["reached"] += 1
            self._say("navigator_reached", f"{seat.name}: in play after {seat.clicks} clicks", payload)
        seat.begin_journey(fulfilled=not missed and (journey.fulfilled or seat.clicks > 0))

    # --- beside ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Go through menus until cancelled."""
        async with asyncio.TaskGroup() as group:
            for seat in self.seats:
                group.create_task(self._go(seat), name=f"menus of {seat.name}")

    async def _go(self, seat: Seat) -> None:
        while True:
            await seat.wanted.wait()
            if self.off:
                return
            try:
                await self._step(seat)
            except GaveUp as reason:
                self._give_up(seat, str(reason))
            except AgentError as error:
                await self._failed(seat, error)

    async def _failed(self, seat: Seat, error: AgentError) -> None:
        """What reads is hung or dead: the policy goes on, and it is tried again later."""
        if str(error) != self._told_fault:
            self._told_fault = str(error)
            log.warning("screens_not_read", game=seat.name, error=str(error))
        self._give_up(seat, f"the screen cannot be read: {error}")
        await self._clock.sleep_until(self._clock.now_s() + 1.0)

    def _give_up(self, seat: Seat, reason: str) -> None:
        self.counts["gave_up"] += 1
        seat.give_up(reason)
        self._say(
            "navigator_gave_up", f"{seat.name}: {reason}", {"game": seat.game, "name": seat.name, "clicks": seat.clicks}
        )

    async def _step(self, seat: Seat) -> None:
        """One look and what follows from it."""
        if not seat.tells:
            await self._watch(seat)
        if not seat.is_owned or seat.is_there:
            await self._rest(seat)
            return
        if (refused := asks_to_leave(self.goal, self.refused)) != "":
            raise GaveUp(
                f"the goal {self.goal.text!r} asks for what is refused ({refused}); METABONK_MENU_ALLOW allows it"
            )
        opened = await self._reader.open()
        if opened.why:
            raise GaveUp(opened.why)
        screen, frame, settled = await self._read(seat)
        if not seat.is_owned:
            return
        graph, is_first = self._graphs[seat.game], seat.clicks == 0
        if not seat.tells and not is_menu(screen, graph, settled=settled, is_first=is_first):
            if seat.sees_none(NONE_LOOKS, NONE_S):
                seat.leaves_for_play()  # the next observation finds it in play
            await self._rest(seat)
            return
        seat.no_menus.clear()
        if is_waiting([e.text for e in screen.elements]) or self._may_come(seat, screen):
            self._check_wait(seat)
            await self._rest(seat)
            return
        await self._decide(seat, screen, frame)

    def _may_come(self, seat: Seat, screen: Screen) -> bool:
        """Nothing can be pressed yet on a screen that comes: for a while it is waited for."""
        if seat.tells or pressable(screen, self.refused):
            return False
        return not seat.waits_since_s or self._clock.now_s() - seat.waits_since_s < COMES_S

    def _check_wait(self, seat: Seat) -> None:
        seat.phase = "waits"
        seat.waits_since_s = seat.waits_since_s or self._clock.now_s()
        if self._clock.now_s() - seat.waits_since_s > WAITS_S:
            raise GaveUp(f"the screen has been loading for {WAITS_S:.0f} s")

    async def _rest(self, seat: Seat) -> None:
        await self._clock.sleep_until(self._clock.now_s() + SETTLE_S)

    async def _decide(self, seat: Seat, screen: Screen, frame: Frame) -> None:
        graph = self._graphs[seat.game]
        node = graph.locate(screen)
        seat.arrive(node, graph)
        if seat.clicks >= MAX_CLICKS:
            raise GaveUp(f"{MAX_CLICKS} clicks led nowhere")
        if self._is_reached(seat):
            seat.is_there, seat.phase = True, "there"
            self.counts["reached"] += 1
            text = f"{seat.name}: {self.goal.text!r} is reached after {seat.clicks} clicks"
            self._say("navigator_reached", text, {"game": seat.game, "name": seat.name, "clicks": seat.clicks})
            return
        seat.phase = "chooses"
        screen = with_icons(screen, frame.pixels, seat.icons.get(node.id, ()))
        choice = await self._choice(seat, screen, node, frame)
        if choice.worth < (UNSURE if seat.journey.open else GUESS) and not seat.tells and node.id not in seat.icons:
            seat.phase = "hovers"
            seat.icons[node.id] = await label_icons(seat, screen, frame, self._reader, self._clock)
            screen = with_icons(screen, frame.pixels, seat.icons[node.id])
            graph.add_actions(node, screen)
            choice = await self._choice(seat, screen, node, frame)
        seat.why = choice.why
        if choice.do == "give_up":
            raise GaveUp(choice.why)
        if choice.do == "wait" and self.goal.title:
            seat.journey.done = self.goal.wants()
            return
        if choice.do in ("click", "click_xy"):
            await self._click(seat, screen, node, choice)
        elif choice.do in ("back", "key"):
            self.counts["backs"] += 1
            await seat.press(choice, node)
        else:
            await self._rest(seat)

    def _is_reached(self, seat: Seat) -> bool:
        """A goal that is no run is reached once all that it names was pressed, and the screen after it came."""
        return (
            self.goal.is_asked
            and not self.goal.starts_run
            and not seat.journey.open
            and seat.clicks + self.goal.title > 0
        )

    async def _choice(self, seat: Seat, screen: Screen, node: Node, frame: Frame) -> Choice:
        allowed = pressable(screen, self.refused)
        if self._model is not None and allowed:
            try:
                choice = await self._model.choose(self.goal, screen, frame, [e.id for e in allowed])
                self.counts["by_model"] += 1
                return choice
            except AgentError as error:
                self.counts["model_failed"] += 1
                log.info("menu_model_failed", error=str(error), instead="builtin")
        meant = await self._meant(seat, [e.text for e in allowed])
        graph, changed = self._graphs[seat.game], not seat.tells and seat.is_new_on(node, screen)
        return choose(screen, node, graph, seat.journey, self.refused, meant, changed=changed)

    async def _meant(self, seat: Seat, texts: Sequence[str]) -> Mapping[str, float]:
        """How well texts serve the goal by their embeddings; none where nothing embeds, or nothing is open."""
        if not seat.journey.open or not texts or self._reader.opened is None or not self._reader.opened.embeds:
            return {}
        goal = await self._reader.vectors([self.goal.text], is_goal=True)
        rows = await self._reader.vectors(texts)
        if goal is None or rows is None:
            return {}
        return dict(zip(texts, embedded_fits(goal[0], rows), strict=True))

    async def _click(self, seat: Seat, screen: Screen, node: Node, choice: Choice) -> None:
        """Confirm a click on a picture that is newer than the one that was chosen on, then arm it."""
        seat.phase = "confirms"
        now = await self._newer(seat, screen.captured_at_s)
        if now is None:
            return
        click = meant_click(choice, screen, now)
        read = await self._reader.text_in(now.pixels, click.read_box)
        verdict = seat.mouse.confirm(click, now, read)
        if verdict == "ok":
            verdict = await seat.arm(click, node, choice, until_s=self._clock.now_s() + ARMED_S)
        if verdict == "ok":
            self.counts["clicks"] += 1
            seat.looks_in_vain = 0
            return
        if verdict == "refused":
            self._graphs[seat.game].note(node, choice.key, node.id)
        seat.looks_in_vain += 1
        if seat.looks_in_vain >= LOOKS:
            raise GaveUp(f"no click could be made on this screen; the last one was {verdict}")

    async def _newer(self, seat: Seat, than_s: float) -> Frame | None:
        """The first picture that was captured later; None where the menu was left meanwhile."""
        return await self._newer_of(seat, than_s, while_owned=True)

    async def _newer_of(self, seat: Seat, than_s: float, *, while_owned: bool = False) -> Frame | None:
        """The first picture that was captured later; None where the menu was left meanwhile, if that matters."""
        until_s = self._clock.now_s() + NO_PICTURE_S
        while seat.is_owned or not while_owned:
            frame = seat.frame
            if frame is not None and frame.captured_at_s > than_s:
                return frame
            if self._clock.now_s() > until_s:
                raise GaveUp(f"no new picture came for {NO_PICTURE_S:.0f} s")
            await self._clock.sleep_until(self._clock.now_s() + 0.02)
        return None

    async def _read(self, seat: Seat) -> tuple[Screen, Frame, bool]:
        """The screen, its picture, and whether it has settled: at once where it is known, else when it has settled."""
        graph = self._graphs[seat.game]
        if not seat.tells and graph.nodes:
            await self._rests(seat)
            frame = await self._newer(seat, self._clock.now_s())
            if frame is not None:
                screen = await self._reader.read(seat.game, frame, seat.options)
                node = graph.known(screen)
                if node is not None and node.seen > 1:
                    return screen, frame, True
        frame, settled = await self._settled(seat)
        return await self._reader.read(seat.game, frame, seat.options), frame, settled

    async def _rests(self, seat: Seat) -> None:
        """Wait until the game has made the last input."""
        while seat.is_busy:
            await self._clock.sleep_until(self._clock.now_s() + 0.02)

    async def _settled(self, seat: Seat) -> tuple[Frame, bool]:
        """A picture of a screen that has settled, and whether it has; raises GaveUp where no pictures come."""
        seat.phase = "waits until it settles"
        await self._rests(seat)
        began_s = self._clock.now_s()
        first = seat.frame
        while True:
            await self._rest(seat)
            second, late_s = seat.frame, self._clock.now_s() - began_s
            if second is None or first is None or second is first:
                if late_s > NO_PICTURE_S:
                    raise GaveUp(f"no new picture came for {NO_PICTURE_S:.0f} s: menus are gone through by pictures")
                first = first or second
                continue
            before, after = first.pixels, second.pixels
            share = await self._lane.run(lambda: changed_share(brightness(before), brightness(after)))  # noqa: B023
            if share < SETTLED_SHARE or late_s > SETTLE_MAX_S:
                return second, share < SETTLED_SHARE
            first = second

    async def _watch(self, seat: Seat) -> None:
        """Of a game that does not tell its menus: look whether there is one."""
        if seat.is_owned:
            return
        frame, settled = await self._settled(seat)
        if seat.is_owned or not seat.may_look(frame, settled=settled):
            return
        if not seat.has_looked:
            seat.rest_pointer((frame.pixels.shape[1], frame.pixels.shape[0]))
            frame = await self._newer_of(seat, self._clock.now_s() + SETTLE_S) or frame
        opened = await self._reader.open()
        if opened.why:
            raise GaveUp(opened.why)
        screen = await self._reader.read(seat.game, frame, seat.options)
        graph, is_first = self._graphs[seat.game], not seat.has_looked
        seat.looked(is_menu(screen, graph, settled=settled, is_first=is_first))

    async def load(self) -> None:
        """Take in what was learned of the screens before."""
        for graph in self._graphs:
            await self._lane.run(graph.load)

    async def save(self) -> None:
        """Write what was learned of the screens."""
        for graph in self._graphs:
            try:
                await self._lane.run(graph.save)
            except OSError as error:
                log.warning("screens_not_kept", path=str(graph.path), error=str(error))

    async def give_up(self, why: str) -> str:
        """Leave menus to the policy for the rest of the session, and end the process that reads them."""
        self.off = why
        await asyncio.to_thread(self._reader.close)
        return "menus are no longer read; the policy acts in them"

    def close(self) -> None:
        """Let go of what reads, and of the thread."""
        self._lane.close()
        self._reader.close()

    def status(self) -> dict[str, Any]:
        """The goal, each game's way, what was learned, and what reads."""
        return {
            "goal": self.goal.text, "off": self.off,
            "backend": "builtin" if self._model is None else "vlm", **self.counts,
            "games": [
                {**seat.status(), "graph": graph.status()} for seat, graph in zip(self.seats, self._graphs, strict=True)
            ],
            "reader": self._reader.status(), "model": self._model.status() if self._model is not None else None,
        }  # fmt: skip


def meant_click(choice: Choice, screen: Screen, now: Frame) -> Click:
    """The click that a choice means; a free point is taken as it looks now."""
    if choice.element is not None:
        e = choice.element
        return Click(e.id, e.text, e.crop, e.box, screen.size_px, e.centre, free=e.kind == "icon")
    assert choice.at is not None
    (w, h), (x, y) = screen.size_px, choice.at
    at = min(w - 1, max(0, int(x * w))), min(h - 1, max(0, int(y * h)))
    side = max(12, h // 30)
    box = max(0, at[0] - 2 * side), max(0, at[1] - side), min(w, at[0] + 2 * side), min(h, at[1] + side)
    return Click(-1, "", crop_of(now.pixels, box), box, (now.pixels.shape[1], now.pixels.shape[0]), at, free=True)
