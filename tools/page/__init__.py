"""The page in a real browser: a session that plays for it, its pictures, what it costs. Knows no test."""
