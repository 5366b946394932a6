"""The planner's place in a session: what of a plan reaches the actions. Never imports the server or a game."""
