"""Benchmarks of reading menus and of going through them."""
