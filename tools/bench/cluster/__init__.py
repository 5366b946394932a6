"""Benches of workers and learners on many machines: faults, and what more workers bring."""
