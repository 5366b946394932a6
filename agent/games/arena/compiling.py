"""The arena's rules and pictures, compiled or loaded before the first tick is due."""

from __future__ import annotations

from collections.abc import Callable

from agent.core.compiled import alone
from agent.core.types import NEUTRAL

_is_done = False


def compile_arena(say: Callable[[str], None] = lambda text: None) -> None:
    """Play one tick of a run that nobody sees, once a process; `say` is told what is being prepared.

    One process compiles at a time; others wait for it.
    """
    global _is_done
    if _is_done:
        return
    with alone(say):
        _compile(say)
    _is_done = True


def _compile(say: Callable[[str], None]) -> None:
    from agent.games.arena.game import ArenaGame

    say("the arena's rules (1 of 2)")
    game = ArenaGame()
    game.reset(0, start="run")
    game.tick(NEUTRAL)
    game.worlds.run(1)
    say("the arena's pictures (2 of 2)")
    game.render()
    game.state()
    game.close()
