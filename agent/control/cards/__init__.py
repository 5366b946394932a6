"""Which card the pilot takes: the chooser, and expected free energy in numpy. Never imports torch or learning."""
