"""Tests of learning with known answers, one module a test; `tools/bench/learning` says what each offers."""
