"""One game's place at the navigator: whether it goes through a menu there, the armed click, and how far it is."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from agent.core.clock import Clock
from agent.core.types import KEY_ESC, Action, Frame, Keys, Menu, Observation, Pointer
from agent.link.imaging import image_to_capture
from agent.planning.menus.choose import Choice, Journey
from agent.planning.menus.goal import MenuGoal
from agent.planning.menus.graph import BACK, Node, ScreenGraph
from agent.planning.menus.hover import Labelled
from agent.planning.menus.mouse import Click, SafeMouse, Verdict, capture_point
from agent.planning.menus.words import Refused
from agent.planning.screen.changes import SETTLED_SHARE, brightness, changed_share
from agent.planning.screen.elements import Screen
from agent.planning.screen.text import skeleton

STUCK_S: Final = 10.0
"""Without a goal the policy goes through menus that a game tells of, until it has been in one for so long; then the
navigator does, up to the next run."""
AGAIN_S: Final = 60.0
"""After giving up on a screen of a game that does not tell its menus, it is tried again then."""
NEW_CHARS: Final = 4
SAME_TEXT: Final = 70
"""Percent of letters: texts that are so alike are one, read in two ways."""
SENT_S: Final = 0.15
"""Until a game can say that it makes an input, it is taken to."""
LOOK_EVERY_S: Final = 3.0
"""Where nothing settles, it is looked for a menu this often."""
OTHERS: Final = (Menu.PLAY, Menu.LOADING, Menu.LEVEL_UP, Menu.CHEST, Menu.ENCOUNTER)
"""Not the navigator's: play, waiting, and the choice of cards."""
KEYS: Final = {"esc": KEY_ESC, "enter": 28, "up": 103, "down": 108, "left": 105, "right": 106, "tab": 15, "space": 57}


class Last(msgspec.Struct, frozen=True):
    """The last action: on which screen, and what it is called there."""

    node: str
    key: str


class Seat:
    """What is known of one game's menus."""

    def __init__(self, game: int, name: str, goal: MenuGoal, refused: Refused, clock: Clock) -> None:
        self.game, self.name = game, name
        self.mouse = SafeMouse(refused)
        self.wanted = asyncio.Event()
        self.phase, self.why, self.reason = "others act", "", ""
        self.tells = True
        self.is_owned = self.plays = self.is_there = False
        self.was_in_menus = False
        """Since play was seen last, a menu was the navigator's."""
        self.is_busy = False
        """A game on a desktop still makes the last input."""
        self.has_looked = False
        self.frame: Frame | None = None
        self.options: tuple[str, ...] = ()
        self.journey = Journey(goal)
        self.last: Last | None = None
        self.clicks = self.looks_in_vain = 0
        self.menus_s = 0.0
        self.icons: dict[str, tuple[Labelled, ...]] = {}
        """By node: what hovering told of its icons."""
        self.waits_since_s: float | None = None
        self.no_menus: list[float] = []
        """When looks one after the other showed no menu."""
        self._clock, self._goal = clock, goal
        self._menu, self._menu_since_s, self._owned_since_s = "", 0.0, 0.0
        self._gave_up_at_s: float | None = None
        self._gave_up_in = ""
        self._sees_menu = self._helps = False
        self._looked_at: Frame | None = None
        self._looked_s = float("-inf")
        self._capture_px: tuple[int, int] | None = None
        self._armed: tuple[Click, float, asyncio.Future[Verdict]] | None = None
        self._press: Action | None = None
        self._judged: Frame | None = None
        self._texts: dict[str, set[str]] = {}
        self._sent_s = float("-inf")

    # --- what the observation says -----------------------------------------------------------------------------------

    def see(self, observation: Observation) -> bool:
        """Take in an observation; True where the navigator goes through a menu now."""
        state, now_s = observation.state, self._clock.now_s()
        self.frame, self.options = observation.frame, state.level_up_options
        run = state.run
        self._capture_px = run.capture_size_px if run is not None and min(run.capture_size_px) > 0 else None
        self.tells = state.is_playing or state.max_health > 0 or state.current_menu != Menu.PLAY
        self.is_busy = not self.tells and (state.is_paused or now_s - self._sent_s < SENT_S)
        if state.current_menu != self._menu:
            self._menu, self._menu_since_s, self._gave_up_at_s = state.current_menu, now_s, None
        self.plays = self._sees_play(observation)
        owned = not observation.by_human and self._is_ours(observation, now_s)
        if owned and not self.is_owned:
            self._owned_since_s = now_s
        elif self.is_owned and not owned:
            self._let_go(now_s)
        self.is_owned = owned
        self.was_in_menus |= owned
        if owned or not self.tells:
            self.wanted.set()
        else:
            self.wanted.clear()
        return owned

    def _sees_play(self, observation: Observation) -> bool:
        state = observation.state
        if not self.tells:
            return not self._sees_menu
        return state.is_playing and state.current_menu in (Menu.PLAY, Menu.LEVEL_UP, Menu.CHEST, Menu.ENCOUNTER)

    def _is_ours(self, observation: Observation, now_s: float) -> bool:
        if self._gave_up_at_s is not None:
            if self.tells or now_s - self._gave_up_at_s < AGAIN_S:
                return False
            self._gave_up_at_s = None
        if not self.tells:
            return self._sees_menu
        state = observation.state
        if state.current_menu in OTHERS:
            return False
        self._helps |= now_s - self._menu_since_s > STUCK_S
        return self._goal.is_asked or self._helps

    def _let_go(self, now_s: float) -> None:
        self.menus_s += now_s - self._owned_since_s
        self._press = None
        self._answer("changed")
        self.phase, self.waits_since_s = "others act", None

    # --- what is done ------------------------------------------------------------------------------------------------

    @property
    def holds_back(self) -> bool:
        """True where nobody is to act before a menu was looked for, or the goal's screen is there.

        A game on a desktop takes a policy's keys for its own, in whatever is open.
        """
        if self.tells or not self._goal.is_asked or self._gave_up_at_s is not None:
            return False
        return not self.has_looked or not self._goal.starts_run

    def act(self, observation: Observation) -> Action:
        """The action of this tick: an armed click where the picture still shows what was meant, a key, or nothing."""
        if self._press is not None:
            press, self._press = self._press, None
            self._sends()
            return msgspec.structs.replace(press, answers=observation.sequence)
        if self._armed is None or observation.frame is None:
            return Action(answers=observation.sequence)
        click, until_s, _ = self._armed
        now_s = self._clock.now_s()
        if observation.frame is self._judged and now_s < until_s:  # the first packet with a picture is the freshest
            return Action(answers=observation.sequence)
        self._judged = observation.frame
        verdict = self.mouse.may_click(click, observation.frame, now_s)
        if verdict in ("old", "fast") and now_s < until_s:
            return Action(answers=observation.sequence)
        self._answer(verdict)
        if verdict != "ok":
            return Action(answers=observation.sequence)
        self._sends()
        if not self.tells:
            self.rest_pointer(click.window_px)
        return Action(click=capture_point(click, self._capture_px), answers=observation.sequence)

    def _answer(self, verdict: Verdict) -> None:
        if self._armed is not None:
            future, self._armed = self._armed[2], None
            if not future.done():
                future.set_result(verdict)

    async def arm(self, click: Click, node: Node, choice: Choice, *, until_s: float) -> Verdict:
        """Have a click made with the next observation that shows what was meant; what became of it."""
        if not self.is_owned:
            return "changed"
        self.phase = "clicks"
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._armed = click, until_s, future
        verdict = await future
        if verdict == "ok":
            self.last = Last(node.id, choice.key)
            self.clicks += 1
            self.journey.done |= choice.names
        return verdict

    def point(self, at_px: tuple[int, int], window_px: tuple[int, int]) -> None:
        """Move the mouse there with the next observation, without a click."""
        x, y = image_to_capture(*at_px, window_px, self._capture_px or window_px)
        self._press = Action(desk=(Pointer(x, y),))

    def _sends(self) -> None:
        """An input goes out now."""
        self._sent_s, self.is_busy = self._clock.now_s(), not self.tells

    def rest_pointer(self, window_px: tuple[int, int]) -> None:
        """Move the mouse into the corner, where it covers no text."""
        self.point((1, 1), window_px)

    async def press(self, choice: Choice, node: Node) -> None:
        """Have a key pressed with the next observation: the one that leads back, or one that is named."""
        self.phase = "presses"
        code = KEYS.get(choice.key, KEY_ESC)
        keys = (Keys(((code, True), (code, False))),)
        if choice.do == "back":
            self._press = Action(ability=self.tells, desk=() if self.tells else keys)
        else:
            self._press = Action(fire=self.tells and choice.key == "enter", desk=() if self.tells else keys)
        self.last = Last(node.id, choice.key or BACK)
        self.clicks += 1
        await self._clock.sleep_until(self._clock.now_s() + 0.1)

    # --- how far it is -----------------------------------------------------------------------------------------------

    def arrive(self, node: Node, graph: ScreenGraph) -> None:
        """A screen was read: what the last action led to is known."""
        last, self.last, self.waits_since_s = self.last, None, None
        if last is not None and last.node in graph.nodes:
            graph.note(graph.nodes[last.node], last.key, node.id)

    def is_new_on(self, node: Node, screen: Screen) -> bool:
        """True where a text is on a screen that was not there when it was seen before; asked once for each look."""
        from rapidfuzz.fuzz import ratio

        texts = {skeleton(e.text) for e in screen.elements if e.kind == "label" and len(e.text) >= NEW_CHARS}
        before = self._texts.setdefault(node.id, set(texts))
        new = {t for t in texts - before if not any(ratio(t, other) >= SAME_TEXT for other in before)}
        before |= texts
        return bool(new)

    def begin_journey(self, *, fulfilled: bool) -> None:
        """Play began: the next menus are another way."""
        self.journey = Journey(self._goal, fulfilled=fulfilled)
        self.last, self.clicks, self.looks_in_vain, self.menus_s = None, 0, 0, 0.0
        self.is_there = self.was_in_menus = self._helps = False

    def give_up(self, reason: str) -> None:
        """Let others act in this menu."""
        self.reason, self._gave_up_at_s = reason, self._clock.now_s()
        self._let_go(self._clock.now_s())
        self.is_owned = False
        self.phase = "gave up"
        self.last, self.clicks, self.looks_in_vain = None, 0, 0
        self.wanted.clear()

    def may_look(self, frame: Frame, *, settled: bool) -> bool:
        """Whether it is worth a reading to find out if there is a menu: something changed since, or time went by."""
        now_s = self._clock.now_s()
        if self._gave_up_at_s is not None and now_s - self._gave_up_at_s < AGAIN_S:
            return False
        before = self._looked_at
        if settled:
            return before is None or changed_share(brightness(before.pixels), brightness(frame.pixels)) >= SETTLED_SHARE
        return now_s - self._looked_s >= LOOK_EVERY_S

    def looked(self, found: bool) -> None:
        """What a look for a menu found."""
        self._sees_menu, self._looked_at, self._looked_s = found, self.frame, self._clock.now_s()
        self.has_looked = True

    def sees_none(self, looks: int, within_s: float) -> bool:
        """A look showed no menu; True where so many did, for so long."""
        self.no_menus.append(self._clock.now_s())
        return len(self.no_menus) >= looks and self.no_menus[-1] - self.no_menus[0] >= within_s

    def leaves_for_play(self) -> None:
        """The picture shows no menu any more."""
        self.no_menus.clear()
        self.looked(False)
        self._let_go(self._clock.now_s())
        self.is_owned = False

    def status(self) -> dict[str, Any]:
        """What is going on in this game's menus."""
        return {
            "name": self.name, "phase": self.phase, "menu": self._menu, "tells": self.tells, "clicks": self.clicks,
            "why": self.why, "gave_up": self.reason if self._gave_up_at_s is not None else "",
            "mouse": self.mouse.status(),
        }  # fmt: skip
