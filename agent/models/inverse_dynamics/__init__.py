"""Networks that tell from pictures what was done, and how far a run has come. No training, no file."""
