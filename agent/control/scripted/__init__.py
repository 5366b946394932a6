"""Scripted players beside the kiter, and what they share: routes, goals, cards. Reads the state alone; no torch."""
