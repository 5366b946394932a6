"""Choices judged by expected free energy: data, model, learner, trial. Functions of tensors."""
