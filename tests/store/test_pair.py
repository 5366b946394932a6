"""A champion's and a challenger's weights side by side: each plays its own games, and one that raises is gone."""

from __future__ import annotations

from agent.concurrency.supervise import Failure
from agent.control.arrays import STILL
from agent.control.motor import Motor
from agent.control.untrained import untrained_tensors
from agent.core.types import Action, Observation
from agent.store.pair import Pair


def _observations(tick: int, games: int) -> list[Observation | None]:
    return [Observation(g, STILL, None, tick, 1 / 60, 0.0, 0.0, tick == 0, False, False) for g in range(games)]


def _played(policy: Pair | Motor, motor: Motor, games: int = 3, ticks: int = 9) -> list[list[Action | None]]:
    carry, found = motor.initial(games), []
    for tick in range(ticks):
        carry, actions = policy.step(carry, _observations(tick, games))
        found.append(actions)
    return found


def test_each_plays_its_own_games_and_without_a_challenger_nothing_is_different() -> None:
    champion, other = Motor(untrained_tensors(0)), Motor(untrained_tensors(1))
    alone, theirs = _played(champion, champion), _played(other, other)
    pair = Pair(champion, lambda game: game == 1)
    assert _played(pair, champion) == alone

    pair.challenge(champion.prepare(untrained_tensors(1), "a challenger"), 7)
    both = _played(pair, champion)

    assert [row[1] for row in both] == [row[1] for row in theirs] != [row[1] for row in alone]
    assert [(row[0], row[2]) for row in both] == [(row[0], row[2]) for row in alone]
    assert [pair.version(game) for game in range(3)] == [0, 7, 0]
    pair.end()
    assert pair.version(1) == 0


def test_a_challenger_that_raises_is_gone_and_the_champion_answers_at_once() -> None:
    champion, failures = Motor(untrained_tensors(0)), list[Failure]()
    alone = _played(champion, champion, ticks=1)
    pair = Pair(champion, lambda game: True, failures.append)
    pair.challenge((champion.chosen, {}, lambda: _raises), 7)

    assert _played(pair, champion, ticks=1) == alone
    assert len(failures) == 1
    assert pair.version(0) == 0


def _raises(*_: object) -> None:
    raise ValueError("broken")


def test_each_change_of_who_plays_a_game_is_told_once() -> None:
    champion, told, theirs = Motor(untrained_tensors(0)), list[int](), {1}
    pair = Pair(champion, lambda game: game in theirs, part=told.append)
    pair.challenge(champion.prepare(untrained_tensors(1), "a challenger"), 7)
    _played(pair, champion, ticks=3)
    assert told == [1]
    _played(pair, champion, ticks=3)
    assert told == [1]  # it plays the next run as well
    theirs.clear()
    theirs.add(2)
    _played(pair, champion, ticks=3)
    assert told == [1, 1, 2]
    pair.end_soon()
    assert pair.version(2) == 7  # what acted in the last step
    _played(pair, champion, ticks=1)
    assert told == [1, 1, 2, 2] and pair.version(2) == 0
