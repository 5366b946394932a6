"""Games of others, trained on by `train` with the kind's preset and by stable-baselines3 with its defaults."""
