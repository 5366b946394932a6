"""Trainings on recordings: inverse dynamics, labels, cloned policies, rewards of progress. Never imports a session."""
