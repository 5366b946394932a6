"""Menus of cards as values: what was offered, with which chances, and what came of it. Never imports torch or games."""
