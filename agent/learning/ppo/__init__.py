"""Proximal policy optimisation: returns, update, learner. Never imports the other learners."""
