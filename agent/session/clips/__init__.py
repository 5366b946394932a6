"""Saving what just happened from a session that is being recorded. Never imports the server or commands."""
