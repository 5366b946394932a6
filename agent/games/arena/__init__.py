"""The built-in game: a headless Megabonk with its rules, screens and pictures. Never imports torch or control."""
