"""System 2: what each game pursues, planned beside play, called by events, never awaited by the loop of play.

It watches the steps of play, judges subgoals four times a second, and plans anew on events: at least `MIN_GAP_S` apart
while a plan lasts, and before `EXPIRES_S` are over. The builtin planner answers at once where there is no plan, no
model, or a fault in place of its answer; a language model's plan replaces the one that is there when it comes, unless
the run that it was asked about is over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import structlog

from agent.core.clock import Clock
from agent.core.errors import LlmError
from agent.core.goals.progress import Judged, Outcome, Pursuit, Tally, begin, judge, situation
from agent.core.goals.vocabulary import Subgoal, SubgoalKind
from agent.core.types import Action, GameState, Menu, Observation
from agent.planning.backend import Backend
from agent.planning.cards import name_of, wished
from agent.planning.goal import Goal
from agent.planning.llm import LanguageModel
from agent.planning.plans import BUILTIN, EXPIRES_S, MAX_STEPS, Plan, build_plan, question
from agent.planning.utility import LOW_HEALTH, Candidate, candidates

EVERY_S: Final = 0.25
MIN_GAP_S: Final = 2.0
REFRESH_S: Final = 9.0
"""A model is asked again so long after a plan, so that the next one is there before it expires."""
EARLY_S: Final = 2 * EVERY_S
"""A plan is replaced so long before it expires: where a turn is late, there still is a valid one."""
QUIET_S: Final = 2.0
"""A game that showed nothing for so long is not planned for."""
FORGET_FAILURES_S: Final = 60.0
HISTORY: Final = 20
TOLD_HISTORY: Final = 4
TOLD_KINDS: Final = ("subgoal_", "loop")
"""A model is told how subgoals ended, and of loops."""
STUCK_S: Final = 10.0
STUCK_M: Final = 1.5
"""Who stays within so much for so long, and gains neither kills nor XP meanwhile, is stuck."""
Say = Callable[[str, str, dict[str, Any]], None]
Pursue = Callable[[int, Pursuit | None, Judged | None], None]
log = structlog.get_logger(__name__)


class Mind(msgspec.Struct):
    """What is known and planned of one game.

    run: how many runs began. event: why to plan anew, "" for no reason. done: what was done of the plans so far, until
    a plan begins with nothing done. pinned: the subgoal that a person wants pursued until
    it is done, whatever is planned. skipped: what a person did not want, and when.
    """

    tally: Tally = msgspec.field(default_factory=Tally)
    state: GameState | None = None
    seen_s: float = 0.0
    run: int = 0
    event: str = ""
    plan: Plan | None = None
    step: int = 0
    done: tuple[Subgoal, ...] = ()
    pursuit: Pursuit | None = None
    judged: Judged | None = None
    asked_s: float = float("-inf")
    failures: list[tuple[float, str]] = msgspec.field(default_factory=list)
    names: dict[str, None] = msgspec.field(default_factory=dict)
    history: deque[dict[str, Any]] = msgspec.field(default_factory=lambda: deque[dict[str, Any]](maxlen=HISTORY))
    menu: str = ""
    is_low: bool = False
    where: deque[tuple[float, float, float]] = msgspec.field(
        default_factory=lambda: deque[tuple[float, float, float]]()
    )
    gained: tuple[int, float] = (0, 0.0)
    pinned: Subgoal | None = None
    skipped: dict[str, float] = msgspec.field(default_factory=dict)


class Planner:
    """Plans for every game of a session. `pursue` is told what each game pursues; `logs`: changes go to the log too."""

    def __init__(
        self, goal: Goal, games: int, clock: Clock, say: Say, *, backend: Backend | None = None,
        pursue: Pursue = lambda game, pursuit, judged: None, logs: bool = False,
    ) -> None:  # fmt: skip
        self.goal = goal
        self.backend = backend
        self.minds = [Mind() for _ in range(games)]
        self._clock, self._say, self._pursue, self._logs = clock, say, pursue, logs
        self._wake = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._counts = {
            "plans": 0,
            "by_builtin": 0,
            "by_model": 0,
            "thrown_away": 0,
            "done": 0,
            "failed": 0,
            "picked": 0,
        }

    # --- what play tells ---------------------------------------------------------------------------------------------

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """Hear of one step of play; called on the loop."""
        mind, state = self.minds[observation.game], observation.state
        died, elites = observation.is_last and not observation.is_won, mind.tally.elites
        mind.tally.add(state, is_first=observation.is_first, died=died)
        mind.state, mind.seen_s = state, observation.received_at_s
        event = ""
        if observation.is_first:
            mind.run += 1
            mind.done = ()
            event = "a run began"
        is_low = state.health < LOW_HEALTH * state.max_health
        if is_low and not mind.is_low:
            event = f"health {state.health:.0f} of {state.max_health:.0f}"
        if mind.tally.elites > elites and not elites:
            event = f"an elite or boss appeared, {mind.tally.elites} in sight"
        if state.current_menu != mind.menu:
            mind.menu = state.current_menu
            if state.current_menu == Menu.LEVEL_UP:
                event = f"level {mind.tally.level} was reached"
        mind.is_low = is_low
        if event:
            mind.event = event
            self._wake.set()

    def wish(self, game: int, captions: tuple[str, ...]) -> int | None:
        """The offered card that the plan asks for, None where it asks for none of them; from any thread."""
        mind = self.minds[game]
        for name in map(name_of, captions):
            if name:
                mind.names.pop(name, None)
                mind.names[name] = None
        card = mind.plan.card if mind.plan is not None else None
        return wished(card.what, captions) if card is not None else None

    def picked(self, game: int) -> None:
        """A card was taken as the plan asked; from any thread."""
        self.minds[game].tally.picked += 1
        self._counts["picked"] += 1

    def loop(self, game: int, text: str) -> None:
        """Play goes in circles: what it pursues counts as failed, and it is planned anew; called on the loop."""
        mind, now_s = self.minds[game], self._clock.now_s()
        if mind.pursuit is not None:
            mind.failures.append((now_s, mind.pursuit.subgoal.describe()))
            mind.pursuit = mind.judged = None
        mind.history.append({"kind": "loop", "text": f"in a loop: {text}", "at_s": round(now_s, 2)})
        mind.event = f"in a loop: {text}"
        self._wake.set()

    def set_goal(self, goal: Goal) -> None:
        """Plan for this goal from now on."""
        self.goal = goal
        self._say("goal", f"the goal is now {goal.text!r}", goal.status())
        for mind in self.minds:
            mind.event, mind.plan, mind.done = "the goal changed", None, ()
            mind.pursuit = mind.judged = mind.pinned = None
            mind.skipped.clear()
        self._wake.set()

    def skip(self, game: int) -> str | None:
        """Give up what a game pursues, as a person wishes, and go on; what was given up, None for nothing."""
        mind = self.minds[game]
        if mind.pursuit is None:
            return None
        said, now_s = mind.pursuit.subgoal.describe(), self._clock.now_s()
        mind.skipped[said] = now_s
        mind.pursuit = mind.judged = mind.pinned = None
        mind.step = len(mind.plan.steps) if mind.plan is not None else 0  # what was planned behind it is void
        mind.event = f"a person skipped {said}"
        self._note(game, mind, "subgoal_skipped", mind.event, {"subgoal": said})
        self._pursue(game, None, None)
        self._wake.set()
        return said

    def pin(self, game: int, is_pinned: bool) -> str | None:
        """Hold on to what a game pursues until it is done, or let go of it; what it is, None for nothing."""
        mind = self.minds[game]
        subgoal = mind.pinned if not is_pinned else mind.pursuit.subgoal if mind.pursuit is not None else None
        if subgoal is None:
            return None
        mind.pinned = subgoal if is_pinned else None
        said = subgoal.describe()
        kind, text = ("subgoal_pinned", "pinned") if is_pinned else ("subgoal_unpinned", "let go of")
        self._note(game, mind, kind, f"a person {text} {said}", {"subgoal": said})
        return said

    # --- planning ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Plan until cancelled."""
        try:
            while True:
                for game in sorted(range(len(self.minds)), key=lambda game: self.minds[game].asked_s):
                    self._consider(game)
                self._wake.clear()
                waiting = [asyncio.ensure_future(self._wake.wait()), asyncio.ensure_future(self._pause())]
                try:
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in waiting:
                        one.cancel()
        finally:
            if self._asking is not None:
                self._asking.cancel()

    async def _pause(self) -> None:
        await self._clock.sleep_until(self._clock.now_s() + EVERY_S)

    def _consider(self, game: int) -> None:
        """Judge what a game pursues; go on to the next step, or plan anew."""
        mind, now_s = self.minds[game], self._clock.now_s()
        state = mind.state
        if state is None or now_s - mind.seen_s > QUIET_S or not state.is_playing:
            return
        why = self._judge(game, mind, state, now_s)
        plan = mind.plan
        if plan is None or now_s >= plan.expires_s - EARLY_S or mind.step >= len(plan.steps):
            if plan is not None and not why:
                why = f"plan {plan.number} is over after {now_s - plan.made_s:.1f} s"
            self._plan(game, mind, state, mind.event or why or "there was no plan", now_s)
        elif mind.event and now_s - plan.made_s >= MIN_GAP_S:
            if self._usable is None:
                self._plan(game, mind, state, mind.event, now_s)
            else:
                self._ask(game, mind, state, mind.event, now_s)
        elif self._usable is not None and (plan.made_by == BUILTIN or now_s - plan.made_s >= REFRESH_S):
            self._ask(game, mind, state, f"plan {plan.number} is {now_s - plan.made_s:.1f} s old", now_s)
        if mind.pursuit is None and mind.plan is not None and mind.step < len(mind.plan.steps):
            self._begin(game, mind, state, now_s)
        self._pursue(game, mind.pursuit, mind.judged)

    def _judge(self, game: int, mind: Mind, state: GameState, now_s: float) -> str:
        """Judge the pursuit; where it ended, why to plan anew."""
        if mind.pursuit is None:
            return ""
        judged = mind.judged = judge(mind.pursuit, mind.tally, state, now_s)
        if judged.outcome is Outcome.RUNNING:
            stuck = _stuck(mind, state, now_s)
            if not stuck:
                return ""
            judged = mind.judged = Judged(Outcome.FAILED, judged.share, f"{judged.reason}; {stuck}")
        said, failed = mind.pursuit.subgoal.describe(), judged.outcome is Outcome.FAILED
        if mind.pinned == mind.pursuit.subgoal:
            start = mind.pursuit.start
            if failed and (mind.tally.runs, mind.tally.deaths) == (start.runs, start.deaths):
                mind.pursuit = begin(mind.pinned, mind.tally, state, now_s)  # its time is over, not the run
                mind.judged = judge(mind.pursuit, mind.tally, state, now_s)
                return ""
            mind.pinned = None
        self._counts["failed" if failed else "done"] += 1
        if failed:
            mind.failures = [f for f in mind.failures if now_s - f[0] < FORGET_FAILURES_S] + [(now_s, said)]
            mind.step = len(mind.plan.steps) if mind.plan is not None else 0  # what was planned behind it is void
        else:
            mind.step, mind.done = mind.step + 1, (*mind.done, mind.pursuit.subgoal)
        text = f"{said} {'failed' if failed else 'is done'}: {judged.reason}"
        self._note(game, mind, "subgoal_failed" if failed else "subgoal_done", text, {"share": round(judged.share, 3)})
        mind.pursuit, mind.event = None, mind.event or text
        return text

    def _begin(self, game: int, mind: Mind, state: GameState, now_s: float) -> None:
        assert mind.plan is not None
        subgoal = mind.plan.steps[mind.step]
        mind.pursuit = begin(subgoal, mind.tally, state, now_s)
        mind.judged = judge(mind.pursuit, mind.tally, state, now_s)
        place = f"step {mind.step + 1} of {len(mind.plan.steps)} of plan {mind.plan.number}"
        why = mind.plan.whys[mind.step]
        why = why if now_s == mind.plan.made_s else why.partition(",")[0]  # what it was made of is past
        text = f"{subgoal.describe()} is {place}: {why}; {mind.judged.reason}"
        self._note(game, mind, "subgoal", text, {"subgoal": subgoal.describe(), "plan": mind.plan.number})

    @property
    def _usable(self) -> LanguageModel | None:
        """The model, where it may be asked now."""
        model = self.backend.model if self.backend is not None else None
        return model if model is not None and model.ready and not model.is_open else None

    def _plan(self, game: int, mind: Mind, state: GameState, why: str, now_s: float) -> None:
        """The builtin's plan at once; a model that may be asked is asked for a better one."""
        mind.event = ""
        ranked = self._ranked(mind, self.goal, state, now_s)
        self._adopt(game, mind, ranked, BUILTIN, why, now_s)
        if self._usable is not None:
            self._ask(game, mind, state, why, now_s)

    def _ask(self, game: int, mind: Mind, state: GameState, why: str, now_s: float) -> None:
        """Begin to ask the model, unless it is being asked, or was just now."""
        if (self._asking is None or self._asking.done()) and now_s - mind.asked_s >= MIN_GAP_S:
            mind.asked_s, mind.event = now_s, ""
            model = self._usable
            assert model is not None
            self._asking = asyncio.ensure_future(self._asked(game, mind, state, why, model))

    async def _asked(self, game: int, mind: Mind, state: GameState, why: str, model: LanguageModel) -> None:
        """Ask the model, and take its plan if it still fits."""
        began_s, run, goal = self._clock.now_s(), mind.run, self.goal
        ranked = self._ranked(mind, goal, state, began_s)
        history = [entry["text"] for entry in mind.history if entry["kind"].startswith(TOLD_KINDS)][-TOLD_HISTORY:]
        try:
            reply = await model.ask(question(goal, state, mind.tally, ranked, history))
        except LlmError as error:
            self._note(game, mind, "planner_fault", f"{model.name}: {error}", {"fault": error.fault})
            if mind.plan is not None and mind.plan.made_s < mind.asked_s:
                mind.event = mind.event or why
                mind.plan = msgspec.structs.replace(mind.plan, expires_s=self._clock.now_s())
                self._consider(game)
            return
        now_s = self._clock.now_s()
        if mind.run != run or self.goal is not goal or now_s - began_s > EXPIRES_S:
            self._counts["thrown_away"] += 1
            return
        chosen = [ranked[i - 1] for i in dict.fromkeys(reply.plan)]
        if all(c.subgoal.kind is SubgoalKind.PICK_CARD for c in chosen):
            chosen += [c for c in ranked if c not in chosen]  # a card alone says nothing of play
        self._adopt(game, mind, chosen, model.name, why, now_s)

    def _adopt(
        self, game: int, mind: Mind, ranked: Sequence[Candidate], made_by: str, why: str, now_s: float
    ) -> None:  # fmt: skip
        """Plan these from now on: what is done stays done, and a step that is pursued already goes on."""
        self._counts["plans"] += 1
        self._counts["by_builtin" if made_by == BUILTIN else "by_model"] += 1
        running = mind.pursuit.subgoal if mind.pursuit is not None else None
        number = self._counts["plans"]
        plan = build_plan(number, ranked, made_by, why, now_s, done=mind.done, running=running)
        if mind.pinned is not None:
            ahead = (mind.pinned, *(step for step in plan.steps[plan.done :] if step != mind.pinned))
            plan = msgspec.structs.replace(plan, steps=(*plan.steps[: plan.done], *ahead[:MAX_STEPS]))
        mind.plan, mind.step, mind.done = plan, plan.done, plan.steps[: plan.done]
        if mind.step >= len(plan.steps) or running != plan.steps[mind.step]:
            mind.pursuit = mind.judged = None
        self._note(game, mind, "plan", plan.reason, plan.as_builtins(now_s))

    def _ranked(self, mind: Mind, goal: Goal, state: GameState, now_s: float) -> list[Candidate]:
        """What could be pursued, best first; what a person skipped is left out for a while."""
        ranked = candidates(goal, state, mind.tally, tuple(mind.names), self._failures(mind, now_s))
        skipped = {said for said, at_s in mind.skipped.items() if now_s - at_s < FORGET_FAILURES_S}
        others = [c for c in ranked if c.subgoal.describe() not in skipped]
        return others if any(c.subgoal.kind is not SubgoalKind.PICK_CARD for c in others) else list(ranked)

    def _failures(self, mind: Mind, now_s: float) -> dict[str, int]:
        recent = [said for at_s, said in mind.failures if now_s - at_s < FORGET_FAILURES_S]
        return {said: recent.count(said) for said in recent}

    def _note(self, game: int, mind: Mind, kind: str, text: str, payload: dict[str, Any]) -> None:
        """Remember a change, and tell it with its reason and what the game shows now."""
        mind.history.append({"kind": kind, "text": text, "at_s": round(self._clock.now_s(), 2)})
        if mind.state is not None:
            text = f"{text}; at {situation(mind.state)}"
        self._say(kind, text, {"game": game, **payload})
        if self._logs:
            log.info(kind, game=game, reason=text)

    # --- what is shown -----------------------------------------------------------------------------------------------

    def games(self) -> list[dict[str, Any]]:
        """Plan, subgoal and how it stands, of each game."""
        now_s = self._clock.now_s()
        return [
            {
                "plan": mind.plan.as_builtins(now_s) if mind.plan is not None else None,
                "subgoal": mind.pursuit.subgoal.describe() if mind.pursuit is not None else None,
                "share": round(mind.judged.share, 3) if mind.judged is not None else None,
                "reason": mind.judged.reason if mind.judged is not None else None,
                "pinned": mind.pinned is not None,
            }
            for mind in self.minds
        ]

    def histories(self) -> list[Sequence[dict[str, Any]]]:
        """The newest changes of each game, oldest first."""
        return [tuple(mind.history) for mind in self.minds]

    def counts(self) -> dict[str, int]:
        """Plans by who made them, subgoals by how they ended, cards that were taken as planned."""
        return dict(self._counts)


def _stuck(mind: Mind, state: GameState, now_s: float) -> str:
    """Why the player counts as stuck, in numbers, "" where it does not; it then counts anew."""
    where, gained = mind.where, (mind.tally.kills, mind.tally.xp)
    if gained != mind.gained or state.current_menu != Menu.PLAY:
        mind.gained = gained
        where.clear()
    where.append((now_s, state.position[0], state.position[2]))
    while now_s - where[0][0] > STUCK_S + EVERY_S:
        where.popleft()
    waited_s = now_s - where[0][0]
    spread_m = max(max(p[axis] for p in where) - min(p[axis] for p in where) for axis in (1, 2))
    if waited_s < STUCK_S or spread_m > STUCK_M:
        return ""
    where.clear()
    return f"it is stuck within {spread_m:.1f} m for {waited_s:.1f} s, with {gained[0]} kills and level {gained[1]:.2f}"
