"""The command line, one file a command: parses, checks, calls the rooms below. No rules, no learning of its own."""
