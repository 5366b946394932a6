"""Commands on many policies: merge them, keep and compose skills, train populations. Never imports a session."""
