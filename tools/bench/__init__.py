"""Benchmarks, one file each: `python -m tools.bench.NAME`."""
