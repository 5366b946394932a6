"""Training in the arena: batches of worlds, lessons by a script, PPO, choices. Never imports a session."""
