"""Policies that were trained on one Gymnasium environment: its observations, its actions. Never imports games."""
