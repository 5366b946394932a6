"""What to pursue, as values that planner and motor share: subgoals, their ends, their vector. No policy, no planner."""
