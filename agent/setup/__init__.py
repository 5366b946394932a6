"""This machine and the game's folder: doctor, find, install, prepare. Never imports a session."""
