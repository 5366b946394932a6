"""A person takes a game over from the policy: when, until when, and what goes out for them. Never imports a journal."""
