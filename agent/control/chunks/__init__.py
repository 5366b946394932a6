"""The motor of chunks (CPQE) in play: its compiled step and its policy. Never imports torch, sockets or threads."""
