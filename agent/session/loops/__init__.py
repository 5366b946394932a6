"""Loops in a session that plays: found, shown, told to the planner. Never imports the server or commands."""
