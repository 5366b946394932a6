"""Skills in play: what makes one fit, and the swap of weights between two steps. Never imports a session."""
