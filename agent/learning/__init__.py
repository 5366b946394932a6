"""Learning as functions of tensors, called by the learner's process and by training. No loop, no thread, no socket."""
