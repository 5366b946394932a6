"""Tests of learning with known answers, one module a test; each has `run(seeds, reduced) -> dict`."""
