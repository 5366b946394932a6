"""Bytes ⇄ values: the BonkLink codec, its client, and the pictures it carries. Never imports torch or games."""
