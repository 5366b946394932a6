"""Training in the arena: batches of worlds, lessons by a script, PPO, choices and their outcomes."""
