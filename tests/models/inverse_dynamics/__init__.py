"""Tests of networks that read pictures."""
