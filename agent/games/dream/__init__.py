"""A learned world as a game: an environment whose steps a process with the networks makes. Never imports torch."""
