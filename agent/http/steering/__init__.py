"""How a person steers what learns and which weights act. Never imports `training`; owns no weights."""
