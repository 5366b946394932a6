"""Threads, processes and streams as small primitives: lanes, supervision, children, frames. No games, no learning."""
