"""Learning from a replay of all decisions: replay, critics, and the learner for play. No thread, no clock, no file."""
