"""A world that is played in the browser: its page, keys in, pictures out. Never imports `training` or torch."""
