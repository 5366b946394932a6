"""From observations to actions: encoding, policies, the arbiter, rewards and scores."""
