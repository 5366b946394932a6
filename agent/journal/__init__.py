"""The append-only record of a session: write, recover, read. Never imports torch, games or a session."""
