"""The command that shows a session in a terminal, over HTTP alone. Never imports a session or the server."""
