"""Merges that are measured: sources with their tasks, the search of weights, the gate. Never imports a session."""
