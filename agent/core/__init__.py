"""Plain values shared by every room: no torch, no sockets, no threads."""
