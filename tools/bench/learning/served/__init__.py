"""What may learn and act in play: a harmful learner, a better challenger, and learners beside each other."""
