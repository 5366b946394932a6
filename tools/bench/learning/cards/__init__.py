"""Benches of what is learned about cards: simulated menus, and the arena."""
