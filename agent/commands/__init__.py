"""The command line, one file a command: parses, checks, and calls the rooms below. Nothing imports it."""
