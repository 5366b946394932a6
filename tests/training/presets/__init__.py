"""Tests of how environments are trained on by default."""
