"""The command that shows what is known of cards. Never imports the server, games or learners with torch."""
