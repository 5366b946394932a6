"""Learning as functions of tensors: no loop, no thread, no socket. The learner's process and training call it."""
