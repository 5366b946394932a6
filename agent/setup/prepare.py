"""Everything that is compiled at its first use, compiled now: rules, pictures, players.

The results lie in the folder of `core.compiled`, so that a later start takes seconds. Owns nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.core.compiled import forget_old


def compile_all(say: Callable[[str], None] = lambda text: None) -> None:
    """Play one tick of the arena with every player; `say` is told what is being compiled."""
    forget_old()
    from agent.control.policies import NAMES, build_policy
    from agent.games.arena.compiling import compile_arena

    compile_arena(say)
    for name in NAMES:
        say(f"the player {name}")
        build_policy(name).warm_up()
