"""Commands on worlds that were learned from pictures. Never imports a session."""
