"""A recording as a game: its packets come again, and may be sought and slowed. Never imports the server or commands."""
