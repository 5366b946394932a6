"""Commands that merge policies and that keep, train and compose skills. Never imports a session."""
