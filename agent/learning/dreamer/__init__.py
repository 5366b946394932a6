"""World model, replay and dreams, after DreamerV3. Never imports the other learners but PPO, to distil into it."""
