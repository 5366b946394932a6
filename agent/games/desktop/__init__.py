"""A desktop's windows: found, seen, pressed in; and what a person presses. Never imports a game, a session or torch."""
