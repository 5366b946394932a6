"""Commands for developers: bootstrap, check, benchmarks, scripts."""
