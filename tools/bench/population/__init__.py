"""Populations against random search, on a toy and on MinAtar, and the learner's throughput beside others."""
