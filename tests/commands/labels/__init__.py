"""Tests of the commands that label recordings."""
