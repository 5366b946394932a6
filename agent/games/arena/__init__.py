"""The built-in game: a headless Megabonk with its own rules, screens and pictures."""
