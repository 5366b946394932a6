"""Commands of many machines: the learner that workers push to, and what places both. Never imports Ray at its start."""
