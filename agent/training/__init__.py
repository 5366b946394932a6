"""Offline work that ends: train, evaluate, quantize. Never imports `http` or a session."""
