"""Skills of the arena: their metrics, their training on a pilot, and what they change. Never imports a session."""
