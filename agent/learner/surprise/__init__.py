"""How surprising what a game shows is to a world that was learned from pictures. Never imports a session."""
