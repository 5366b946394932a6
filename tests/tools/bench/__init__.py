"""Tests of benches in `tools/bench` that have no room left beside the others."""
