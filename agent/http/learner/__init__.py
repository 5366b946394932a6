"""A learner alone: no game, no page, only what workers on this and other machines ask. Never imports agent.training."""
