"""A planner that hangs, drips or lies against a game of its own process, and what that costs."""
