"""Watches play: which menus were decided, what followed each, and how each run ended.

Knows nothing of estimates. All is called on the loop, or between two steps of the policy, and takes microseconds.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from agent.control import encode
from agent.core.cards.menu import CardMenu, JudgedMenu, RunRecord, Situation, covariates, score_of
from agent.core.clock import Clock
from agent.core.types import NEUTRAL, Action, Observation

SITUATION_EVERY_S: Final = 10.0
FOR_EVER_S: Final = 1e6
"""How long a run that was won is taken to have gone on."""
_SAMPLE_S: Final = 0.25


class _Open(msgspec.Struct):
    """A menu whose horizon is not over: when it was decided, and how far the player had walked and how it was then."""

    menu: CardMenu
    walked_m: float
    speed_m_s: float
    health: float
    speed: float | None = None
    gained: float | None = None


class _Game(msgspec.Struct):
    """One game's run so far. path: (time, metres walked) of the last seconds."""

    menus: list[_Open]
    situations: list[Situation]
    path: deque[tuple[float, float]]
    at_s: float = 0.0
    walked_m: float = 0.0
    health: float = 1.0
    begun: bool = False


class RunsWatch:
    """Turns menus and observations into runs; `ended` gets each. horizon_s: of the changes of speed and health."""

    def __init__(
        self, games: int, ended: Callable[[RunRecord], None], clock: Clock, *, game: str, rules: str, horizon_s: float
    ) -> None:
        self.latest: list[Situation | None] = [None] * games
        self._games = [_fresh() for _ in range(games)]
        self._ended, self._clock = ended, clock
        self._game, self._rules, self._horizon_s = game, rules, horizon_s
        self._encoded = encode.Encoded.empty(1)

    def decided(self, game: int, menu: CardMenu) -> None:
        """A menu was decided and closed."""
        g = self._games[game]
        g.menus.append(_Open(menu, g.walked_m, self._speed(g, g.at_s), g.health))

    def on_step(self, observation: Observation, action: Action, version: int) -> None:
        """See one observation."""
        g, state = self._games[observation.game], observation.state
        if observation.is_first:
            if g.begun:
                self._end(observation.game, died=False, won=False)
            g = self._games[observation.game] = _fresh()
            g.begun, g.at_s = True, state.game_time_s
        if observation.is_last:
            won = observation.is_won
            g.at_s = max(g.at_s, state.game_time_s)
            self._end(observation.game, died=observation.is_terminal and not won, won=won)
            return
        if not state.is_playing or state.is_paused or state.current_menu:
            return
        passed_s = state.game_time_s - g.at_s
        if passed_s > 0.0:
            vx, _, vz = state.velocity
            g.walked_m += (vx * vx + vz * vz) ** 0.5 * passed_s
            g.at_s, g.health = state.game_time_s, state.health / max(state.max_health, 1.0)
            self._follow(observation, g)

    def _follow(self, observation: Observation, g: _Game) -> None:
        if not g.path or g.at_s - g.path[-1][0] >= _SAMPLE_S:
            g.path.append((g.at_s, g.walked_m))
            while g.at_s - g.path[0][0] > self._horizon_s + _SAMPLE_S:
                g.path.popleft()
            self._judge(g)
        if not g.situations or g.at_s - g.situations[-1].at_s >= SITUATION_EVERY_S:
            encode.encode_state(observation.state, 0.0, NEUTRAL, self._encoded, 0)
            seen = Situation(g.at_s, covariates(self._encoded.self_[0], self._encoded.rings[0]))
            g.situations.append(seen)
            self.latest[observation.game] = seen

    def _judge(self, g: _Game) -> None:
        """Say of each menu whose horizon is over how speed and health changed."""
        for one in g.menus:
            if one.speed is None and g.at_s - one.menu.at_s >= self._horizon_s:
                one.speed = (g.walked_m - one.walked_m) / max(g.at_s - one.menu.at_s, 1e-3) - one.speed_m_s
                one.gained = g.health - one.health

    @staticmethod
    def _speed(g: _Game, at_s: float) -> float:
        """Mean speed over the last horizon."""
        if not g.path or at_s - g.path[0][0] < _SAMPLE_S:
            return 0.0
        return (g.walked_m - g.path[0][1]) / (at_s - g.path[0][0])

    def _end(self, game: int, *, died: bool, won: bool) -> None:
        """A run is over, or cut where it neither died nor won."""
        g, self._games[game] = self._games[game], _fresh()
        self.latest[game] = None
        if not g.begun or not (g.menus or g.situations):
            return
        is_whole = died or won
        score_s = score_of(g.at_s, is_won=won) if is_whole else None
        menus = tuple(
            JudgedMenu(
                menu=one.menu, lived_s=FOR_EVER_S if won else max(0.0, g.at_s - one.menu.at_s), died=died,
                score_s=score_s, speed=one.speed, health=one.gained,
            )
            for one in g.menus
        )  # fmt: skip
        self._ended(
            RunRecord(
                run=uuid.uuid4().hex, ended_utc_ns=self._clock.wall_utc_ns(), game=self._game, rules=self._rules,
                menus=menus, situations=tuple(g.situations), lived_s=g.at_s, died=died, won=won,
            )
        )  # fmt: skip

    def cut(self) -> None:
        """The session ends: runs that go on are cut here."""
        for game in range(len(self._games)):
            self._end(game, died=False, won=False)


def _fresh() -> _Game:
    return _Game([], [], deque())
