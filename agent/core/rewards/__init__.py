"""What counters of a run pay: tables of weights as plain values. No game, no observation."""
