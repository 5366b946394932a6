"""Learning as functions of tensors: no loop, no thread, no socket. `runtime` calls it in a lane."""
