"""What may replace an action that is about to be sent, seeing the state that it answers. Never imports a session."""
