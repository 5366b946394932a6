"""Plain values and contracts that every room shares, such as a part of a session. No torch, no sockets, no threads."""
