"""Inverse dynamics: from pictures to what was done, how sure that is, and how late. No thread, no clock."""
