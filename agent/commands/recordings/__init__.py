"""Commands on recordings: list, mend, replay and carry over into other forms. Never imports the server or games."""
