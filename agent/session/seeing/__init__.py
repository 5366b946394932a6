"""What people are shown of the games and of every decision, as plain values. Never imports the server or commands."""
