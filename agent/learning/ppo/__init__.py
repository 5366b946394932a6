"""Proximal policy optimisation: returns, update, learner. Functions of tensors."""
