"""Tests of the motor's learning with known answers, and what it measures in the arena; see `tools/bench/learning`."""
