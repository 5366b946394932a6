"""Benchmarks of labels from pictures, and of what is learned from them; `python -m tools.bench.labels.NAME`."""
