"""An agent that plays Megabonk in real time, and the games that it can play without it.

Importing the package tells Gymnasium of the built-in game, `metabonk/Arena-v0` (nothing of it is loaded before it is
made), and numba where to keep what it compiles.
"""

from agent.concurrency.signals import end_at_once, is_command, is_program

if is_command():
    end_at_once()  # the imports below take long enough for an early Ctrl-C

from agent.core.compiled import use_own_folder

use_own_folder()
if not is_program():  # most of its processes need no Gymnasium, which takes a while to import; the others ask for it
    from agent.games.arena.registration import register_arena

    register_arena()
