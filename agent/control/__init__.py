"""From observations to actions: encoding, policies, arbiter, rewards, scores. Never imports learning or a session."""
