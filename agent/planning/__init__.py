"""System 2: language models, the planner that names subgoals, the goal it plans for. No torch, no policy, no game."""
