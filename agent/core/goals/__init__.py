"""What to pursue, as plain values that planner and motor share: subgoals, when they end, their vector.

Never imports torch, a policy, a planner or a clock.
"""
