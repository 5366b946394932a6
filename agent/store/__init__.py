"""Weights on disk: versions, exchange while playing, trial. Never imports a session or the learner."""
