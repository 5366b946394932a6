"""Commands that learn from recordings what was done, and label others with it. Never imports a session."""
