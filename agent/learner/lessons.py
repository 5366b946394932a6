"""Lessons for a learner for play: what another player does in the arena, written down as a pilot's rollouts.

The kiter plays runs in lock-step as a pilot decides: every few ticks, once more when a menu opens, and what it decided
is held between. Owns the game while it plays; no learner.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import msgspec
import numpy as np

from agent.control import encode, menus
from agent.control.experience import ACTIONS, RolloutRecorder, Sampled, allowed_choices, flat
from agent.control.kiter import Kiter, card_value
from agent.control.policy import Policy
from agent.core.clock import TICK_S
from agent.core.rollout import BoolArray, Rollout
from agent.core.types import NEUTRAL, Action, FloatArray, GameState, Menu, Observation
from agent.games.contract import HostedGame

TICKS: Final = 4
MAX_LESSON_AXIS: Final = 0.95
"""Axes of lessons: a pilot's are the tanh of a number, which never is 1."""
FIRST_SEED: Final = 70_000_000
_CARD_MENUS: Final = (Menu.LEVEL_UP, Menu.ENCOUNTER)
_NO_MEMORY: Final = np.zeros(0, np.float32)


class _Lesson:
    """One game that the kiter plays, and the decision that is held."""

    def __init__(self, game: HostedGame, recorder: RolloutRecorder, player: Policy) -> None:
        self._game, self._recorder, self._player = game, recorder, player
        self._batch = encode.Encoded.empty(1)

    def begin(self, seed: int) -> None:
        """Begin a run."""
        self._game.reset(seed, start="run")
        self._tick, self._waited_s = 0, 0.0
        self._carry = self._player.initial(1)
        self._held, self._last, self._menu = NEUTRAL, NEUTRAL, menus.MenuCarry()

    def tick(self) -> bool:
        """Play one tick; False where the run is over."""
        state = self._game.state()
        run = state.run
        ended = run is not None and run.run_ended
        observation = Observation(
            game=0, state=state, frame=None, sequence=self._tick, elapsed_s=TICK_S if self._tick else 0.0,
            received_at_s=self._tick * TICK_S, reward=run.reward if run is not None else 0.0,
            is_first=self._tick == 0, is_last=ended,
            is_terminal=run is not None and ended and not run.run_truncated, is_won=run is not None and run.run_won,
        )  # fmt: skip
        self._recorder.observe(observation, lambda: self._seen(state, self._waited_s + observation.elapsed_s))
        if ended:
            return False
        self._game.tick(self._act(observation))
        self._tick += 1
        return True

    def _seen(self, state: GameState, waited_s: float) -> FloatArray:
        encode.encode_state(state, waited_s, self._last, self._batch, 0)
        return flat(self._batch)

    def _act(self, observation: Observation) -> Action:
        state, first = observation.state, observation.is_first
        self._waited_s += observation.elapsed_s
        if menus.in_menu(state):
            opened = self._menu.menu != state.current_menu or self._menu.options != state.level_up_options
            if first or opened:
                self._choose(observation)
            self._menu, action = menus.step(self._menu, state, self._choice)
            return action
        closed, self._menu = self._menu.menu != "", menus.MenuCarry()
        if first or closed or self._waited_s >= (TICKS - 0.5) * TICK_S:
            self._decide(observation)
        return self._held

    def _choose(self, observation: Observation) -> None:
        """Take the card that the kiter wants most."""
        state = observation.state
        options = state.level_up_options if state.current_menu in _CARD_MENUS else ()
        self._choice = int(np.argmax([card_value(option) for option in options])) if options else 0
        seen = self._seen(state, self._waited_s)
        there = (self._batch.cards[0] != 0).any(1) if options else None
        self._write(observation, seen, np.zeros(4, np.float32), (0, 0, 0, self._choice), allowed_choices(False, there))

    def _decide(self, observation: Observation) -> None:
        seen = self._seen(observation.state, self._waited_s)
        self._carry, (action,) = self._player.step(self._carry, [observation])
        assert action is not None
        axes = np.clip(np.array([*action.move, *action.look], np.float32), -MAX_LESSON_AXIS, MAX_LESSON_AXIS)
        move, look = (float(axes[0]), float(axes[1])), (float(axes[2]), float(axes[3]))
        self._held = self._last = msgspec.structs.replace(action, move=move, look=look, answers=None)
        pressed = int(action.fire), int(action.ability), int(action.interact), 0
        self._write(observation, seen, axes, pressed, allowed_choices(True, None))

    def _write(
        self,
        observation: Observation,
        seen: FloatArray,
        axes: FloatArray,
        choices: tuple[int, ...],
        allowed: BoolArray,
    ) -> None:
        sampled = Sampled(axes, choices, 0.0, allowed)
        self._recorder.write(observation, seen, _NO_MEMORY, self._waited_s, 0.0, sampled, 0)
        self._waited_s = 0.0


class Rewards(Protocol):
    """What an observation pays."""

    def of(self, observation: Observation) -> float:
        """Reward since the observation before."""
        ...


def lessons(
    game: HostedGame, decisions: int, *, player: Policy | None = None, steps: int = 256, reward: Rewards | None = None
) -> Iterator[Rollout]:
    """At least so many decisions of a player, the kiter unless told, run after run; each full rollout as it comes.

    reward: instead of play's own.
    """
    made: list[Rollout] = []
    recorder = RolloutRecorder("lessons", ("lessons",), 0, made.append, steps=steps, spec=ACTIONS, valued=False)
    if reward is not None:
        recorder.pay_by(reward)
    lesson = _Lesson(game, recorder, player if player is not None else Kiter())
    given, seed = 0, FIRST_SEED
    while given < decisions:
        lesson.begin(seed)
        seed += 1
        while given < decisions and lesson.tick():
            for rollout in made:
                given += len(rollout)
                yield rollout
            made.clear()
