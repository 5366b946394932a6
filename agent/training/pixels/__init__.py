"""Worlds from pictures, offline: games are recorded, worlds trained, measured and played. Never imports a session."""
