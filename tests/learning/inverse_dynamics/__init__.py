"""Tests of inverse dynamics."""
