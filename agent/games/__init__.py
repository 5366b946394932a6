"""Games that this program hosts itself; they speak BonkLink like any other game. Never imports torch or a session."""
