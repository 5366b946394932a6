"""Choices judged by expected free energy: data, model, learner, trial. Never imports the other learners."""
