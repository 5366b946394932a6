"""The motor of chunks (CPQE) in play: its compiled step and its policy. Imports no torch, no socket, no thread."""
