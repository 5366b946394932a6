"""The learner's process from both ends: client, process, their messages and files. Never imports a session."""
