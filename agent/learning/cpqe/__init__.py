"""Learning of a motor's chunks: flow, student and critics from windows of decisions. No thread, no clock, no file."""
