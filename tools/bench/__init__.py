"""Tests of learning with known answers, one module a test; `tools/bench_learning.py` says what each offers."""
