"""Small commands that make or check one thing: `python -m tools.scripts.NAME`."""
