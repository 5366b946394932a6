"""Tells Gymnasium of the arena; importing `agent` calls it.

Owns no environment; Gymnasium imports that when it is made.
"""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

ARENA_ID = "metabonk/Arena-v0"


def register_arena() -> None:
    """Register `metabonk/Arena-v0`; a second call changes nothing."""
    if ARENA_ID not in registry:
        register(
            id=ARENA_ID,
            entry_point="agent.games.arena.gym_env:ArenaEnv",
            vector_entry_point="agent.games.arena.gym_vector:ArenaVectorEnv",
        )
